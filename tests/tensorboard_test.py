#!/usr/bin/env python3
"""Trains with --tensorboard, kills the run at random moments and resumes it until it is done; then TensorBoard reads
the event files, and its figures must be those of metrics.csv, each step once.

    tests/tensorboard_test.py build/release/apps/striate --runs 5

Needs tensorboard, and so is not in the suite, which compares bytes with what TensorBoard writes
(tests/apps/event_file_test.cpp).
"""
import argparse
import csv
import pathlib
import random
import subprocess
import tempfile
import time

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

TAGS = {f"{figure}/{of}": f"{of}_{figure}"
        for of in ("val", "test", "ema_test") for figure in ("loss", "accuracy", "top5")}
TAGS |= {"loss/train": "train_loss", "accuracy/train": "train_accuracy", "run/learning_rate": "learning_rate",
         "run/images_per_second": "images_per_second", "run/epoch": "epoch"}


def run_until_done(program, data, out, rng):
    """Returns how often the run was killed."""
    flags = ["--data", data, "--model", "vgg11", "--width-multiplier", "0.0625", "--epochs", "4", "--batch-size", "16",
             "--val-split", "0.2", "--ema", "0.9", "--checkpoint-minutes", rng.choice(["0", "10"])]
    kills = 0
    while True:
        child = subprocess.Popen([program, "train", "--out", out, "--tensorboard", "--resume", "--threads", "1"] +
                                 (flags if not kills else flags[:2] if rng.random() < 0.5 else []),
                                 stdout=subprocess.DEVNULL)
        try:
            child.wait(timeout=rng.uniform(0.2, 0.8) if kills < 5 else None)
            assert child.returncode == 0, child.returncode
            return kills
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            checkpoint = pathlib.Path(out, "checkpoint.safetensors")
            if not checkpoint.exists():
                continue
            kills += 1
            if kills == 1:
                first = checkpoint.read_bytes()
            elif kills == 4:  # as if no later one had been saved: events of whole epochs are void
                checkpoint.write_bytes(first)


def check(out):
    events = EventAccumulator(str(out), size_guidance={"scalars": 0, "histograms": 0, "images": 0})
    events.Reload()
    with open(out / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    steps = [int(row["step"]) for row in rows]
    assert set(events.Tags()["scalars"]) == set(TAGS), events.Tags()
    for tag, column in TAGS.items():
        scalars = events.Scalars(tag)
        assert [s.step for s in scalars] == steps, (tag, [s.step for s in scalars], steps)
        for scalar, row in zip(scalars, rows):
            expected = float(row[column])
            rounding = 0.1 if column == "images_per_second" else 1e-6
            assert abs(scalar.value - expected) <= rounding + 1e-6 * abs(expected), (tag, scalar, row)
    histograms = events.Tags()["histograms"]
    assert "weights/features.0.weight" in histograms and "weights/classifier.bias" in histograms, histograms
    for tag in histograms:
        assert [h.step for h in events.Histograms(tag)] == steps, tag
        for h in events.Histograms(tag):
            v = h.histogram_value
            assert sum(v.bucket) == v.num and v.min <= v.sum / v.num <= v.max and v.bucket_limit[-1] == v.max, (tag, v)
    images = events.Tags()["images"]
    assert len([tag for tag in images if tag.startswith("test images/")]) == 8, images
    assert [image.step for image in events.Images("filters/first layer")] == steps
    for tag in images:
        assert events.Images(tag)[0].encoded_image_string.startswith(b"\x89PNG"), tag
    return len(list(out.glob("events.out.tfevents.*")))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("program")
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("--seed", type=int, default=int(time.time()))
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = str(pathlib.Path(folder, "data"))
        subprocess.run([given.program, "generate", "--out", data, "--train", "400", "--test", "60"], check=True,
                       stdout=subprocess.DEVNULL)
        for seed in range(given.seed, given.seed + given.runs):
            out = pathlib.Path(folder, f"run-{seed}")
            kills = run_until_done(given.program, data, str(out), random.Random(seed))
            files = check(out)
            print(f"seed {seed}: killed {kills} times, {files} event files, read as metrics.csv has it", flush=True)


if __name__ == "__main__":
    main()
