#!/usr/bin/env python3
"""Opens reports in headless Chromium, light and dark and as wide as a phone: the console stays empty, nothing is asked
for beyond the file itself, the paper has the scheme's colour, and only what scrolls by itself is wider than the screen.

    tests/report_test.py build/release/apps/striate [--screenshots DIR] [REPORT.html...]

Needs Python and Debian's chromium; without one it ends with 77, which ctest counts as skipped. Without pages of its own
it trains a small net and makes some, and takes those under docs/results.
"""
import argparse
import json
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

RESULTS = pathlib.Path(__file__).resolve().parent.parent / "docs/results"
OWN = re.compile(r"^https?://[a-z0-9.-]*\.(google|googleapis|gvt1)\.com/")  # of Chromium itself: updates, the time
LIGHT, DARK = (0xFF, 0xFF, 0xFF), (0x0D, 0x11, 0x17)
# Tells how much is beyond a phone's width, and how many pictures there are and are broken. A report may run no script.
FRAME = """<!doctype html><meta charset="utf-8">
<iframe id="page" style="width:390px;height:800px;border:0" src="{}"></iframe><p id="told">nothing</p><script>
onload = () => {{
  const inner = document.getElementById("page").contentDocument, root = inner.documentElement;
  const broken = [...inner.images].filter(i => !i.complete || i.naturalWidth === 0).length;
  told.textContent = `${{root.scrollWidth - root.clientWidth}} ${{inner.images.length}} ${{broken}}`;
}};
</script>"""


def run(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def make_pages(program, folder):
    data, trained = str(folder / "data"), str(folder / "run")
    run(program, "generate", "--out", data, "--train", "300", "--test", "60")
    run(program, "train", "--model", "vgg11", "--width-multiplier", "0.0625", "--data", data, "--out", trained,
        "--epochs", "2", "--threads", "1", "--report")
    several = folder / "several.html"
    run(program, "report", *(str(RESULTS / name) for name in ("rotated-mnist", "lenet-mnist")), "--out", str(several))
    return [folder / "run/report.html", several, *sorted(RESULTS.glob("*/report.html"))]


def chromium(folder, scheme, *flags):
    """What it printed, its complaints in the console, and the requests that left the files."""
    log = folder / "netlog.json"
    words = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr",
             "--disable-background-networking", "--disable-dev-shm-usage", f"--log-net-log={log}",
             f"--user-data-dir={folder / 'profile'}",
             f"--blink-settings=preferredColorScheme={scheme}", *flags]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line], requested(log)


def requested(log):
    """The addresses that were asked for."""
    record = json.loads(log.read_text())
    start = record["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    urls = {e["params"]["url"] for e in record["events"] if e["type"] == start and "url" in e.get("params", {})}
    return {url for url in urls if not url.startswith(("file:", "data:", "chrome")) and not OWN.search(url)}


def first_pixel(png):
    """Of 8 bits a channel; the first pixel is stored as it is, whatever the row's filter."""
    data, at = b"", 8
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at:at + 8])
        if kind == b"IDAT":
            data += png[at + 8:at + 8 + size]
        at += 12 + size
    return tuple(zlib.decompress(data)[1:4])


def expect_that_it_would_be_seen(folder):
    bad = folder / "bad.html"
    bad.write_text("<!doctype html><img src='http://striate.invalid/a.png'><script>console.error('no')</script>")
    _, console, requests = chromium(folder, 1, "--dump-dom", bad.as_uri())
    assert "http://striate.invalid/a.png" in requests and console, (console, requests)


def check(page, folder, screenshots):
    for name, scheme, paper, size in (("light", 1, LIGHT, "1200,2000"), ("dark", 0, DARK, "1200,2000"),
                                      *([("phone", 1, LIGHT, "390,2000")] if screenshots else [])):
        shot = (screenshots or folder) / f"{page.parent.name}-{page.stem}-{name}.png"
        _, console, requests = chromium(folder, scheme, f"--window-size={size}", f"--screenshot={shot}", page.as_uri())
        assert not console and not requests, (page, console, requests)
        assert first_pixel(shot.read_bytes()) == paper, (page, name, first_pixel(shot.read_bytes()))
    frame = folder / "frame.html"
    frame.write_text(FRAME.format(page.as_uri()))
    dom, _, _ = chromium(folder, 1, "--allow-file-access-from-files", "--dump-dom", frame.as_uri())
    beyond, pictures, broken = map(int, re.search(r'id="told">([-0-9]+) (\d+) (\d+)<', dom).groups())
    assert beyond <= 0, f"{page} is {beyond} pixels wider than a phone"
    assert broken == 0, f"{page}: {broken} of {pictures} pictures cannot be shown"
    print(f"{page.parent.name}/{page.name}: no complaint, no request, {pictures} pictures, fits a phone", flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("program")
    arguments.add_argument("pages", nargs="*", type=pathlib.Path)
    arguments.add_argument("--screenshots", type=pathlib.Path)
    given = arguments.parse_args()
    if not shutil.which("chromium"):
        print("there is no chromium here")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        expect_that_it_would_be_seen(folder)
        pages = [page.resolve() for page in given.pages] or make_pages(given.program, folder)
        for page in pages:
            check(page, folder, given.screenshots)


if __name__ == "__main__":
    main()
