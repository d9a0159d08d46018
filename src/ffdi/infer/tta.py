"""Test-time augmentation: each view is a pure function of a batch; `config.views` has the names.

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
    """Return the batch as `view` shows it.

    Args:
        images_BCHW: Square images, float or uint8, on any device, in any memory layout.
        view: A name that `config.views.parse` gave.

    Returns:
        [B, C, H', W'] of the same type; "identity" gives the very tensor, "scale" and "crop" change the size.

    Example:
        >>> import torch
        >>> apply(torch.arange(4).reshape(1, 1, 2, 2), "hflip").tolist()
        [[[[1, 0], [3, 2]]]]
    """
    if view in SYMMETRIES:
        return SYMMETRIES[view](images_BCHW)
    kind, factor = split(view)
    height, width = (scaled(side, factor) for side in images_BCHW.shape[2:])
    if kind == "crop":
        top, left = (images_BCHW.shape[2] - height) // 2, (images_BCHW.shape[3] - width) // 2
        return images_BCHW[:, :, top : top + height, left : left + width]
    return F.interpolate(images_BCHW, (height, width), mode="bilinear", antialias=True, align_corners=False)
