"""Losses of each image, so that an image with a loss that is not finite can be named. Their mean is minimised.

B images, C = 1 or 2 logits, D features.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ffdi.config.recipe import Member
from ffdi.core.errors import UserError
from ffdi.model import precision
from ffdi.model.build import data_config
from ffdi.training.state import TrainState

TEMPERATURE = 0.1  # of supcon: divides the similarities
NOISE = 8.0  # sigma of the noisy copy of `consistency`, in grey levels of 255


def of_recipe(
    state: TrainState, images_BCHW: Tensor, targets_B: Tensor, member: Member, device: torch.device
) -> Tensor:
    """Return the recipe's loss of each image, [B]. A part of a batch stands for itself.

    Args:
        state: Of the training.
        images_BCHW: Normalised.
        targets_B: P(fake), 0 to 1.
        member: Of the recipe.
        device: Where they are.
    """
    options, dtype = member.loss, precision.amp_dtype(member.amp, device)
    collected = features(state.unwrapped) if options.supcon > 0 else nullcontext(list[Tensor]())
    with collected as seen, precision.autocast(dtype, device):
        if options.consistency > 0:  # one pass for both: DDP allows no second before the gradients are exchanged
            both = torch.cat([images_BCHW, _noisy(images_BCHW, state)])
            logits_BC, noisy_BC = state.model(both).chunk(2)
        else:
            logits_BC = state.model(images_BCHW)
    losses_B = cross_entropy(logits_BC, targets_B)
    if options.class_balanced:
        losses_B = losses_B * class_weights(targets_B)
    if options.supcon > 0:
        losses_B = losses_B + options.supcon * supcon(seen[0][: len(targets_B)], targets_B)
    if options.consistency > 0:
        losses_B = losses_B + options.consistency * consistency(logits_BC, noisy_BC)
    return losses_B


def cross_entropy(logits_BC: Tensor, targets_B: Tensor) -> Tensor:
    """Return the cross-entropy of each image, float32, against P(fake) in [0, 1]; one logit or two."""
    logits_BC = logits_BC.float()
    if logits_BC.shape[1] == 1:
        return functional.binary_cross_entropy_with_logits(logits_BC[:, 0], targets_B, reduction="none")
    targets_BC = torch.stack([1 - targets_B, targets_B], dim=1)
    return functional.cross_entropy(logits_BC, targets_BC, reduction="none")


def class_weights(targets_B: Tensor) -> Tensor:
    """Return weights of mean 1 with which originals and fakes count alike, however many there are of each.

    A mixed target belongs to both classes by its share. A batch of one class is weighted evenly.
    """
    fakes, reals = targets_B.sum(), (1 - targets_B).sum()
    balanced_B = len(targets_B) / 2 * (targets_B / fakes + (1 - targets_B) / reals)
    return torch.where((fakes > 0) & (reals > 0), balanced_B, torch.ones_like(targets_B))


def supcon(features_BD: Tensor, targets_B: Tensor) -> Tensor:
    """Return the supervised InfoNCE of each image: an original is pulled to the others and away from all fakes.

    Fakes have nothing in common but not being real, so theirs is 0; all are 0 without two originals and a fake. After
    Oord et al. 2018, with labels as Khosla et al. 2020; JTGroup, first of multi-ffdi, says that it pulled originals
    together and pushed fakes off. Written with masks: a selection of rows would make the host wait for the card.

    Args:
        features_BD: The input of the classifier.
        targets_B: P(fake), 0 to 1.
    """
    fake_B = targets_B >= 0.5
    units_BD = functional.normalize(features_BD.float(), dim=1)
    pull_BB = units_BD @ units_BD.T / TEMPERATURE
    push_B = torch.logsumexp(pull_BB.masked_fill(~fake_B, -torch.inf), dim=1)
    each_BB = torch.logaddexp(pull_BB, push_B[:, None]) - pull_BB  # -log(e^pull / (e^pull + sum of e^push))
    others_BB = (~fake_B[:, None] & ~fake_B) & ~torch.eye(len(fake_B), dtype=torch.bool, device=fake_B.device)
    reals = (~fake_B).sum()
    mean_B = each_BB.masked_fill(~others_BB, 0.0).sum(dim=1) / (reals - 1).clamp(min=1)
    return torch.where((reals >= 2) & fake_B.any(), mean_B, torch.zeros_like(mean_B))


def consistency(logits_BC: Tensor, noisy_BC: Tensor) -> Tensor:
    """Return KL(clean || noisy) of P(fake) for each image; no gradient goes through the clean side."""
    clean, noisy = (_log_shares(logits) for logits in (logits_BC.detach(), noisy_BC))
    return (clean.exp() * (clean - noisy)).sum(dim=1)


@contextmanager
def features(model: Any) -> Iterator[list[Tensor]]:
    """Collect the input of a timm model's classifier in forward passes inside this block, [B, D] each.

    A hook rather than `forward_features`, so that DDP and stems see one ordinary forward pass. Raises UserError for a
    model with several heads.
    """
    seen: list[Tensor] = []
    classifier = model.get_classifier()
    if not isinstance(classifier, nn.Module):
        raise UserError(
            f"{type(model).__name__} has no single head, so its features are not known; set loss.supcon = 0."
        )
    handle = classifier.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].flatten(1)))
    try:
        yield seen
    finally:
        handle.remove()


def _log_shares(logits_BC: Tensor) -> Tensor:
    """Return log P(real) and log P(fake), [B, 2]."""
    logits_BC = logits_BC.float()
    if logits_BC.shape[1] == 2:
        return functional.log_softmax(logits_BC, dim=1)
    return torch.cat([functional.logsigmoid(-logits_BC), functional.logsigmoid(logits_BC)], dim=1)


def _noisy(images_BCHW: Tensor, state: TrainState) -> Tensor:
    """Return a copy with Gaussian noise, drawn from the generator that the step has just set."""
    std_C11 = _std(data_config(state.unwrapped)[1], images_BCHW.device)
    return images_BCHW + torch.randn_like(images_BCHW) * (NOISE / 255) / std_C11


@lru_cache(maxsize=8)
def _std(std: tuple[float, ...], device: torch.device) -> Tensor:
    return torch.tensor(std, device=device).view(-1, 1, 1)
