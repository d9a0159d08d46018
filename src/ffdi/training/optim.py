"""AdamW with layer-wise learning rates, and its schedule."""

from typing import Any

import torch
from timm.optim import param_groups_layer_decay, param_groups_weight_decay
from timm.scheduler import CosineLRScheduler

from ffdi.config.recipe import Member

MIN_LR = 0.01  # share of lr at which a training starts and ends


def optimizer(model: torch.nn.Module, member: Member) -> torch.optim.AdamW:
    """Return AdamW (Loshchilov & Hutter 2019): no weight decay on norms and biases, lr times `layer_decay` per layer.

    One kernel moves all weights. On a GPU it moves nothing where `found_inf` is 1, and can be part of a CUDA graph.

    Args:
        model: Whose parameters are trained.
        member: Of the recipe.
    """
    names: Any = getattr(model, "no_weight_decay", set)  # a method of timm's transformers
    spared = set(names())
    if member.layer_decay < 1:
        groups = param_groups_layer_decay(
            model, member.weight_decay, no_weight_decay_list=spared, layer_decay=member.layer_decay
        )
    else:
        groups = param_groups_weight_decay(model, member.weight_decay, no_weight_decay_list=spared)
    return torch.optim.AdamW(groups, lr=member.lr, fused=True, capturable=next(model.parameters()).is_cuda)


def schedule(optimizer: torch.optim.Optimizer, member: Member, steps: int) -> CosineLRScheduler:
    """Return warm-up, then a cosine down to `MIN_LR * lr`; `step_update(n)` sets the rates of step n, without state.

    Args:
        optimizer: Whose rates are set.
        member: Of the recipe.
        steps: Of the whole training.
    """
    warmup = min(round(steps * member.warmup), steps - 1)
    return CosineLRScheduler(
        optimizer,
        t_initial=max(steps - warmup, 1),
        lr_min=member.lr * MIN_LR,
        warmup_t=warmup,
        warmup_lr_init=member.lr * MIN_LR,
        warmup_prefix=True,
        t_in_epochs=False,
    )
