"""Test-time augmentation: a view is a name (`spec.views`) and a pure function of a batch.

Shapes: B images, C channels, H height, W width.
"""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from ffdi.config.views import scaled, split

SYMMETRIES: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "hflip": lambda x: x.flip(3),
    "vflip": lambda x: x.flip(2),
    "rot90": lambda x: x.rot90(1, (2, 3)),
    "rot180": lambda x: x.rot90(2, (2, 3)),
    "rot270": lambda x: x.rot90(3, (2, 3)),
    "transpose": lambda x: x.transpose(2, 3),
    "antitranspose": lambda x: x.rot90(2, (2, 3)).transpose(2, 3),
}


def apply(images_BCHW: Tensor, view: str) -> Tensor:
    """The batch (float or uint8) as `view` shows it; "identity" is the very tensor. `view` is one that `parse` gave."""
    if view in SYMMETRIES:
        return SYMMETRIES[view](images_BCHW)
    kind, factor = split(view)
    height, width = (scaled(side, factor) for side in images_BCHW.shape[2:])
    if kind == "crop":
        top, left = (images_BCHW.shape[2] - height) // 2, (images_BCHW.shape[3] - width) // 2
        return images_BCHW[:, :, top : top + height, left : left + width]
    return F.interpolate(images_BCHW, (height, width), mode="bilinear", antialias=True, align_corners=False)
