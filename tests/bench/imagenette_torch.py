#!/usr/bin/env python3
"""ResNet on Imagenette in PyTorch: the recipe of docs/results/imagenette, to hold accuracy and speed against.

    tests/bench/imagenette_torch.py DIR --out FILE.csv [--seeds 0,1,2] [--model resnet18] [--epochs 5] [--precision bf16]
        trains once a seed, a row an epoch: seed, epoch, train_loss, test_accuracy, images_per_second (of training, the
        loader included)
    tests/bench/imagenette_torch.py DIR --speed PATH/TO/striate [--model resnet18] [--precision fp32] [--rounds 3]
        trains PyTorch and `striate train` in turn for 40 steps, from the same files with the same transforms, each with
        one worker that decodes beside two threads of arithmetic, and prints images/s of both and the ratio

DIR has train/CLASS and val/CLASS. AdamW with a one-cycle rate, label smoothing, no decay of biases and norms, zero gamma,
random resized crop and flip. Needs torch and torchvision; PyTorch runs in its channels-last layout, the faster one here.
"""
import argparse, csv, os, statistics, subprocess, tempfile, time

import torch
import torchvision
from torch import nn
from torchvision import transforms

SIDE, BATCH, LR, DECAY, SMOOTHING, SCALE_MIN = 128, 64, 0.004, 0.01, 0.1, 0.35
OPTIMIZER = {"betas": (0.9, 0.99), "eps": 1e-6}
# As striate measures them over the training images.
MEAN, STD = (0.46242, 0.45789, 0.43029), (0.28008, 0.27732, 0.29911)
STEPS = 40


def loaders(folder, seed, workers=1):
    normalize = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    train = transforms.Compose([transforms.RandomResizedCrop(SIDE, scale=(SCALE_MIN, 1)),
                                transforms.RandomHorizontalFlip(), *normalize])
    test = transforms.Compose([transforms.Resize(round(SIDE / 0.875)), transforms.CenterCrop(SIDE), *normalize])
    order = torch.Generator().manual_seed(seed)
    common = {"batch_size": BATCH, "num_workers": workers, "persistent_workers": True}
    data = torchvision.datasets.ImageFolder
    return (torch.utils.data.DataLoader(data(f"{folder}/train", train), shuffle=True, generator=order, **common),
            torch.utils.data.DataLoader(data(f"{folder}/val", test), **common))


class Run:
    def __init__(self, args, seed, steps):
        torch.manual_seed(seed)
        self.bf16 = args.precision == "bf16"
        self.model = getattr(torchvision.models, args.model)(num_classes=10, zero_init_residual=True)
        self.model = self.model.to(memory_format=torch.channels_last)
        decayed = [p for p in self.model.parameters() if p.dim() > 1]
        others = [p for p in self.model.parameters() if p.dim() <= 1]
        groups = [{"params": decayed, "weight_decay": DECAY}, {"params": others, "weight_decay": 0}]
        self.optimizer = torch.optim.AdamW(groups, lr=LR, **OPTIMIZER)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, LR, total_steps=steps, cycle_momentum=False)
        self.loss = nn.CrossEntropyLoss(label_smoothing=SMOOTHING)

    def logits(self, images):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bf16):
            return self.model(images.contiguous(memory_format=torch.channels_last)).float()

    def step(self, images, labels):
        loss = self.loss(self.logits(images), labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        return loss.item()

    def accuracy(self, loader):
        self.model.eval()
        with torch.inference_mode():
            right = sum((self.logits(images).argmax(1) == labels).sum().item() for images, labels in loader)
        self.model.train()
        return right / len(loader.dataset)


def train(args):
    new = not os.path.exists(args.out)
    with open(args.out, "a", newline="") as file:
        rows = csv.writer(file)
        if new:
            rows.writerow(["seed", "epoch", "train_loss", "test_accuracy", "images_per_second"])
        for seed in map(int, args.seeds.split(",")):
            batches, test = loaders(args.data, seed)
            run = Run(args, seed, args.epochs * len(batches))
            for epoch in range(1, args.epochs + 1):
                begun = time.perf_counter()
                losses = [run.step(*batch) for batch in batches]
                rate = len(batches.dataset) / (time.perf_counter() - begun)
                row = [seed, epoch, f"{statistics.fmean(losses):.4f}", f"{run.accuracy(test):.4f}", f"{rate:.1f}"]
                rows.writerow(row)
                file.flush()
                print(*row, flush=True)


def torch_speed(args):
    batches, _ = loaders(args.data, 0)
    run = Run(args, 0, STEPS + 1)
    for i, batch in enumerate(batches):
        run.step(*batch)
        if i == 0:
            begun = time.perf_counter()
        if i == STEPS:
            return STEPS * BATCH / (time.perf_counter() - begun)


def striate_speed(args):
    """Of the steps after the first ten: --max-steps 10 against --max-steps 10 + STEPS."""
    def seconds(steps):
        with tempfile.TemporaryDirectory() as out:
            flags = ["--model", args.model, "--precision", args.precision, "--data", args.data, "--threads", "2",
                     "--image-size", str(SIDE), "--batch-size", str(BATCH), "--optimizer", "adamw:beta2=0.99,eps=1e-6",
                     "--lr", str(LR), "--weight-decay", str(DECAY), "--schedule", "onecycle",
                     "--label-smoothing", str(SMOOTHING), "--no-bias-decay", "--zero-gamma", "--workers", "1",
                     "--transform", f"random_resized_crop:size={SIDE},scale_min={SCALE_MIN};random_horizontal_flip",
                     "--mean", ",".join(map(str, MEAN)), "--std", ",".join(map(str, STD)), "--cache", str(args.cache)]
            begun = time.perf_counter()
            subprocess.run([args.speed, "train", *flags, "--max-steps", str(steps), "--out", out], check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            return time.perf_counter() - begun
    short = seconds(10)
    return STEPS * BATCH / (seconds(10 + STEPS) - short)


def speed(args):
    torch.set_num_threads(2)
    ratios = []
    for _ in range(args.rounds):
        theirs, ours = torch_speed(args), striate_speed(args)
        ratios.append(ours / theirs)
        print(f"{args.model} {args.precision}: PyTorch {theirs:.1f}, striate {ours:.1f} images/s, "
              f"ratio {ratios[-1]:.2f}", flush=True)
    print(f"median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--out")
    parser.add_argument("--speed", metavar="STRIATE")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="bf16")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cache", type=int, default=512, help="striate's --cache: 0 decodes every picture every time")
    arguments = parser.parse_args()
    if bool(arguments.out) == bool(arguments.speed):
        parser.error("give --out FILE.csv, or --speed PATH/TO/striate")
    (train if arguments.out else speed)(arguments)
