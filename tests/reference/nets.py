"""Whole nets in float64 for comparison: what resnet.py and models.py share, read by tests/support/net_parity.h.

First values of parameters and buffers, images and gradients of outputs are hashed("CASE.name", shape), scaled by
first_value, not stored. Of a net: CASE.train, its logits in training; CASE.eval, those in evaluation after that;
CASE.norms and CASE.projections, of every parameter's gradient (its product with hashed signs); and, in the file's
metadata, the names of its parameters.
"""
import numpy as np
import torch

from hashed import bits, hashed

tensors, names = {}, {}


def first_value(case, name, shape):
    """He-uniform matrices, norms' weights and variances around 1, the rest around 0."""
    value = hashed(f"{case}.{name}", shape)
    if len(shape) > 1:
        return value * np.sqrt(6 / np.prod(shape[1:]))
    around_one = name.endswith(("weight", "running_var"))
    return value * 0.25 + (1 if around_one else 0)


def start(case, model):
    model = model.double().train()
    with torch.no_grad():
        for name, t in model.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                t.copy_(torch.tensor(first_value(case, name, tuple(t.shape))))
    return model


def net(case, model, side):
    model = start(case, model)
    x = torch.tensor(hashed(case + ".x", (4, 3, side, side)))
    y = model(x)
    y.backward(torch.tensor(hashed(case + ".dy", tuple(y.shape))))
    tensors[case + ".train"] = y.detach().numpy()
    gradients = [(name, p.grad.numpy().ravel()) for name, p in model.named_parameters()]
    names[case] = " ".join(name for name, _ in gradients)
    tensors[case + ".norms"] = np.array([np.linalg.norm(g) for _, g in gradients])
    tensors[case + ".projections"] = np.array(
        [np.dot(1.0 - 2.0 * (bits(f"{case}.{name}.signs", g.size) >> np.uint64(63)), g) for name, g in gradients])
    with torch.no_grad():
        tensors[case + ".eval"] = model.eval()(x).numpy()
