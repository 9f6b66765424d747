#!/usr/bin/env python3
"""Trains narrow models twice, once undisturbed and once killed, interrupted and stopped at random moments and resumed
until it is done, and compares what the two leave: weights and averages byte for byte, metrics.csv but for its times.

    tests/kill_test.py build/release/apps/striate --seconds 600

Needs Python alone. docs/reliability.md has what it found.
"""
import argparse
import collections
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TIMES = 2  # the last columns of metrics.csv: seconds, images_per_second


def random_flags(rng, teacher):
    """Flags of a run: a model, a precision, and some of what carries state from step to step."""
    model = rng.choice([("vgg11", 0.0625), ("resnet20", 0.125)])
    epochs = rng.randint(1, 3)
    flags = ["--model", model[0], "--width-multiplier", str(model[1]), "--epochs", str(epochs)]
    flags += ["--batch-size", rng.choice(["16", "25", "32"]), "--seed", str(rng.randrange(1000))]
    flags += ["--precision", rng.choice(["fp32", "bf16", "fp16"])]
    flags += ["--checkpoint-minutes", rng.choice(["0", "0.001", "10"])]
    for options in (
        ["--optimizer", "adamw"],
        ["--ema", "0.9"],
        ["--swa-from", str(rng.randint(1, epochs))],
        ["--accumulate", "2"],
        ["--mixup", "0.2"],
        ["--cutmix", "1"],
        ["--cutout", "8"],
        ["--flip", "alternating"],
        ["--transform", "random_invert:p=0.2"],
        ["--label-smoothing", "0.1"],
        ["--clip-norm", "1"],
        ["--warmup-epochs", "0.5"],
        ["--schedule", rng.choice(["onecycle", "poly"])],
        ["--teacher", str(teacher)],
        ["--val-split", "0.2"] + rng.choice([[], ["--patience", "1"]]),
    ):
        if rng.random() < 0.3:
            flags += options
    if model[0] == "vgg11" and rng.random() < 0.5:
        flags += ["--dropout", "0.2"]
    return flags


def threads(rng):
    """What may differ from one resumption to the next."""
    return ["--threads", str(rng.randint(1, 2)), "--workers", str(rng.randint(0, 2))]


class Failure(Exception):
    pass


class KillTest:
    def __init__(self, program, folder, seed):
        self.program = str(pathlib.Path(program).resolve())
        self.folder = folder
        self.rng = random.Random(seed)
        self.signals = collections.Counter()
        self.data = folder / "data"
        self.check(["generate", "--out", str(self.data), "--train", "200", "--test", "40"])
        teacher = folder / "teacher"
        self.check(self.train(teacher) + ["--model", "vgg11", "--width-multiplier", "0.0625", "--epochs", "2"])
        self.teacher = teacher / "weights.safetensors"

    def train(self, out):
        return ["train", "--data", str(self.data), "--out", str(out)]

    def start(self, arguments):
        return subprocess.Popen([self.program, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def check(self, arguments):
        process = self.start(arguments)
        errors = process.communicate()[1]
        if process.returncode != 0:
            raise Failure(f"striate {' '.join(arguments)} ended with {process.returncode}: {errors}")

    def disturb(self, process, seconds):
        """Waits that long, then sends a signal; whether the run went on to its end before."""
        rng = self.rng
        try:
            process.wait(rng.random() * seconds)
        except subprocess.TimeoutExpired:
            name = rng.choices(["KILL", "TERM", "INT", "HUP", "STOP"], [4, 2, 2, 2, 1])[0]
            self.signals[name] += 1
            process.send_signal(getattr(signal, "SIG" + name))
            if name == "STOP":
                time.sleep(rng.random() * 0.2)
                process.send_signal(signal.SIGCONT)
                time.sleep(rng.random() * 0.2)
                process.kill()
        errors = process.communicate()[1]
        # 130 is what a run that was told to end says when it has saved; before it listens it ends by the signal.
        if process.returncode not in (0, 130) and process.returncode >= 0:
            raise Failure(f"ended with {process.returncode}: {errors}")
        return process.returncode == 0

    def run(self):
        flags = random_flags(self.rng, self.teacher)
        whole, broken = self.folder / "whole", self.folder / "broken"
        for folder in (whole, broken):
            shutil.rmtree(folder, ignore_errors=True)
        begin = time.monotonic()
        self.check(self.train(whole) + flags + threads(self.rng))
        seconds = time.monotonic() - begin
        try:
            # Without a checkpoint a run starts over: longer and longer, so that every run ends.
            for attempt in range(1000):
                process = self.start(self.train(broken) + flags + threads(self.rng) + ["--resume"])
                if self.disturb(process, seconds * (0.2 + attempt / 20)):
                    break
            self.compare(whole, broken)
        except Failure as failure:
            raise Failure(f"train {' '.join(flags)}: {failure}") from failure

    def compare(self, whole, broken):
        names = sorted(path.name for path in whole.iterdir())
        left = sorted(path.name for path in broken.iterdir())
        if names != left:
            raise Failure(f"files {left}, undisturbed {names}")
        for name in names:
            if name.startswith("weights") and (whole / name).read_bytes() != (broken / name).read_bytes():
                raise Failure(f"{name} differs")
        if without_times(whole) != without_times(broken):
            raise Failure("metrics.csv differs")


def without_times(run):
    lines = (run / "metrics.csv").read_text().splitlines()
    return [line.split(",")[:-TIMES] for line in lines]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="striate")
    parser.add_argument("--seconds", type=float, default=0, help="begin runs for so long")
    parser.add_argument("--runs", type=int, default=1, help="at least so many runs")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="striate-kill-") as folder:
        test = KillTest(arguments.program, pathlib.Path(folder), arguments.seed)
        runs = 0
        while runs < arguments.runs or time.monotonic() - begin < arguments.seconds:
            test.run()
            runs += 1
    signals = ", ".join(f"{count} {name}" for name, count in sorted(test.signals.items()))
    print(f"{runs} runs, {sum(test.signals.values())} interruptions ({signals}), every one resumed to the same bytes, "
          f"in {time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"kill_test: {failure}")
