"""Losses per image, so that a non-finite one can be named by its id; their mean is what is lowered.

B images, C = 1 or 2 logits, D features.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ffdi.core.errors import UserError


def smooth(targets_B: Tensor, smoothing: float) -> Tensor:
    """Soft targets: P(fake) moved towards one half by `smoothing` (Szegedy et al. 2016, two classes)."""
    return targets_B * (1 - smoothing) + 0.5 * smoothing


def cross_entropy(logits_BC: Tensor, targets_B: Tensor) -> Tensor:
    """Cross-entropy per image, float32, against P(fake) in [0, 1]; one logit or two."""
    logits_BC = logits_BC.float()
    if logits_BC.shape[1] == 1:
        return functional.binary_cross_entropy_with_logits(logits_BC[:, 0], targets_B, reduction="none")
    targets_BC = torch.stack([1 - targets_B, targets_B], dim=1)
    return functional.cross_entropy(logits_BC, targets_BC, reduction="none")


def class_balanced(targets_B: Tensor) -> Tensor:
    """Weights of mean 1 with which originals and fakes count alike, however many there are of each.

    A mixed target belongs to both classes by its share. A batch of one class is weighted evenly.
    """
    fakes, reals = targets_B.sum(), (1 - targets_B).sum()
    if not (fakes > 0 and reals > 0):
        return torch.ones_like(targets_B)
    return len(targets_B) / 2 * (targets_B / fakes + (1 - targets_B) / reals)


def supcon(features_BD: Tensor, targets_B: Tensor, temperature: float) -> Tensor:
    """Supervised InfoNCE per image: each original is pulled to the other originals and away from all fakes.

    Fakes pull nobody: they have nothing in common but not being real. So theirs is 0, and all are 0 without two
    originals and a fake. After Oord et al. 2018, with labels as Khosla et al. 2020; JTGroup, first of multi-ffdi, says
    that it pulled originals together and pushed fakes off.
    """
    fake_B = targets_B >= 0.5
    losses_B = torch.zeros_like(targets_B, dtype=torch.float32)
    if fake_B.sum() < 1 or (~fake_B).sum() < 2:
        return losses_B
    units_BD = functional.normalize(features_BD.float(), dim=1)
    reals_RD = units_BD[~fake_B]
    pull_RR = reals_RD @ reals_RD.T / temperature
    push_R = torch.logsumexp(reals_RD @ units_BD[fake_B].T / temperature, dim=1)
    each_RR = torch.logaddexp(pull_RR, push_R[:, None]) - pull_RR  # -log(e^pull / (e^pull + sum of e^push))
    others = ~torch.eye(len(reals_RD), dtype=torch.bool, device=each_RR.device)
    mean_R = (each_RR * others).sum(dim=1) / (len(reals_RD) - 1)
    return losses_B.masked_scatter(~fake_B, mean_R)


def consistency(logits_BC: Tensor, noisy_BC: Tensor) -> Tensor:
    """KL(clean || noisy) of P(fake) per image; the clean side is the teacher and gets no gradient."""
    clean, noisy = (_log_shares(logits) for logits in (logits_BC.detach(), noisy_BC))
    return (clean.exp() * (clean - noisy)).sum(dim=1)


@contextmanager
def features(model: Any, wanted: bool) -> Iterator[list[Tensor]]:
    """What the classifier of a timm model is given in forward passes inside this block, [B, D] each.

    A hook rather than `forward_features`, so that DDP and stems see one ordinary forward pass. Raises UserError for a
    model with several heads.
    """
    seen: list[Tensor] = []
    if not wanted:
        yield seen
        return
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
    """log P(original), log P(fake)."""
    logits_BC = logits_BC.float()
    if logits_BC.shape[1] == 2:
        return functional.log_softmax(logits_BC, dim=1)
    return torch.cat([functional.logsigmoid(-logits_BC), functional.logsigmoid(logits_BC)], dim=1)
