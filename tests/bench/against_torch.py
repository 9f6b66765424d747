#!/usr/bin/python3
"""Trains the same nets with PyTorch and with striate in turn and prints the ratios; above 1, striate is faster.

    tests/bench/against_torch.py PATH/TO/build/release/apps [--threads 2] [--rounds 3] [--steps 3] [--only NAME]

Nets: images/s of a step (forward, backward, SGD) and of inference, on noise, and the peak memory of the process;
PyTorch in both memory layouts, of which the faster counts. custom: apps/examples/custom_model.cpp and the same net and
loop here, on the same generated images, whole programs timed: three epochs less one. Needs torch and numpy, for AlexNet
and MobileNetV2 torchvision, too.
"""
import argparse, json, os, resource, statistics, subprocess, sys, tempfile, time

import numpy as np
import torch
from torch import nn

VGG16 = [64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0]
VGG19 = [64, 64, 0, 128, 128, 0] + 4 * [256] + [0] + 2 * (4 * [512] + [0])
# name: model, width, batch size, height and width of an image
CASES = {
    "batch 1": ("vgg16", 1, 1, (32, 32)),
    "batch 32": ("vgg16", 1, 32, (32, 32)),
    "batch 256": ("vgg16", 1, 256, (32, 32)),
    "VGG19": ("vgg19", 1, 128, (32, 32)),
    "width 0.25": ("vgg16", 0.25, 128, (32, 32)),
    "17 channels and multiples": ("vgg16", 17 / 64, 128, (32, 32)),
    "100 channels and multiples": ("vgg16", 100 / 64, 128, (32, 32)),
    "ResNet-18": ("resnet18", 1, 128, (32, 32)),
    "ResNet-29, bottlenecks": ("resnet29", 1, 128, (32, 32)),
    "AlexNet, 128 pixels": ("alexnet", 1, 64, (128, 128)),
    "MobileNetV1, 128 pixels": ("mobilenet_v1", 1, 64, (128, 128)),
    "MobileNetV2, 128 pixels": ("mobilenet_v2", 1, 64, (128, 128)),
    "U-Net, 144x192 pixels": ("unet", 0.5, 8, (144, 192)),
}

FUSED = {"fused": True} if tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 4) else {}


def conv(c, k, stride=1, kernel=3):
    return nn.Conv2d(c, k, kernel, stride, kernel // 2, bias=False)


def vgg(plan, width):
    layers, c = [], 3
    for k in plan:
        k = int(k * width)
        layers += [conv(c, k), nn.BatchNorm2d(k), nn.ReLU(inplace=True)] if k else [nn.MaxPool2d(2)]
        c = k or c
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, 10))


class Residual(nn.Module):
    def __init__(self, c, k, stride, bottleneck):
        super().__init__()
        plan = [(c, k, 1, 1), (k, k, stride, 3), (k, 4 * k, 1, 1)] if bottleneck else [(c, k, stride, 3), (k, k, 1, 3)]
        out = plan[-1][1]
        self.path = nn.Sequential(*[layer for a, b, s, kernel in plan
                                    for layer in (conv(a, b, s, kernel), nn.BatchNorm2d(b), nn.ReLU(inplace=True))][:-1])
        same = c == out and stride == 1
        self.skip = nn.Identity() if same else nn.Sequential(conv(c, out, stride, 1), nn.BatchNorm2d(out))

    def forward(self, x):
        return torch.relu(self.path(x) + self.skip(x))


def resnet(blocks, width, bottleneck):
    """Bottlenecks: for small images, as striate's resnet29."""
    layers = [conv(3, width, 1 if bottleneck else 2, 7), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    layers += [] if bottleneck else [nn.MaxPool2d(3, 2, 1)]
    c = width
    for stage, count in enumerate(blocks):
        for i in range(count):
            k = width << stage
            layers.append(Residual(c, k, 2 if stage and not i else 1, bottleneck))
            c = 4 * k if bottleneck else k
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, 10))


