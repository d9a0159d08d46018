"""Mixup and CutMix of a batch with its reverse order, as a function of a key.

timm's Mixup draws from numpy's global generator, which a resumed run cannot reproduce; the arithmetic is the same.
B images, C channels, H x W pixels.
"""

import numpy as np
import torch

from ffdi.core import keys


def mix(
    images_BCHW: torch.Tensor, targets_B: torch.Tensor, mixup: float, cutmix: float, key: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Blend image i with image B-1-i. With both alphas set, a batch gets one of the two, evenly.

    Mixup: lambda ~ Beta(a, a) (Zhang et al. 2018). CutMix: a box of area 1 - lambda (Yun et al. 2019), lambda
    corrected to the box that lies inside the image.

    Args:
        images_BCHW: A batch.
        targets_B: P(fake), 0 to 1.
        mixup: Alpha of the Beta; 0: off.
        cutmix: Alpha of the Beta; 0: off.
        key: Decides the draws.
    """
    if mixup == 0 and cutmix == 0:
        return images_BCHW, targets_B
    rng = keys.rng("mix", key)
    cut = cutmix > 0 and (mixup == 0 or rng.random() < 0.5)
    share = float(rng.beta(cutmix, cutmix) if cut else rng.beta(mixup, mixup))
    if cut:
        images_BCHW, share = _cut(images_BCHW, share, rng)
    else:
        images_BCHW = images_BCHW * share + images_BCHW.flip(0) * (1 - share)
    return images_BCHW, targets_B * share + targets_B.flip(0) * (1 - share)


def _cut(images_BCHW: torch.Tensor, share: float, rng: np.random.Generator) -> tuple[torch.Tensor, float]:
    height, width = images_BCHW.shape[-2:]
    half_y, half_x = (int(side * (1 - share) ** 0.5) // 2 for side in (height, width))
    y, x = int(rng.integers(height)), int(rng.integers(width))
    rows = slice(max(y - half_y, 0), min(y + half_y, height))
    columns = slice(max(x - half_x, 0), min(x + half_x, width))
    mixed = images_BCHW.clone()
    mixed[..., rows, columns] = images_BCHW.flip(0)[..., rows, columns]
    area = (rows.stop - rows.start) * (columns.stop - columns.start)
    return mixed, 1 - area / (height * width)
