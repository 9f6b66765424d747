"""VGG16 with batch norm trained by PyTorch, for tests/models/vgg16_parity_test.cpp.

    python3 tests/reference/vgg16.py     (PyTorch 1.13; writes vgg16.safetensors and vgg16_weights.safetensors beside
                                          this file; a few minutes)

vgg16.safetensors: a quarter-width network takes ten Nesterov steps in float64 on hashed images, labels and first
weights. Per tensor T of the state: T.norm, of its change over ten steps; T.projections, the change's products with
eight vectors of hashed signs; T.samples, of the last value at hashed places; T.fp32, the distance of one step in
float32 from one in float64, the worst of both memory layouts on 1 and on 4 threads. In float32 a few activations fall
on the other side of a ReLU or choose another place in a max pool than in float64, which moves gradients below them by
percents of an update. Here PyTorch's last such place is features.36, and beyond it none is near: no sound
implementation has reason to be three times as far. T.clear is the same distance where no such thing happens: one step
on the first of the hashed batches of four (clear.batch) whose decisions are all beyond 1e-5 and made alike by all runs.
vgg16_weights.safetensors: the state of a network of 1/16 width after a few steps from PyTorch's own first weights.
Its logits are in vgg16.safetensors.
"""
import os

import numpy as np
import torch
import torch.nn as nn

from hashed import bits, hashed, hashed_below, write_safetensors

CFG = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]
BATCH, STEPS = 64, 10


class VGG16(nn.Module):
    def __init__(self, width):
        super().__init__()
        layers, c = [], 3
        for v in CFG:
            if v == "M":
                layers.append(nn.MaxPool2d(2))
                continue
            v = int(v * width)
            layers += [nn.Conv2d(c, v, 3, padding=1, bias=False), nn.BatchNorm2d(v), nn.ReLU()]
            c = v
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(c, 10)

    def forward(self, x):
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def first_value(name, shape):
    """He-uniform matrices (rounded to float32, so that both precisions start alike), norms around 1, biases around 0."""
    value = hashed("vgg16." + name, shape)
    if len(shape) > 1:
        return (value * np.sqrt(6 / np.prod(shape[1:]))).astype(np.float32).astype(np.float64)
    return value * 0.25 + (1 if name.startswith("features") and name.endswith("weight") else 0)


def start(dtype, layout):
    model = VGG16(0.25).double()
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(torch.tensor(first_value(name, tuple(p.shape))))
    return model.to(dtype).to(memory_format=layout)


def images(step, dtype, layout, count=BATCH):
    return torch.tensor(hashed(f"vgg16.x.{step}", (count, 3, 32, 32))).to(dtype).contiguous(memory_format=layout)


def train(model, steps, dtype, layout, count=BATCH):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4, nesterov=True)
    loss_fn, losses = nn.CrossEntropyLoss(label_smoothing=0.1), []
    model.train()
    for step in steps:
        labels = torch.tensor(hashed_below(f"vgg16.labels.{step}", count, 10))
        loss = loss_fn(model(images(step, dtype, layout, count)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def state(model):
    return {name: t.detach().double().contiguous().numpy().copy() for name, t in model.state_dict().items()}


def logits(model, x):
    model.eval()
    with torch.no_grad():
        return model(x).double().numpy()


def signs(name, count):
    return 1.0 - 2.0 * (bits(name, count) >> np.uint64(63)).astype(np.float64)


def decisions(model, x):
    """What every ReLU and max pool does with a batch, and how near the nearest is to doing otherwise."""
    model.train()
    taken, margin = [], np.inf
    with torch.no_grad():
        for layer in model.features:
            if isinstance(layer, nn.ReLU):
                taken.append(x > 0)
                margin = min(margin, x.abs().min().item())
            if isinstance(layer, nn.MaxPool2d):
                windows = x.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)
                top = windows.topk(2).values
                taken.append(torch.where(top[..., 0] > 0, windows.argmax(-1), 0))
                margin = min(margin, (top[..., 0] - top[..., 1])[top[..., 0] > 0].min().item())
            x = layer(x)
    return taken, margin


def float32_runs():
    for layout in (contiguous, torch.channels_last):
        for threads in (1, 4):
            torch.set_num_threads(threads)
            yield layout


def is_clear(batch):
    taken, margin = decisions(start(f64, contiguous), images(batch, f64, contiguous, 4))
    if margin < 1e-5:
        return False
    runs = (decisions(start(torch.float32, l), images(batch, torch.float32, l, 4))[0] for l in float32_runs())
    return all(torch.equal(a, b) for run in runs for a, b in zip(taken, run))


def float32_distances(step, count):
    """How far each tensor is from float64's after one step in float32, the worst of all runs."""
    model = start(f64, contiguous)
    train(model, [step], f64, contiguous, count)
    truth, worst = state(model), dict.fromkeys(names, 0.0)
    for layout in float32_runs():
        model = start(torch.float32, layout)
        train(model, [step], torch.float32, layout, count)
        once = state(model)
        worst = {name: max(worst[name], np.linalg.norm(once[name] - truth[name])) for name in names}
    return worst


contiguous, f64 = torch.contiguous_format, torch.float64
tensors = {}

model = start(f64, contiguous)
tensors["logits.first"] = logits(model, images(0, f64, contiguous, 8))
before = state(model)
tensors["losses"] = np.array(train(model, range(STEPS), f64, contiguous))
tensors["logits.last"] = logits(model, images(0, f64, contiguous, 8))
after = state(model)
names = [name for name in after if not name.endswith("num_batches_tracked")]
for name in names:
    change = (after[name] - before[name]).ravel()
    tensors[name + ".norm"] = np.array(np.linalg.norm(change))
    tensors[name + ".projections"] = np.array([np.dot(signs(f"{name}.signs.{j}", change.size), change) for j in range(8)])
    tensors[name + ".samples"] = after[name].ravel()[hashed_below(name + ".places", 64, change.size)]

clear = next(batch for batch in range(STEPS, 1000) if is_clear(batch))
tensors["clear.batch"] = np.array(clear)
for kind, distances in (("fp32", float32_distances(0, BATCH)), ("clear", float32_distances(clear, 4))):
    for name in names:
        tensors[f"{name}.{kind}"] = np.array(distances[name])

torch.manual_seed(0)
model = VGG16(1 / 16)
train(model, range(3), torch.float32, contiguous)
tensors["logits.weights"] = logits(model, images(0, torch.float32, contiguous, 8))
here = os.path.dirname(os.path.abspath(__file__))
write_safetensors(os.path.join(here, "vgg16_weights.safetensors"),
                  {name: t.numpy() for name, t in model.state_dict().items()}, {})
write_safetensors(os.path.join(here, "vgg16.safetensors"), tensors, {})