def mobilenet_v1():
    layers, c = [conv(3, 32, 2), nn.BatchNorm2d(32), nn.ReLU(inplace=True)], 32
    for k, stride in [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] + 5 * [(512, 1)] + [(1024, 2), (1024, 1)]:
        layers += [nn.Conv2d(c, c, 3, stride, 1, groups=c, bias=False), nn.BatchNorm2d(c), nn.ReLU(inplace=True),
                   conv(c, k, kernel=1), nn.BatchNorm2d(k), nn.ReLU(inplace=True)]
        c = k
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(c, 10))


def double_conv(c, k):
    return nn.Sequential(*[layer for a, b in ((c, k), (k, k))
                           for layer in (conv(a, b), nn.BatchNorm2d(b), nn.ReLU(inplace=True))])


class UNet(nn.Module):
    """For sides that can be halved four times."""

    def __init__(self, width):
        super().__init__()
        sizes = [int(64 * width) << level for level in range(5)]
        self.down = nn.ModuleList(double_conv(c, k) for c, k in zip([3] + sizes, sizes))
        self.up = nn.ModuleList(nn.ConvTranspose2d(c, c // 2, 2, 2) for c in sizes[:0:-1])
        self.join = nn.ModuleList(double_conv(c, c // 2) for c in sizes[:0:-1])
        self.out = nn.Conv2d(sizes[0], 10, 1)

    def forward(self, x):
        maps = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else nn.functional.max_pool2d(x, 2))
            maps.append(x)
        for up, join, skip in zip(self.up, self.join, maps[-2::-1]):
            x = join(torch.cat([skip, up(x)], 1))
        return self.out(x)


def make_net(name, width):
    if name == "unet":
        return UNet(width)
    if name in ("alexnet", "mobilenet_v2"):
        import torchvision
        return getattr(torchvision.models, name)(num_classes=10)
    if name == "mobilenet_v1":
        return mobilenet_v1()
    if name == "resnet18":
        return resnet([2, 2, 2, 2], 64, False)
    if name == "resnet29":
        return resnet([3, 3, 3], 16, True)
    return vgg({"vgg16": VGG16, "vgg19": VGG19}[name], width)


class Block(nn.Module):
    def __init__(self, c, k, stride):
        super().__init__()
        self.path = nn.Sequential(conv(c, k, stride), nn.BatchNorm2d(k), nn.ReLU(), conv(k, k), nn.BatchNorm2d(k))
        self.skip = nn.Conv2d(c, k, 1, stride)

    def forward(self, x):
        return torch.relu(self.skip(x) + self.path(x))


def per_second(step, steps, batch):
    for _ in range(2):
        step()
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return batch / statistics.median(times)


def torch_net(args):
    """One layout of one case, in a process of its own; prints JSON."""
    name, width, batch, size = CASES[args.only]
    layout = torch.channels_last if args.layout == "nhwc" else torch.contiguous_format
    model = make_net(name, width).to(memory_format=layout)
    x, y = torch.randn(batch, 3, *size).contiguous(memory_format=layout), torch.randint(0, 10, (batch, *size) if name == "unet" else (batch,))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4, nesterov=True, **FUSED)

    def forward():
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.precision == "bf16"):
            return model(x)

    def step():
        optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(forward().float(), y, label_smoothing=0.1).backward()
        optimizer.step()

    train = per_second(step, args.steps, batch)
    model.eval()
    with torch.no_grad():
        infer = per_second(forward, args.steps, batch)
    print(json.dumps({"train_median": train, "infer_median": infer,
                      "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def torch_custom(args):
    raw = np.concatenate([np.fromfile(os.path.join(args.data, f"data_batch_{i}.bin"), np.uint8) for i in range(1, 6)])
    raw = raw.reshape(-1, 3073)
    labels = torch.from_numpy(raw[:, 0].astype(np.int64))
    images = torch.from_numpy(raw[:, 1:].reshape(-1, 3, 32, 32).copy()).float().div_(255).sub_(0.47).div_(0.25)
    padded = nn.functional.pad(images, (4, 4, 4, 4))
    model = nn.Sequential(Block(3, 16, 1), Block(16, 32, 2), Block(32, 64, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                          nn.Linear(64, 10)).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4, nesterov=True, **FUSED)
    for _ in range(args.epochs):
        for ids in torch.randperm(len(labels)).split(128):
            b = len(ids)
            rows = torch.randint(0, 9, (b, 1)) + torch.arange(32)
            columns = torch.randint(0, 9, (b, 1)) + torch.arange(32)
            columns = torch.where(torch.rand(b, 1) < 0.5, columns.flip(1), columns)
            x = padded[ids.view(-1, 1, 1), :, rows.view(b, 32, 1), columns.view(b, 1, 32)].permute(0, 3, 1, 2)
            loss = nn.functional.cross_entropy(model(x), labels[ids])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            loss.item()
        model.eval()
        with torch.no_grad():
            for part in images.split(500):
                model(part.contiguous(memory_format=torch.channels_last))
        model.train()


def run(command, threads):
    env = dict(os.environ, OMP_NUM_THREADS=str(threads))
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed ({done.returncode}):\n{done.stderr}")
    return done.stdout


def compare_net(args, name, precision):
    model, width, batch, size = CASES[name]
    common = ["--precision", precision, "--threads", str(args.threads), "--steps", str(args.steps)]
    ours = [os.path.join(args.apps, "striate"), "bench", "--json", "--model", model, "--batch-size", str(batch), "--input",
            f"{size[0]}x{size[1]}x3", *(["--width-multiplier", str(width)] if width != 1 else [])] + common
    peer = [sys.executable, __file__, args.apps, "--only", name] + common
    ratios = []
    for _ in range(args.rounds):
        theirs = [json.loads(run(peer + ["--layout", layout], args.threads)) for layout in ("nchw", "nhwc")]
        mine = json.loads(run(ours, args.threads))
        best = max(theirs, key=lambda t: t["train_median"])
        ratios.append([mine["train_median"] / best["train_median"],
                       mine["infer_median"] / max(t["infer_median"] for t in theirs),
                       best["peak_mib"] / mine["peak_mib"]])
    train, infer, memory = (statistics.median(r[k] for r in ratios) for k in range(3))
    print(f"| {name} | {precision} | {train:.2f} | {infer:.2f} | {memory:.2f} |", flush=True)


def compare_custom(args):
    with tempfile.TemporaryDirectory() as folder:
        run([os.path.join(args.apps, "striate"), "generate", "--out", os.path.join(folder, "data")], args.threads)
        args.data = os.path.join(folder, "data")

        def seconds(command):
            start = time.perf_counter()
            run(command, args.threads)
            return time.perf_counter() - start

        def epoch(command):
            return (seconds(command("3")) - seconds(command("1"))) / 2

        cores = ",".join(map(str, sorted(os.sched_getaffinity(0))[: args.threads]))
        ratios = []
        for _ in range(args.rounds):
            theirs = epoch(lambda n: [sys.executable, __file__, args.apps, "--only", "custom", "--data", args.data,
                                      "--layout", "nhwc", "--threads", str(args.threads), "--epochs", n])
            ours = epoch(lambda n: ["taskset", "-c", cores,
                                    os.path.join(args.apps, "custom_model"), args.data, n])
            ratios.append(theirs / ours)
        print(f"| custom_model | fp32 | {statistics.median(ratios):.2f} | | |", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("apps", help="folder of striate and custom_model")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--steps", type=int, default=3)
    p.add_argument("--only", choices=[*CASES, "custom"])
    p.add_argument("--precision", choices=["fp32", "bf16"])
    p.add_argument("--layout", choices=["nchw", "nhwc"], help=argparse.SUPPRESS)
    p.add_argument("--data", help=argparse.SUPPRESS)
    p.add_argument("--epochs", type=int, help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.layout:
        torch.manual_seed(0)
        torch.set_num_threads(args.threads)
        return torch_custom(args) if args.only == "custom" else torch_net(args)
    print("| net | precision | training | inference | memory |\n|---|---|---|---|---|")
    for name in [args.only] if args.only else [*CASES, "custom"]:
        if name == "custom":
            compare_custom(args)
            continue
        for precision in [args.precision] if args.precision else ["fp32", "bf16"]:
            compare_net(args, name, precision)


main()
