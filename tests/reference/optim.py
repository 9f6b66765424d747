"""PyTorch's SGD in float64 and its learning rate schedules, for tests/optim/parity_test.cpp.

    python3 tests/reference/optim.py      (PyTorch 1.13; writes optim.safetensors beside this file)

SGD: two parameters of 7 numbers from hashed("CASE.a", 7) and "CASE.b"; gradients of step s from "CASE.a.grad.s" and so
on; b has none in step 0. CASE.a and CASE.b hold the values after every step.
Schedules: CASE.lr[i] is the rate after i calls of the scheduler's step().
"""
import os
import warnings

import numpy as np
import torch
from torch.optim import lr_scheduler

from hashed import hashed, options_text, write_safetensors

tensors, cases = {}, {}
warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*")


def sgd(case, steps=4, **options):
    parameters = {key: torch.tensor(hashed(f"{case}.{key}", (7,))).requires_grad_() for key in "ab"}
    optimizer = torch.optim.SGD(parameters.values(), **options)
    history = {key: [] for key in parameters}
    for step in range(steps):
        for key, p in parameters.items():
            p.grad = None if (key, step) == ("b", 0) else torch.tensor(hashed(f"{case}.{key}.grad.{step}", (7,)))
        optimizer.step()
        for key, p in parameters.items():
            history[key].append(p.detach().numpy().copy())
    for key, values in history.items():
        tensors[f"{case}.{key}"] = np.stack(values)
    defaults = {"lr": 0, "momentum": 0, "dampening": 0, "weight_decay": 0, "nesterov": False}
    cases[case] = options_text(op="sgd", steps=steps, **{**defaults, **options})


sgd("sgd_plain", lr=0.1)
sgd("sgd_decay", lr=0.1, weight_decay=0.25)
sgd("sgd_momentum", lr=0.1, momentum=0.9)
sgd("sgd_dampening", lr=0.05, momentum=0.8, dampening=0.3)
sgd("sgd_nesterov", lr=0.05, momentum=0.9, nesterov=True)
sgd("sgd_all", lr=0.07, momentum=0.9, dampening=0.5, weight_decay=0.05)
sgd("sgd_recipe", steps=8, lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)


def schedule(case, kind, make, calls, lr=0.1, **options):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    scheduler = make(optimizer)
    rates = [optimizer.param_groups[0]["lr"]]
    for _ in range(calls):
        scheduler.step()
        rates.append(optimizer.param_groups[0]["lr"])
    tensors[case + ".lr"] = np.array(rates, dtype=np.float64)
    cases[case] = options_text(op="schedule", kind=kind, lr=lr, **options)


schedule("step", "step", lambda o: lr_scheduler.StepLR(o, 3, 0.2), 10, step_size=3, gamma=0.2)
schedule("multistep", "multistep", lambda o: lr_scheduler.MultiStepLR(o, [2, 5, 6], 0.3), 9, milestones=[2, 5, 6],
         gamma=0.3)
schedule("exponential", "exponential", lambda o: lr_scheduler.ExponentialLR(o, 0.9), 12, gamma=0.9)
for power in (1.0, 2.5):
    schedule(f"poly_{power}", "poly", lambda o: lr_scheduler.PolynomialLR(o, 11, power), 11, total_steps=11,
             power=power, min_lr=0)
for low in (0.0, 0.01):
    schedule(f"cosine_{low}", "cosine", lambda o: lr_scheduler.CosineAnnealingLR(o, 17, low), 17, total_steps=17,
             min_lr=low)
for total, start, rise, fall in ((20, 0.3, 25.0, 1e4), (33, 0.25, 10.0, 100.0)):
    schedule(f"onecycle_{total}", "onecycle",
             lambda o: lr_scheduler.OneCycleLR(o, 0.4, total_steps=total, pct_start=start, div_factor=rise,
                                               final_div_factor=fall, cycle_momentum=False),
             total - 1, lr=0.4, total_steps=total, pct_start=start, div_factor=rise, final_div_factor=fall)

write_safetensors(os.path.join(os.path.dirname(os.path.abspath(__file__)), "optim.safetensors"), tensors, cases)
