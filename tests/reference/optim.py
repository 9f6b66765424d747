"""PyTorch's SGD and AdamW in float64, its learning rate schedules and averages of weights, for tests/optim.

    python3 tests/reference/optim.py      (PyTorch 1.13 or 2; writes optim.safetensors beside this file)

SGD: two parameters of 7 numbers from hashed("CASE.a", 7) and "CASE.b"; gradients of step s from "CASE.a.grad.s" and so
on; b has none in step 0. CASE.a and CASE.b hold the values after every step.
Schedules: CASE.lr[i] is the rate after i calls of the scheduler's step().
Averages: parameter a and buffer b of 7 numbers are hashed("CASE.a.s", 7) and so on at update s; CASE.a and CASE.b hold
the average after every update.
Groups: SGD on the parameters of GROUPS with their rates as multiples of lr / (s + 1) in step s. CASE.NAME holds the
last values.
AdamW: the same parameters for 100 steps, the gradients clipped to a norm of all, the rates a cosine of the step; those of
a step are hashed("CASE.NAME.grad.s", shape) + values / 4. CASE.NAME holds the values after every tenth step.
"""
import math
import os
import warnings

import numpy as np
import torch
from torch.optim import lr_scheduler
from torch.optim.swa_utils import AveragedModel

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


def average(case, updates=6, **options):
    model = torch.nn.Module()
    model.a = torch.nn.Parameter(torch.zeros(7, dtype=torch.float64))
    model.register_buffer("b", torch.zeros(7, dtype=torch.float64))
    decay = options.get("decay")
    ema = (lambda old, new, _: decay * old + (1 - decay) * new) if decay else None
    averaged = AveragedModel(model, avg_fn=ema, use_buffers=True)
    history = {"a": [], "b": []}
    for s in range(updates):
        for key, values in history.items():
            getattr(model, key).data = torch.tensor(hashed(f"{case}.{key}.{s}", (7,)))
        averaged.update_parameters(model)
        for key, values in history.items():
            values.append(getattr(averaged.module, key).detach().numpy().copy())
    for key, values in history.items():
        tensors[f"{case}.{key}"] = np.stack(values)
    cases[case] = options_text(op="average", updates=updates, **options)


average("average_equal")
average("average_ema", decay=0.9)


# name: shape, multiple of the rate, whether it decays
GROUPS = {"conv.weight": ((2, 1, 3, 3), 1, True), "conv.bias": ((2,), 1, False), "norm.weight": ((2,), 4, False),
          "norm.bias": ((2,), 4, False), "fc.weight": ((3, 2), 10, True), "fc.bias": ((3,), 10, False)}


def grouped(case, weight_decay):
    """The parameters by name, and PyTorch's param_groups of them, one for each."""
    parameters = {name: torch.tensor(hashed(f"{case}.{name}", shape)).requires_grad_()
                  for name, (shape, _, _) in GROUPS.items()}
    return parameters, [{"params": [parameters[name]], "weight_decay": weight_decay if decays else 0.0}
                        for name, (_, _, decays) in GROUPS.items()]


def groups(case, steps, lr, weight_decay, **options):
    parameters, param_groups = grouped(case, weight_decay)
    optimizer = torch.optim.SGD(param_groups, lr=lr, **options)
    for step in range(steps):
        for group, (name, (shape, scale, _)) in zip(optimizer.param_groups, GROUPS.items()):
            group["lr"] = lr / (step + 1) * scale
            parameters[name].grad = torch.tensor(hashed(f"{case}.{name}.grad.{step}", shape))
        optimizer.step()
    for name, p in parameters.items():
        tensors[f"{case}.{name}"] = p.detach().numpy()
    cases[case] = options_text(op="groups", steps=steps, lr=lr, weight_decay=weight_decay, **options)


groups("groups", steps=5, lr=0.05, weight_decay=0.02, momentum=0.9, nesterov=True)


def adamw(case, lr, clip_norm=0, steps=100, weight_decay=1e-2, **options):
    parameters, param_groups = grouped(case, weight_decay)
    optimizer = torch.optim.AdamW(param_groups, lr=lr, foreach=False, **options)
    history = {name: [] for name in parameters}
    for step in range(steps):
        rate = lr * 0.5 * (1 + math.cos(math.pi * (step + 1) / steps))
        for group, (name, (shape, scale, _)) in zip(optimizer.param_groups, GROUPS.items()):
            group["lr"] = rate * scale
            p = parameters[name]
            p.grad = torch.tensor(hashed(f"{case}.{name}.grad.{step}", shape)) + p.detach() / 4
        if clip_norm:
            torch.nn.utils.clip_grad_norm_(parameters.values(), clip_norm)
        optimizer.step()
        if step % 10 == 9:
            for name, p in parameters.items():
                history[name].append(p.detach().numpy().copy())
    for name, values in history.items():
        tensors[f"{case}.{name}"] = np.stack(values)
    text = options_text(op="adamw", lr=lr, clip_norm=clip_norm, steps=steps, weight_decay=weight_decay)
    beta1, beta2 = options.get("betas", (0.9, 0.999))
    cases[case] = text + " " + options_text(beta1=beta1, beta2=beta2, eps=options.get("eps", 1e-8))


adamw("adamw_defaults", lr=1e-3)
adamw("adamw_clipped", lr=0.02, clip_norm=0.5, weight_decay=0.05)
adamw("adamw_all", lr=0.01, clip_norm=1.5, weight_decay=0.2, betas=(0.8, 0.95), eps=1e-3)

write_safetensors(os.path.join(os.path.dirname(os.path.abspath(__file__)), "optim.safetensors"), tensors, cases)
