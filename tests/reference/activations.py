"""Outputs and gradients of PyTorch's activations in float64, for tests/layers/parity_test.cpp.

    python3 tests/reference/activations.py      (PyTorch 2; writes activations.safetensors beside this file)

The inputs are hashed("CASE.x", shape) * 6, the rest is as in layers.py.
"""
import os

import torch
import torch.nn.functional as F

from hashed import hashed, options_text, write_safetensors

tensors, cases = {}, {}


def activation(case, f, **options):
    shape = (2, 5, 3, 7)
    x = torch.tensor(hashed(case + ".x", shape) * 6).requires_grad_()
    y = f(x)
    y.backward(torch.tensor(hashed(case + ".dy", shape)))
    tensors[case + ".y"], tensors[case + ".dx"] = y.detach().numpy(), x.grad.numpy()
    cases[case] = options_text(op="activation", terms=1, x=shape, **options)


activation("sigmoid", torch.sigmoid)
activation("tanh", torch.tanh)
activation("leaky_relu", F.leaky_relu)
activation("leaky_relu_slope", lambda x: F.leaky_relu(x, 0.25))
activation("relu6", F.relu6)
activation("silu", F.silu)
activation("gelu", F.gelu)
activation("gelu_tanh", lambda x: F.gelu(x, approximate="tanh"))
activation("elu", F.elu)
activation("elu_alpha", lambda x: F.elu(x, 0.5))
activation("softplus", F.softplus)
activation("softplus_beta", lambda x: F.softplus(x, 2, 3))
# F.hardsigmoid, whose own gradient in float64 takes 1/6 in float32.
activation("hardsigmoid", lambda x: F.relu6(x + 3) / 6)
activation("hardswish", F.hardswish)

write_safetensors(os.path.join(os.path.dirname(os.path.abspath(__file__)), "activations.safetensors"), tensors, cases)
