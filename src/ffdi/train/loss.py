"""Losses per image, so that a non-finite one can be named by its id.

B images, C = 1 or 2 logits.
"""

import torch
from torch.nn import functional


def smooth(targets_B: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Soft targets: P(fake) moved towards one half by `smoothing` (Szegedy et al. 2016, two classes)."""
    return targets_B * (1 - smoothing) + 0.5 * smoothing


def cross_entropy(logits_BC: torch.Tensor, targets_B: torch.Tensor) -> torch.Tensor:
    """Cross-entropy per image, float32, against P(fake) in [0, 1]; one logit or two."""
    logits_BC = logits_BC.float()
    if logits_BC.shape[1] == 1:
        return functional.binary_cross_entropy_with_logits(logits_BC[:, 0], targets_B, reduction="none")
    targets_BC = torch.stack([1 - targets_B, targets_B], dim=1)
    return functional.cross_entropy(logits_BC, targets_BC, reduction="none")
