"""AlexNet and the MobileNets in PyTorch, float64, for tests/models/models_parity_test.cpp; nets.py tells what is stored.

    python3 tests/reference/models.py      (PyTorch 2 and torchvision; writes models.safetensors beside this file)

mobilenet_v2 is torchvision's own. Its AlexNet has no width: here is a narrow one with its names, whose counts at full
width the test holds against torchvision's. MobileNetV1 is written by table 1 of its paper. Without dropout.
"""
import os

import torch
import torch.nn as nn
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


net("alexnet", AlexNet(1 / 16), 79)
net("mobilenet_v1", MobileNetV1(1 / 8), 40)
net("mobilenet_v2", torchvision.models.mobilenet_v2(num_classes=10, width_mult=0.25, dropout=0), 40)

write_safetensors(os.path.join(os.path.dirname(os.path.abspath(__file__)), "models.safetensors"), tensors, names)
