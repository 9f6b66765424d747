"""torchvision's times for what kernel_bench --benchmark_filter=transform measures: microseconds of processor time for a
picture, the median of seven rounds.

    python3 tests/bench/torchvision_transforms.py      (torchvision, Pillow)
"""
import statistics
import time

import numpy as np
import torch
from PIL import Image
from torchvision import transforms as T

torch.set_num_threads(1)
stored = Image.fromarray(np.random.default_rng(0).integers(0, 256, (160, 213, 3), dtype=np.uint8))
cropped = stored.crop((0, 0, 128, 128))

for name, transform, image in [
        ("resize", T.Resize(128), stored),
        ("resize_grey", T.Resize(128), stored.convert("L")),
        ("random_resized_crop", T.RandomResizedCrop(128), stored),
        ("random_horizontal_flip", T.RandomHorizontalFlip(1), cropped),
        ("color_jitter", T.ColorJitter(0.4, 0.4, 0.4, 0.1), cropped),
        ("rand_augment", T.RandAugment(), cropped),
        ("trivial_augment_wide", T.TrivialAugmentWide(), cropped)]:
    rounds = []
    for _ in range(7):
        start = time.process_time()
        for _ in range(500):
            transform(image)
        rounds.append((time.process_time() - start) / 500 * 1e6)
    print(f"{name:24} {statistics.median(rounds):8.1f}")
