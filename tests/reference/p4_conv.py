"""Outputs and gradients of p4 group convolutions in float64, by PyTorch's conv2d and rot90, for
tests/layers/p4_conv_test.cpp.

    python3 tests/reference/p4_conv.py      (PyTorch 2; writes p4_conv.safetensors beside this file)

A feature map in PyTorch is (N,K,4,H,W) here; the file has (N,4*K,H,W) with the orientations outside, as striate has
its channels. Weights are (K,C,R,R) and (K,C,4,R,R), as in files.
"""
import os

import torch
import torch.nn.functional as F

from hashed import hashed, options_text, write_safetensors

tensors, cases = {}, {}


def outside(y):
    """(N,K,4,H,W) -> (N,4*K,H,W), orientation by orientation."""
    return y.transpose(1, 2).flatten(1, 2)


def lifting(x, w, b, **options):
    return torch.stack([F.conv2d(x, torch.rot90(w, o, (2, 3)), b, **options) for o in range(4)], 2)


def group(x, w, b, **options):
    """Equation 12 of Cohen and Welling (2016): the filter's own orientation axis turns with the filter."""
    maps = []
    for o in range(4):
        turned = torch.rot90(torch.roll(w, o, 2), o, (3, 4))
        maps.append(sum(F.conv2d(x[:, :, i], turned[:, :, i], **options) for i in range(4)) + b[:, None, None])
    return torch.stack(maps, 2)


def case(name, orientations, n, c, side, k, kernel, **options):
    x_shape = (n, c, side, side) if orientations == 1 else (n, c, 4, side, side)
    w_shape = (k, c, kernel, kernel) if orientations == 1 else (k, c, 4, kernel, kernel)
    x, w, b = (torch.tensor(hashed(f"{name}.{key}", shape)).requires_grad_()
               for key, shape in [("x", x_shape), ("w", w_shape), ("b", (k,))])
    y = (lifting if orientations == 1 else group)(x, w, b, **options)
    y.backward(torch.tensor(hashed(name + ".dy", y.shape)))
    in_file = (lambda t: t) if orientations == 1 else outside
    found = {"x": in_file(x), "y": outside(y), "dy": outside(torch.tensor(hashed(name + ".dy", y.shape))), "w": w,
             "b": b, "dx": in_file(x.grad), "dw": w.grad, "db": b.grad}
    tensors.update({f"{name}.{key}": value.detach().contiguous().numpy() for key, value in found.items()})
    cases[name] = options_text(orientations=orientations, c=c, k=k, kernel=kernel,
                               **{"stride": 1, "padding": 0, **options})


case("lifting", 1, 2, 3, 7, 2, 3, padding=1)
case("lifting_even", 1, 1, 2, 6, 3, 2)
case("lifting_stride", 1, 2, 1, 7, 2, 3, stride=2, padding=1)
case("group", 4, 2, 3, 5, 2, 3, padding=1)
case("group_even", 4, 1, 1, 6, 2, 4)
case("group_stride", 4, 1, 2, 7, 3, 3, stride=2)
case("group_one", 4, 2, 2, 3, 3, 1)

write_safetensors(os.path.join(os.path.dirname(os.path.abspath(__file__)), "p4_conv.safetensors"), tensors, cases)
