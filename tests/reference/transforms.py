"""What Pillow and torchvision make of pictures, for tests/data/pillow_test.cpp.

    python3 tests/reference/transforms.py      (torchvision 0.29, Pillow 13; writes transforms.safetensors beside this file)

The pictures stand in the file as picture.NAME (H,W,C). A case's options stand in the metadata, and the tensor of its name
is the picture that comes out; for op=magnitudes, all magnitudes of an operation of RandAugment or TrivialAugmentWide.
"""
import os

import numpy as np
from PIL import Image
from torchvision.transforms import InterpolationMode, autoaugment
from torchvision.transforms import functional as F

from hashed import hashed, options_text, write_safetensors

tensors, cases = {}, {}


def picture(name, height, width, channels, least=0, most=255):
    """Smooth areas, an edge across, and noise."""
    coarse = (hashed(name + ".coarse", (5, 4, channels)) * 127 + 128).astype(np.uint8)
    smooth = np.asarray(from_array(coarse).resize((width, height), Image.BICUBIC)).reshape(height, width, channels)
    y, x = np.mgrid[:height, :width]
    edge = np.where(3 * y + 2 * x > 2 * height + width, 60, -20)[:, :, None]
    values = smooth + edge + hashed(name + ".noise", (height, width, channels)) * 8
    values = np.clip(values, 0, 255) / 255 * (most - least) + least
    tensors["picture." + name] = values.round().astype(np.uint8)


def from_array(array):
    return Image.fromarray(array if array.shape[2] == 3 else array[:, :, 0])


def case(op, name, transformed, **options):
    """transformed: what makes one picture from another."""
    image = from_array(tensors["picture." + name])
    result = transformed(image)
    key = f"{op}.{sum(text.startswith(f'op={op} ') for text in cases.values())}"
    tensors[key] = np.array(result).reshape(result.height, result.width, -1)
    cases[key] = options_text(op=op, picture=name, **options)


picture("photo", 37, 53, 3)
picture("grey", 29, 31, 1)
picture("tall", 61, 14, 3)
picture("wide", 12, 70, 1)
picture("small", 19, 23, 3)
picture("dull", 17, 20, 3, 90, 160)
picture("flat", 4, 3, 3, 77, 77)
picture("strip", 2, 30, 3)
picture("row", 1, 9, 3)
picture("column", 11, 1, 1)
picture("pixel", 1, 1, 3)

for name, height, width in [
        ("photo", 24, 34), ("photo", 37, 40), ("photo", 20, 53), ("photo", 41, 61), ("photo", 3, 80), ("photo", 50, 7),
        ("photo", 1, 1), ("photo", 2, 3), ("grey", 16, 16), ("grey", 40, 33), ("grey", 10, 31), ("grey", 5, 30),
        ("tall", 20, 13), ("tall", 20, 5), ("tall", 30, 20), ("wide", 5, 17), ("wide", 24, 24), ("row", 4, 4),
        ("row", 1, 3), ("column", 5, 3), ("column", 20, 1), ("pixel", 3, 5), ("pixel", 1, 1)]:
    case("resize", name, lambda image: F.resize(image, [height, width]), height=height, width=width)

for name, size in [("photo", 20), ("photo", 40), ("grey", 11), ("tall", 7), ("wide", 5), ("row", 2), ("pixel", 3)]:
    case("short_side", name, lambda image: F.resize(image, size), size=size)

for name, top, left, height, width, size in [
        ("photo", 3, 5, 20, 30, 16), ("photo", 0, 0, 37, 10, 24), ("photo", 36, 52, 1, 1, 3), ("grey", 4, 7, 9, 20, 12),
        ("tall", 10, 2, 40, 12, 11)]:
    case("resized_crop", name, lambda image: F.resized_crop(image, top, left, height, width, [size, size]),
         top=top, left=left, height=height, width=width, size=size)

for name, height, width in [("photo", 20, 20), ("photo", 22, 31), ("photo", 40, 20), ("photo", 20, 60), ("photo", 40, 60),
                            ("grey", 14, 15), ("grey", 32, 34), ("tall", 60, 15), ("pixel", 4, 3)]:
    case("center_crop", name, lambda image: F.center_crop(image, [height, width]), height=height, width=width)

adjustments = {"brightness": F.adjust_brightness, "contrast": F.adjust_contrast, "saturation": F.adjust_saturation,
               "sharpness": F.adjust_sharpness, "hue": F.adjust_hue}
for op, adjust in adjustments.items():
    for factor in (-0.5, -0.3, 0.0, 0.017, 0.45) if op == "hue" else (0.0, 0.37, 1.0, 1.6, 9.0):
        for name in ("small", "grey") if factor in (-0.3, 1.6) else ("small",):
            case(op, name, lambda image: adjust(image, factor), factor=factor)
    for name in ("dull", "strip", "pixel"):
        factor = 0.2 if op == "hue" else 0.6
        case(op, name, lambda image: adjust(image, factor), factor=factor)


def spaces(height, width, bins):
    return {"rand": autoaugment.RandAugment()._augmentation_space(bins, (height, width)),
            "wide": autoaugment.TrivialAugmentWide()._augmentation_space(bins)}


def augmented(name, op, magnitude):
    case("augment", name, lambda image: autoaugment._apply_op(image, op, magnitude, InterpolationMode.NEAREST, None),
         apply=op, magnitude=magnitude)


for kind, space in spaces(19, 23, 31).items():
    for op, (magnitudes, signed) in space.items():
        for bin in (9, 20, 30) if magnitudes.ndim else (0,):
            magnitude = float(magnitudes[bin]) if magnitudes.ndim else 0.0
            augmented("small", op, magnitude if bin == 9 or not signed else -magnitude)
for name in ("grey", "dull", "flat", "strip", "column", "pixel"):
    for op, magnitude in [("ShearX", 0.7), ("ShearY", -0.4), ("TranslateY", 3.0), ("Rotate", 25.0), ("Rotate", 90.0),
                          ("Rotate", 180.0), ("Posterize", 3), ("Solarize", 128.5), ("AutoContrast", 0), ("Equalize", 0)]:
        augmented(name, op, magnitude)

for height, width, bins in [(128, 170, 31), (331, 20, 11), (7, 224, 2)]:
    for kind, space in spaces(height, width, bins).items():
        for op, (magnitudes, signed) in space.items():
            if magnitudes.ndim:
                key = f"magnitudes.{kind}.{op}.{bins}"
                tensors[key] = magnitudes.numpy().astype(np.float64)
                cases[key] = options_text(op="magnitudes", kind=kind, apply=op, height=height, width=width, bins=bins,
                                          signed=signed)

write_safetensors(os.path.join(os.path.dirname(os.path.abspath(__file__)), "transforms.safetensors"), tensors, cases)
