"""Residual blocks and whole ResNets in PyTorch, float64, for tests/models/resnet_parity_test.cpp.

    python3 tests/reference/resnet.py      (PyTorch 1.13; writes resnet.safetensors beside this file)

The nets are written as torchvision and, for the tweaks C and D, timm write them, with their parameter names; nets.py
tells what is stored of a net. Of a block: CASE.y, CASE.dx, CASE.d.PARAMETER and CASE.after.BUFFER, in training.
"""
import os

import torch
import torch.nn as nn
import torch.nn.functional as F

from hashed import hashed, write_safetensors
from nets import names, net, start, tensors


def conv(c, k, kernel, stride=1):
    return nn.Conv2d(c, k, kernel, stride, kernel // 2, bias=False)


class Padding(nn.Module):
    """He et al. 2015, option A."""

    def __init__(self, stride, new):
        super().__init__()
        self.stride, self.new = stride, new

    def forward(self, x):
        return F.pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, 0, self.new))


def downsample(c, k, stride, kind):
    if stride == 1 and c == k:
        return None
    if kind == "padding":
        return Padding(stride, k - c)
    if kind == "projection":
        return nn.Sequential(conv(c, k, 1, stride), nn.BatchNorm2d(k))
    pool = nn.AvgPool2d(2, stride, ceil_mode=True, count_include_pad=False) if stride > 1 else nn.Identity()
    return nn.Sequential(pool, conv(c, k, 1), nn.BatchNorm2d(k))


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, c, k, stride=1, shortcut="projection", stride_first=False):
        super().__init__()
        self.conv1, self.bn1 = conv(c, k, 3, stride), nn.BatchNorm2d(k)
        self.conv2, self.bn2 = conv(k, k, 3), nn.BatchNorm2d(k)
        self.downsample = downsample(c, k, stride, shortcut)

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, c, k, stride=1, shortcut="projection", stride_first=False):
        super().__init__()
        self.conv1, self.bn1 = conv(c, k, 1, stride if stride_first else 1), nn.BatchNorm2d(k)
        self.conv2, self.bn2 = conv(k, k, 3, 1 if stride_first else stride), nn.BatchNorm2d(k)
        self.conv3, self.bn3 = conv(k, 4 * k, 1), nn.BatchNorm2d(4 * k)
        self.downsample = downsample(c, 4 * k, stride, shortcut)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(F.relu(self.bn2(self.conv2(y)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


def deep_stem(half, k, stride):
    return nn.Sequential(conv(3, half, 3, stride), nn.BatchNorm2d(half), nn.ReLU(), conv(half, half, 3),
                         nn.BatchNorm2d(half), nn.ReLU(), conv(half, k, 3))


class ResNet(nn.Module):
    def __init__(self, block, blocks, width, tweak="b", small=False):
        super().__init__()
        basic = block is BasicBlock
        stride = 1 if small else 2
        self.conv1 = deep_stem(width // 2, width, stride) if tweak in "cd" else conv(
            3, width, 3 if small and basic else 7, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, 2, 1)
        self.stages, c = len(blocks), width
        shortcut = "padding" if small and basic else "pooled" if tweak == "d" else "projection"
        for s, count in enumerate(blocks):
            k, stage = width << s, []
            for i in range(count):
                stage.append(block(c, k, 2 if s > 0 and i == 0 else 1, shortcut, tweak == "a"))
                c = k * block.expansion
            setattr(self, f"layer{s + 1}", nn.Sequential(*stage))
        self.fc = nn.Linear(c, 10)

    def forward(self, x):
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        for s in range(self.stages):
            x = getattr(self, f"layer{s + 1}")(x)
        return self.fc(x.mean((2, 3)))


def block(case, model, x):
    model = start(case, model)
    x = torch.tensor(hashed(case + ".x", x)).requires_grad_()
    y = model(x)
    y.backward(torch.tensor(hashed(case + ".dy", tuple(y.shape))))
    tensors[case + ".y"], tensors[case + ".dx"] = y.detach().numpy(), x.grad.numpy()
    for name, p in model.named_parameters():
        tensors[f"{case}.d.{name}"] = p.grad.numpy()
    for name, b in model.named_buffers():
        tensors[f"{case}.after.{name}"] = b.numpy()


block("basic", BasicBlock(4, 4), (3, 4, 6, 5))
block("basic_wider", BasicBlock(3, 5), (3, 3, 6, 5))
block("basic_stride", BasicBlock(3, 5, 2), (3, 3, 7, 6))
block("basic_padding", BasicBlock(3, 5, 2, "padding"), (3, 3, 7, 6))
block("basic_padding_wider", BasicBlock(3, 5, 1, "padding"), (3, 3, 6, 5))
block("bottleneck", Bottleneck(8, 2), (3, 8, 6, 5))
block("bottleneck_wider", Bottleneck(5, 3), (3, 5, 6, 5))
block("bottleneck_a", Bottleneck(5, 3, 2, stride_first=True), (3, 5, 7, 6))
block("bottleneck_b", Bottleneck(5, 3, 2), (3, 5, 7, 6))
block("bottleneck_d", Bottleneck(5, 3, 2, "pooled"), (3, 5, 7, 6))
block("bottleneck_d_wider", Bottleneck(5, 3, 1, "pooled"), (3, 5, 6, 5))

# Widths of 1/16 (resnet18 and resnet50) and 1/4.
net("resnet18", ResNet(BasicBlock, (2, 2, 2, 2), 4), 64)
for tweak in "abcd":
    net("resnet50" + tweak, ResNet(Bottleneck, (3, 4, 6, 3), 4, tweak), 64)
    net("resnet29" + tweak, ResNet(Bottleneck, (3, 3, 3), 4, tweak, small=True), 12)
net("resnet20", ResNet(BasicBlock, (3, 3, 3), 4, small=True), 12)

write_safetensors(os.path.join(os.path.dirname(os.path.abspath(__file__)), "resnet.safetensors"), tensors, names)
