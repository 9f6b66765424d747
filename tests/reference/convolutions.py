"""Outputs and gradients in float64 of PyTorch's convolutions beside Conv2d, of pools along one axis, and of blocks.

    python3 tests/reference/convolutions.py      (PyTorch 2 and torchvision; writes convolutions.safetensors)

Cases: cases.py. Options are pairs for images, single numbers for sequences.
"""
import torch
import torch.nn.functional as F
import torchvision

from cases import finish, leaf, unary, write


def conv(case, kind, n, channels, size, kernel, bias=True, groups=1, **options):
    """channels: in and out. The options of torch.nn's `kind`, through which they go."""
    c, k = channels
    transposed = "Transpose" in kind
    w_shape = (c, k // groups, *kernel) if transposed else (k, c // groups, *kernel)
    leaves = {"x": leaf(case + ".x", (n, c, *size)), "w": leaf(case + ".w", w_shape)}
    if bias:
        leaves["b"] = leaf(case + ".b", (k,))
    layer = getattr(torch.nn, kind)(c, k, kernel, bias=bias, groups=groups, dtype=torch.float64, **options)
    parameters = {name: leaves[key] for name, key in (("weight", "w"), ("bias", "b")) if key in leaves}
    y = torch.func.functional_call(layer, parameters, leaves["x"])
    terms = max(leaves["w"].numel(), leaves["x"][:, 0].numel(), y[:, 0].numel())
    one = (1,) * len(kernel)
    defaults = dict(stride=one, padding=(0,) * len(kernel), dilation=one, padding_mode="zeros")
    if transposed:
        defaults["output_padding"] = (0,) * len(kernel)
    finish(case, kind, y, leaves, terms, x=(n, c, *size), w=w_shape, groups=groups, bias=bias, **(defaults | options))


up = "ConvTranspose2d"
conv("up", up, 2, (3, 5), (7, 9), (3, 3))
conv("up_double", up, 2, (4, 3), (5, 6), (2, 2), stride=(2, 2), bias=False)
conv("up_dcgan", up, 2, (6, 5), (4, 3), (4, 4), stride=(2, 2), padding=(1, 1))
conv("up_padded", up, 1, (17, 9), (6, 5), (3, 3), padding=(1, 1))
conv("up_output_padding", up, 2, (3, 4), (5, 4), (3, 3), stride=(2, 2), padding=(1, 1), output_padding=(1, 1))
conv("up_uneven", up, 2, (2, 3), (5, 4), (3, 5), stride=(3, 2), padding=(0, 2), output_padding=(2, 0))
conv("up_dilated", up, 2, (3, 2), (4, 5), (3, 2), stride=(1, 2), padding=(2, 1), dilation=(2, 3), output_padding=(1, 2))
conv("up_groups", up, 2, (4, 6), (5, 7), (3, 3), stride=(2, 1), padding=(1, 1), groups=2, bias=False)
conv("up_depthwise", up, 2, (6, 6), (5, 4), (4, 3), stride=(2, 3), padding=(1, 0), groups=6)
conv("up_groups_all", up, 1, (6, 9), (4, 3), (3, 2), stride=(2, 3), padding=(2, 1), dilation=(2, 1),
     output_padding=(1, 2), groups=3)
conv("up_pointwise", up, 2, (5, 4), (3, 4), (1, 1), stride=(2, 3))
conv("up_stride_over_kernel", up, 2, (2, 3), (3, 2), (2, 1), stride=(3, 4), output_padding=(2, 3))
conv("up_single", up, 1, (1, 1), (1, 1), (1, 1))

conv("line", "Conv1d", 2, (3, 5), (11,), (3,), padding=(1,))
conv("line_wave", "Conv1d", 2, (1, 6), (61,), (9,), stride=(4,), bias=False)
conv("line_dilated", "Conv1d", 2, (4, 3), (17,), (3,), stride=(2,), padding=(4,), dilation=(4,))
conv("line_groups", "Conv1d", 3, (6, 9), (10,), (2,), groups=3)
conv("line_depthwise", "Conv1d", 2, (5, 5), (9,), (4,), padding=(2,), groups=5, bias=False)
conv("line_pointwise", "Conv1d", 2, (7, 4), (8,), (1,))

conv("line_up", "ConvTranspose1d", 2, (3, 5), (7,), (4,), stride=(2,), padding=(1,))
conv("line_up_uneven", "ConvTranspose1d", 2, (4, 2), (6,), (3,), stride=(3,), dilation=(2,), output_padding=(2,),
     groups=2, bias=False)

for mode in ("zeros", "reflect", "replicate", "circular"):
    conv("mode_" + mode, "Conv2d", 2, (3, 4), (5, 6), (3, 5), padding=(1, 3), padding_mode=mode)
    conv("mode_options_" + mode, "Conv2d", 2, (4, 6), (7, 4), (2, 3), stride=(2, 1), padding=(3, 2), dilation=(1, 2),
         groups=2, bias=False, padding_mode=mode)
    conv("same_" + mode, "Conv2d", 2, (3, 2), (6, 7), (4, 3), dilation=(1, 2), padding="same", padding_mode=mode)
    conv("line_mode_" + mode, "Conv1d", 2, (2, 3), (7,), (3,), padding=(4,), stride=(2,), padding_mode=mode)
    conv("line_same_" + mode, "Conv1d", 2, (2, 3), (8,), (4,), dilation=(3,), padding="same", padding_mode=mode)

for mode in ("constant", "reflect", "replicate", "circular"):
    for left, right, top, bottom in ((1, 2, 3, 0), (3, 3, 4, 4), (0, 0, 0, 0)):
        unary(f"pad_{mode}_{left}{right}{top}{bottom}", "pad", (2, 3, 5, 4),
              lambda x: F.pad(x, (left, right, top, bottom), mode), 9, borders=(left, right, top, bottom),
              mode="zeros" if mode == "constant" else mode)


def adaptive(case, shape, size):
    unary(case, "AdaptiveMaxPool2d", shape, lambda x: F.adaptive_max_pool2d(x, size), shape[2] * shape[3], size=size)


adaptive("adaptive_max_global", (2, 5, 4, 6), (1, 1))
adaptive("adaptive_max_uneven", (2, 3, 7, 9), (3, 4))
adaptive("adaptive_max_larger", (2, 3, 3, 5), (5, 7))
unary("adaptive_max_ties", "AdaptiveMaxPool2d", (2, 4, 7, 8), lambda x: F.adaptive_max_pool2d(x, (3, 3)), 56,
      coarse=True, size=(3, 3))

for ceil in (False, True):
    unary(f"line_max_{ceil}", "MaxPool1d", (2, 3, 12), lambda x: F.max_pool1d(x, 3, 2, 1, 2, ceil), 3, kernel=3,
          stride=2, padding=1, dilation=2, ceil=ceil)
    for include_pad in (False, True):
        unary(f"line_avg_{ceil}_{include_pad}", "AvgPool1d", (2, 3, 12),
              lambda x: F.avg_pool1d(x, 3, 2, 1, ceil, include_pad), 3, kernel=3, stride=2, padding=1, ceil=ceil,
              include_pad=include_pad)
for size in (1, 3, 7):
    unary(f"line_adaptive_avg_{size}", "AdaptiveAvgPool1d", (2, 3, 8), lambda x: F.adaptive_avg_pool1d(x, size), 8,
          size=size)

leaves = {"x": leaf("line_norm.x", (4, 5, 6)), "w": leaf("line_norm.w", (5,)), "b": leaf("line_norm.b", (5,))}
finish("line_norm", "BatchNorm1d", F.batch_norm(leaves["x"], None, None, leaves["w"], leaves["b"], True), leaves, 24,
       x=(4, 5, 6))


class Hardsigmoid(torch.nn.Module):
    """torch.nn's has a gradient of float32's 1/6."""

    def forward(self, x):
        return (x + 3).clamp(0, 6) / 6


def squeeze_excitation(case, shape, squeezed, hard):
    options = dict(activation=torch.nn.Hardswish, scale_activation=Hardsigmoid) if hard else {}
    layer = torchvision.ops.SqueezeExcitation(shape[1], squeezed, **options).double()
    leaves = {"x": leaf(case + ".x", shape, 1, 0.5)}
    leaves |= {name: leaf(f"{case}.{name}", value.shape, 2) for name, value in layer.named_parameters()}
    y = torch.func.functional_call(layer, leaves, leaves["x"])
    finish(case, "SqueezeExcitation", y, leaves, y[0].numel(), x=shape, squeezed=squeezed, hard=hard)


squeeze_excitation("squeeze", (2, 6, 5, 3), 2, False)
squeeze_excitation("squeeze_hard", (3, 20, 4, 7), 5, True)

write("convolutions.safetensors")
