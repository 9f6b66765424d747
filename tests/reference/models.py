"""AlexNet, the MobileNets and U-Net in PyTorch, float64, for tests/models/models_parity_test.cpp; nets.py tells what is stored.

    python3 tests/reference/models.py      (PyTorch 2 and torchvision; writes models.safetensors beside this file)

mobilenet_v2 is torchvision's own. Its AlexNet has no width: here is a narrow one with its names, whose counts at full
width the test holds against torchvision's. MobileNetV1 is written by table 1 of its paper. Without dropout.
"""
import os

import torch
import torch.nn as nn
import torch.nn.functional as F
import torchvision

from hashed import write_safetensors
from nets import names, net, tensors


class AlexNet(nn.Module):
    def __init__(self, width, classes=10):
        super().__init__()
        a, b, c, d, hidden = (int(k * width) for k in (64, 192, 384, 256, 4096))
        relu, pool = nn.ReLU, lambda: nn.MaxPool2d(3, 2)
        self.features = nn.Sequential(
            nn.Conv2d(3, a, 11, 4, 2), relu(), pool(), nn.Conv2d(a, b, 5, padding=2), relu(), pool(),
            nn.Conv2d(b, c, 3, padding=1), relu(), nn.Conv2d(c, d, 3, padding=1), relu(),
            nn.Conv2d(d, d, 3, padding=1), relu(), pool())
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        self.classifier = nn.Sequential(nn.Identity(), nn.Linear(36 * d, hidden), relu(), nn.Identity(),
                                        nn.Linear(hidden, hidden), relu(), nn.Linear(hidden, classes))

    def forward(self, x):
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


class MobileNetV1(nn.Module):
    def __init__(self, width, classes=10):
        super().__init__()
        c = int(32 * width)
        conv = lambda c, k, kernel, stride=1, groups=1: [  # noqa: E731
            nn.Conv2d(c, k, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(k), nn.ReLU()]
        layers = [nn.Sequential(*conv(3, c, 3, 2))]
        for k, stride in [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] + 5 * [(512, 1)] + [(1024, 2),
                                                                                                    (1024, 1)]:
            k = int(k * width)
            layers.append(nn.Sequential(*conv(c, c, 3, stride, c), *conv(c, k, 1)))
            c = k
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Identity(), nn.Linear(c, classes))

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


class DoubleConv(nn.Module):
    def __init__(self, c, middle, k):
        super().__init__()
        self.double_conv = nn.Sequential(
            nn.Conv2d(c, middle, 3, padding=1, bias=False), nn.BatchNorm2d(middle), nn.ReLU(),
            nn.Conv2d(middle, k, 3, padding=1, bias=False), nn.BatchNorm2d(k), nn.ReLU())

    def forward(self, x):
        return self.double_conv(x)


class Down(nn.Module):
    def __init__(self, c, k):
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), DoubleConv(c, k, k))

    def forward(self, x):
        return self.maxpool_conv(x)


class Up(nn.Module):
    def __init__(self, c, k, bilinear):
        super().__init__()
        if not bilinear:
            self.up = nn.ConvTranspose2d(c, c // 2, 2, 2)
        self.conv = DoubleConv(c, c // 2 if bilinear else k, k)

    def forward(self, x, skip):
        size = skip.shape[2:]
        if hasattr(self, "up"):
            x = self.up(x)
            x = F.pad(x, (0, size[1] - x.shape[3], 0, size[0] - x.shape[2]))
        else:
            x = F.interpolate(x, size, mode="bilinear")
        return self.conv(torch.cat((skip, x), 1))


class Out(nn.Module):
    def __init__(self, c, classes):
        super().__init__()
        self.conv = nn.Conv2d(c, classes, 1)

    def forward(self, x):
        return self.conv(x)


class Unet(nn.Module):
    """By its paper, padded and with norms; names as in milesial/Pytorch-UNet."""

    def __init__(self, width, bilinear, classes=10):
        super().__init__()
        c = [int(64 * width) << level for level in range(5)]
        up = [k // 2 if bilinear else k for k in c]
        self.inc = DoubleConv(3, c[0], c[0])
        self.down1, self.down2, self.down3 = Down(c[0], c[1]), Down(c[1], c[2]), Down(c[2], c[3])
        self.down4 = Down(c[3], up[4])
        self.up1, self.up2 = Up(c[4], up[3], bilinear), Up(c[3], up[2], bilinear)
        self.up3, self.up4 = Up(c[2], up[1], bilinear), Up(c[1], c[0], bilinear)
        self.outc = Out(c[0], classes)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        x4 = self.down3(x3)
        x = self.up2(self.up1(self.down4(x4), x4), x3)
        return self.outc(self.up4(self.up3(x, x2), x1)).permute(0, 2, 3, 1)  # channels last, as ours


net("alexnet", AlexNet(1 / 16), 79)
net("unet", Unet(1 / 32, False, 2), 23)
net("unet_bilinear", Unet(1 / 16, True, 2), 19)
net("mobilenet_v1", MobileNetV1(1 / 8), 40)
net("mobilenet_v2", torchvision.models.mobilenet_v2(num_classes=10, width_mult=0.25, dropout=0), 40)

write_safetensors(os.path.join(os.path.dirname(os.path.abspath(__file__)), "models.safetensors"), tensors, names)
