"""Outputs and gradients in float64 of torch.nn.Upsample.

    python3 tests/reference/upsample.py      (PyTorch 2; writes upsample.safetensors beside this file)

Cases: cases.py. Either size or factor is 0,0.
"""
import itertools

import torch

from cases import unary, write

MODES = (("nearest", False), ("bilinear", False), ("bilinear", True))


def upsample(case, shape, mode, corners, size=(0, 0), factor=(0, 0)):
    options = dict(size=size) if any(size) else dict(scale_factor=factor)
    if mode != "nearest":
        options["align_corners"] = corners
    unary(case, "Upsample", shape, torch.nn.Upsample(mode=mode, **options), 4 * shape[2] * shape[3], mode=mode,
          align_corners=corners, size=size, factor=factor)


SIZES = ((10, 14), (7, 6), (3, 11), (1, 1), (5, 7), (13, 2))
for (mode, corners), (i, size) in itertools.product(MODES, enumerate(SIZES)):
    upsample(f"{mode}_{corners}_size_{i}", (2, 3, 5, 7), mode, corners, size=size)
for (mode, corners), (i, factor) in itertools.product(MODES, enumerate(((2, 2), (3, 1), (1.5, 2.3), (0.5, 0.75)))):
    upsample(f"{mode}_{corners}_factor_{i}", (1, 2, 5, 6), mode, corners, factor=factor)
for mode, corners in MODES:
    upsample(f"{mode}_{corners}_pixel", (2, 3, 1, 1), mode, corners, size=(3, 2))
# A factor that leaves the size, and one that doubles it; places that other roundings than f32's would take to others.
for mode, corners in MODES:
    upsample(f"{mode}_{corners}_size_stays", (1, 2, 9, 20), mode, corners, factor=(1.1, 1.04))
    upsample(f"{mode}_{corners}_doubled", (1, 2, 10, 3), mode, corners, factor=(2.05, 2.3))
upsample("nearest_rounded", (1, 1, 14, 39), "nearest", False, size=(46, 33))

write("upsample.safetensors")
