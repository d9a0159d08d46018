"""Input sizes: most networks take any, some (ViT, Swin) are built for one.

timm marks the latter `fixed_input_size`; they take `img_size` when built, and those with `set_input_size` can be
changed afterwards: position embeddings are resampled, attention windows grow with the grid.
"""

import copy
import warnings
from typing import Any

import torch
from torch import nn

from ffdi.core.errors import UserError
from ffdi.model.precision import evaluating


def check(model: nn.Module, size: int) -> None:
    """Try one blank image. Raise UserError if a model of fixed size cannot take `size` pixels a side."""
    if _is_fixed(model):
        _resized(model, size, resample=False)


def at_size(model: nn.Module, size: int) -> nn.Module:
    """Return a model for images of `size` pixels a side: `model` itself where it can take them, else a resampled copy.

    The given model is never changed, so weights trained at one size predict at another (384 -> 512).
    Raise UserError for a model that can do neither.
    """
    if not _is_fixed(model) or _stated_size(model) == (size, size):
        return model
    return _resized(model, size, resample=hasattr(model, "set_input_size"))


def _resized(model: Any, size: int, resample: bool) -> nn.Module:
    try:
        resized = copy.deepcopy(model) if resample else model
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # torch's hint on the speed of timm's interpolation
            if resample:
                resized.set_input_size(img_size=(size, size))
        weight = next(resized.parameters())
        blank_1CHW = torch.zeros(1, 3, size, size, device=weight.device, dtype=weight.dtype)
        with evaluating([resized]):  # some networks accept a size when built and fail only here
            resized(blank_1CHW)
    except (RuntimeError, AssertionError, ValueError, IndexError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        raise UserError(
            f"{model.pretrained_cfg['architecture']} cannot take images of {size} px: {reason}; "
            "give it a size it can (image_size, test_size), and no scale or crop view."
        ) from error
    return resized


def _stated_size(model: nn.Module) -> tuple[int, int] | None:
    for holder in (getattr(model, "patch_embed", None), model):
        stated = getattr(holder, "img_size", None)
        if stated is not None:
            return (stated, stated) if isinstance(stated, int) else tuple(stated)
    return None


def _is_fixed(model: Any) -> bool:
    return bool(model.pretrained_cfg.get("fixed_input_size"))
