"""Outputs and gradients in float64 of PyTorch's norms without a batch.

    python3 tests/reference/norms.py      (PyTorch 2; writes norms.safetensors beside this file)

Cases: cases.py. LayerNorm over channels is what ConvNeXt does, on x in channels last; over more axes, they are (C,H,W).
"""
import torch.nn.functional as F

from cases import finish, leaf, write


def affine_leaves(case, shape, affine_shape, affine):
    leaves = {"x": leaf(case + ".x", shape, 2, 3)}
    if affine:
        leaves["w"] = leaf(case + ".w", affine_shape, 0.5, 1)
        leaves["b"] = leaf(case + ".b", affine_shape)
    return leaves


def group_norm(case, shape, groups, affine=True, eps=1e-5):
    leaves = affine_leaves(case, shape, shape[1:2], affine)
    y = F.group_norm(leaves["x"], groups, leaves.get("w"), leaves.get("b"), eps)
    finish(case, "GroupNorm", y, leaves, leaves["x"][0].numel(), x=shape, groups=groups, affine=affine, eps=eps)


def layer_norm(case, shape, axes, affine=True, eps=1e-5):
    """axes: 1 for the channels of x (N,C,H,W), 3 for (C,H,W)."""
    sizes = shape[1:1 + axes]
    leaves = affine_leaves(case, shape, sizes, affine)
    x = leaves["x"].permute(0, 2, 3, 1) if axes == 1 else leaves["x"]
    y = F.layer_norm(x, sizes, leaves.get("w"), leaves.get("b"), eps)
    y = y.permute(0, 3, 1, 2) if axes == 1 else y
    finish(case, "LayerNorm", y, leaves, leaves["x"][0].numel(), x=shape, axes=axes, affine=affine, eps=eps)


group_norm("group", (2, 6, 5, 3), 3)
group_norm("group_one", (3, 5, 4, 7), 1, eps=0.1)
group_norm("group_each", (2, 7, 3, 5), 7, affine=False)
group_norm("group_wide", (1, 64, 3, 3), 4, eps=1e-3)
layer_norm("layer", (2, 5, 4, 3), 1)
layer_norm("layer_wide", (3, 40, 2, 1), 1, eps=1e-6)
layer_norm("layer_image", (2, 3, 5, 4), 3)
layer_norm("layer_plain", (2, 6, 3, 3), 1, affine=False, eps=0.1)

write("norms.safetensors")
