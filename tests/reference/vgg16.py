"""VGG16 with batch norm trained by PyTorch, for tests/models/vgg16_parity_test.cpp.

    python3 tests/reference/vgg16.py     (PyTorch 1.13; writes vgg16.safetensors and vgg16_weights.safetensors beside
                                          this file; a minute on four cores)

vgg16.safetensors: a quarter-width network takes ten Nesterov steps in float64 on hashed images, labels and first
weights. Per tensor T of the state: T.norm, of its change over ten steps; T.projections, the change's products with
eight vectors of hashed signs; T.samples, of the last value at hashed places; T.fp32, the distance of one step in
float32 from one in float64, the worst of both memory layouts on 1 and on 4 threads.
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
    x = torch.tensor(hashed(f"vgg16.x.{step}", (BATCH, 3, 32, 32))[:count])
    return x.to(dtype).contiguous(memory_format=layout)


def train(model, steps, dtype, layout):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4, nesterov=True)
    loss_fn, losses = nn.CrossEntropyLoss(label_smoothing=0.1), []
    model.train()
    for step in range(steps):
        labels = torch.tensor(hashed_below(f"vgg16.labels.{step}", BATCH, 10))
        loss = loss_fn(model(images(step, dtype, layout)), labels)
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


contiguous, f64 = torch.contiguous_format, torch.float64
tensors = {}

model = start(f64, contiguous)
few = images(0, f64, contiguous, 8)
tensors["logits.first"] = logits(model, few)
before = state(model)
tensors["losses"] = np.array(train(model, STEPS, f64, contiguous))
tensors["logits.last"] = logits(model, few)
after = state(model)
names = [name for name in after if not name.endswith("num_batches_tracked")]
for name in names:
    change = (after[name] - before[name]).ravel()
    tensors[name + ".norm"] = np.array(np.linalg.norm(change))
    tensors[name + ".projections"] = np.array([np.dot(signs(f"{name}.signs.{j}", change.size), change) for j in range(8)])
    tensors[name + ".samples"] = after[name].ravel()[hashed_below(name + ".places", 64, change.size)]

other = start(f64, torch.channels_last)
other_losses = train(other, STEPS, f64, torch.channels_last)
last = state(other)
spread = {n: np.linalg.norm(last[n] - after[n]) / np.linalg.norm(after[n] - before[n]) for n in names}
print("float64, one layout against the other, worst change apart:", max(spread.values()),
      "losses", np.abs(np.array(other_losses) - tensors["losses"]).max())

model = start(f64, contiguous)
train(model, 1, f64, contiguous)
truth, distance = state(model), {name: [] for name in names}
for layout in (contiguous, torch.channels_last):
    for threads in (1, 4):
        torch.set_num_threads(threads)
        model = start(torch.float32, layout)
        train(model, 1, torch.float32, layout)
        once = state(model)
        for name in names:
            distance[name].append(np.linalg.norm(once[name] - truth[name]))
for name in names:
    tensors[name + ".fp32"] = np.array(max(distance[name]))
    print(f"{name:32} change {np.linalg.norm(truth[name] - before[name]):.2e} float32 off by "
          + " ".join(f"{d:.2e}" for d in distance[name]))

torch.manual_seed(0)
model = VGG16(1 / 16)
train(model, 3, torch.float32, contiguous)
tensors["logits.weights"] = logits(model, images(0, torch.float32, contiguous, 8))
here = os.path.dirname(os.path.abspath(__file__))
write_safetensors(os.path.join(here, "vgg16_weights.safetensors"),
                  {name: t.numpy() for name, t in model.state_dict().items()}, {})
write_safetensors(os.path.join(here, "vgg16.safetensors"), tensors, {})
