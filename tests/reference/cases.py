"""What reference scripts of ops share: inputs, and outputs with gradients as cases of tests/layers/parity_test.cpp.

Inputs are hashed("CASE.x", shape) and so on, not stored. A case's options stand in the file's metadata; its tensors
are named CASE.y, CASE.dx, ... in PyTorch's layouts. The output's gradient is hashed("CASE.dy", y's shape).
"""
import os

import torch

from hashed import hashed, options_text, write_safetensors

tensors, cases = {}, {}


def leaf(name, shape, scale=1.0, offset=0.0):
    return torch.tensor(hashed(name, shape) * scale + offset).requires_grad_()


def finish(case, op, y, leaves, terms, **options):
    """terms: the products in the longest sum of the case, which sets float32's tolerance."""
    y.backward(torch.tensor(hashed(case + ".dy", tuple(y.shape))))
    tensors[case + ".y"] = y.detach().numpy()
    for name, value in leaves.items():
        tensors[f"{case}.d{name}"] = value.grad.numpy()
    cases[case] = options_text(op=op, terms=terms, **options)


def unary(case, op, shape, f, terms=1, coarse=False, **options):
    """coarse: inputs on a grid of 1/4, so that zeros and ties come up."""
    x = hashed(case + ".x", shape)
    x = torch.tensor((x * 4).round() / 4 if coarse else x).requires_grad_()
    finish(case, op, f(x), {"x": x}, terms, x=shape, coarse=coarse, **options)


def write(name):
    """Beside this file."""
    write_safetensors(os.path.join(os.path.dirname(os.path.abspath(__file__)), name), tensors, cases)
