"""Outputs and gradients of PyTorch's layers in float64, for tests/layers/parity_test.cpp.

    python3 tests/reference/layers.py      (PyTorch 1.13; writes layers.safetensors beside this file)

Cases: cases.py.
"""
import torch
import torch.nn.functional as F

from cases import finish, leaf, tensors, unary, write
from hashed import hashed, hashed_below


def conv2d(case, n, c, h, w, k, kernel, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1, bias=True):
    leaves = {"x": leaf(case + ".x", (n, c, h, w)), "w": leaf(case + ".w", (k, c // groups, *kernel))}
    if bias:
        leaves["b"] = leaf(case + ".b", (k,))
    y = F.conv2d(leaves["x"], leaves["w"], leaves.get("b"), stride, padding, dilation, groups)
    terms = max(leaves["w"][0].numel(), y[:, 0].numel(), k // groups * kernel[0] * kernel[1])
    finish(case, "conv2d", y, leaves, terms, x=(n, c, h, w), w=(k, c // groups, *kernel), stride=stride,
           padding=padding, dilation=dilation, groups=groups, bias=bias)


conv2d("conv_basic", 2, 3, 7, 9, 5, (3, 3), padding=(1, 1))
conv2d("conv_pointwise", 2, 5, 6, 5, 4, (1, 1), bias=False)
conv2d("conv_pointwise_stride", 2, 4, 7, 6, 3, (1, 1), stride=(2, 2))
conv2d("conv_stride", 2, 3, 8, 7, 4, (3, 3), stride=(2, 2), padding=(1, 1), bias=False)
conv2d("conv_rectangle", 2, 2, 7, 9, 3, (3, 5), padding=(1, 2))
conv2d("conv_column", 1, 3, 9, 4, 2, (7, 1), padding=(3, 0))
conv2d("conv_uneven", 2, 3, 9, 8, 4, (2, 3), stride=(2, 1), padding=(0, 2), dilation=(1, 2))
conv2d("conv_dilated", 2, 3, 9, 8, 4, (3, 3), padding=(2, 2), dilation=(2, 2))
conv2d("conv_dilated_stride", 1, 2, 11, 10, 3, (3, 2), stride=(3, 2), padding=(1, 0), dilation=(2, 3))
conv2d("conv_groups", 2, 4, 6, 7, 6, (3, 3), padding=(1, 1), groups=2, bias=False)
conv2d("conv_depthwise", 2, 6, 7, 5, 6, (3, 3), padding=(1, 1), groups=6)
conv2d("conv_depthwise_stride", 2, 3, 8, 9, 6, (3, 3), stride=(2, 2), padding=(1, 1), groups=3, bias=False)
conv2d("conv_groups_all", 2, 6, 9, 8, 9, (3, 2), stride=(2, 3), padding=(2, 1), dilation=(2, 1), groups=3)
conv2d("conv_stem", 1, 3, 13, 12, 4, (7, 7), stride=(2, 2), padding=(3, 3), bias=False)
conv2d("conv_channels", 1, 19, 5, 5, 17, (3, 3), padding=(1, 1))
conv2d("conv_whole_input", 3, 4, 4, 5, 3, (4, 5))
conv2d("conv_stride_over_kernel", 2, 2, 8, 9, 3, (2, 2), stride=(3, 3))
conv2d("conv_padding_over_kernel", 1, 2, 4, 3, 2, (1, 2), padding=(2, 3))
conv2d("conv_five", 3, 2, 6, 6, 3, (5, 5), padding=(2, 2), bias=False)
conv2d("conv_single", 1, 1, 1, 1, 1, (1, 1))


def batch_norm(case, shape, train, momentum=0.1, eps=1e-5):
    c = shape[1]
    leaves = {"x": leaf(case + ".x", shape), "w": leaf(case + ".w", (c,), 0.5, 1), "b": leaf(case + ".b", (c,))}
    mean = torch.tensor(hashed(case + ".mean", (c,)))
    var = torch.tensor(hashed(case + ".var", (c,)) * 0.5 + 1)
    y = F.batch_norm(leaves["x"], mean, var, leaves["w"], leaves["b"], train, momentum, eps)
    finish(case, "batch_norm", y, leaves, y[:, 0].numel(), x=shape, train=train, momentum=momentum, eps=eps)
    tensors[case + ".mean"], tensors[case + ".var"] = mean.numpy(), var.numpy()


batch_norm("norm_train", (3, 5, 4, 5), True)
batch_norm("norm_train_options", (2, 17, 3, 3), True, momentum=0.25, eps=0.0078125)
batch_norm("norm_train_pixel", (7, 3, 1, 1), True)
batch_norm("norm_eval", (2, 6, 5, 3), False)
batch_norm("norm_eval_options", (1, 3, 2, 7), False, eps=0.0078125)


unary("relu", "relu", (2, 5, 3, 7), F.relu)
unary("relu_zeros", "relu", (2, 3, 4, 4), F.relu, coarse=True)
unary("flatten", "flatten", (2, 3, 4, 5), lambda x: x.flatten(1))
unary("softmax", "softmax", (5, 7), lambda x: F.softmax(x, 1), 7)
unary("log_softmax", "log_softmax", (4, 11), lambda x: F.log_softmax(x, 1), 11)


def max_pool(case, shape, kernel, stride=None, padding=(0, 0), dilation=(1, 1), ceil=False, coarse=False):
    stride = stride or kernel
    unary(case, "max_pool", shape, lambda x: F.max_pool2d(x, kernel, stride, padding, dilation, ceil),
          kernel[0] * kernel[1], coarse, kernel=kernel, stride=stride, padding=padding, dilation=dilation, ceil=ceil)


max_pool("max_pool", (2, 3, 6, 8), (2, 2))
max_pool("max_pool_floor", (2, 5, 7, 5), (2, 2))
max_pool("max_pool_overlap", (2, 3, 9, 8), (3, 3), (2, 2), (1, 1))
max_pool("max_pool_ceil", (2, 3, 8, 7), (3, 3), (2, 2), ceil=True)
max_pool("max_pool_ceil_padding", (1, 2, 6, 7), (2, 3), (3, 2), (1, 1), ceil=True)
max_pool("max_pool_dilated", (2, 2, 9, 8), (2, 3), (1, 2), (1, 1), (2, 2))
max_pool("max_pool_uneven", (1, 17, 5, 9), (3, 1), (1, 3), (1, 0))
max_pool("max_pool_ties", (2, 4, 8, 8), (3, 3), (2, 2), (1, 1), coarse=True)


def avg_pool(case, shape, kernel, stride=None, padding=(0, 0), ceil=False, include_pad=True, divisor=0):
    stride = stride or kernel
    unary(case, "avg_pool", shape,
          lambda x: F.avg_pool2d(x, kernel, stride, padding, ceil, include_pad, divisor or None), kernel[0] * kernel[1],
          kernel=kernel, stride=stride, padding=padding, ceil=ceil, include_pad=include_pad, divisor=divisor)


avg_pool("avg_pool", (2, 3, 6, 8), (2, 2))
avg_pool("avg_pool_overlap", (2, 5, 9, 8), (3, 3), (2, 2), (1, 1))
avg_pool("avg_pool_exclude", (2, 5, 9, 8), (3, 3), (2, 2), (1, 1), include_pad=False)
avg_pool("avg_pool_ceil", (2, 3, 8, 7), (3, 3), (2, 2), ceil=True)
avg_pool("avg_pool_ceil_padding", (2, 3, 8, 6), (3, 2), (2, 3), (1, 1), ceil=True)
avg_pool("avg_pool_ceil_exclude", (2, 3, 8, 6), (3, 2), (2, 3), (1, 1), ceil=True, include_pad=False)
avg_pool("avg_pool_divisor", (2, 3, 7, 5), (3, 2), (2, 2), (1, 1), ceil=True, divisor=5)
avg_pool("avg_pool_uneven", (1, 17, 5, 9), (3, 1), (1, 3), (1, 0), include_pad=False)


def adaptive(case, shape, size):
    unary(case, "adaptive_avg_pool", shape, lambda x: F.adaptive_avg_pool2d(x, size), shape[2] * shape[3], size=size)


adaptive("adaptive_global", (2, 5, 4, 6), (1, 1))
adaptive("adaptive_divides", (2, 3, 6, 8), (3, 2))
adaptive("adaptive_uneven", (2, 3, 7, 9), (3, 4))
adaptive("adaptive_same", (1, 2, 5, 4), (5, 4))
adaptive("adaptive_larger", (2, 3, 3, 5), (5, 7))


def linear(case, n, c, k, bias):
    leaves = {"x": leaf(case + ".x", (n, c)), "w": leaf(case + ".w", (k, c))}
    if bias:
        leaves["b"] = leaf(case + ".b", (k,))
    finish(case, "linear", F.linear(leaves["x"], leaves["w"], leaves.get("b")), leaves, max(n, c, k), n=n, c=c, k=k,
           bias=bias)


linear("linear", 5, 13, 7, True)
linear("linear_plain", 3, 33, 10, False)


def cross_entropy(case, n, k, probabilities=False, weighted=False, smoothing=0.0, reduction="mean", ignore=-100):
    x = torch.tensor(hashed(case + ".x", (n, k)) * 4).requires_grad_()
    if probabilities:
        target = torch.tensor(hashed(case + ".target", (n, k)) + 1)
    else:
        target = torch.tensor(hashed_below(case + ".target", n, k))
    weight = torch.tensor(hashed(case + ".weight", (k,)) * 0.5 + 1) if weighted else None
    y = F.cross_entropy(x, target, weight, reduction=reduction, ignore_index=ignore, label_smoothing=smoothing)
    finish(case, "cross_entropy", y, {"x": x}, n * k, n=n, k=k, probabilities=probabilities, weighted=weighted,
           smoothing=smoothing, reduction=reduction, ignore=ignore)


for reduction in ("mean", "sum", "none"):
    for smoothing in (0.0, 0.125):
        for weighted in (False, True):
            tail = f"{reduction}_{'smooth' if smoothing else 'plain'}_{'weighted' if weighted else 'even'}"
            cross_entropy("ce_labels_" + tail, 6, 4, False, weighted, smoothing, reduction, 2)
            cross_entropy("ce_probabilities_" + tail, 5, 3, True, weighted, smoothing, reduction)
cross_entropy("ce_labels", 7, 10)
cross_entropy("ce_one_class", 3, 1, smoothing=0.25)


def cross_entropy_of_pixels(case, n, k, h, w, weighted, smoothing, reduction):
    x = torch.tensor(hashed(case + ".x", (n, k, h, w)) * 4).requires_grad_()
    target = torch.tensor(hashed_below(case + ".target", n * h * w, k)).reshape(n, h, w)
    weight = torch.tensor(hashed(case + ".weight", (k,)) * 0.5 + 1) if weighted else None
    y = F.cross_entropy(x, target, weight, reduction=reduction, ignore_index=2, label_smoothing=smoothing)
    finish(case, "cross_entropy_of_pixels", y, {"x": x}, n * k * h * w, n=n, k=k, h=h, w=w, weighted=weighted,
           smoothing=smoothing, reduction=reduction)


for reduction in ("mean", "sum", "none"):
    cross_entropy_of_pixels("ce_pixels_" + reduction, 2, 4, 3, 5, False, 0.0, reduction)
    cross_entropy_of_pixels("ce_pixels_weighted_" + reduction, 1, 5, 7, 2, True, 0.125, reduction)

write("layers.safetensors")
