"""Input size: most networks take any, some are built for one (ViT, Swin) and must be told.

timm marks the latter `fixed_input_size`; they take `img_size` when built, and those with `set_input_size` can be
changed afterwards: position embeddings are resampled, attention windows grow with the grid.
"""

import copy
import warnings
from typing import Any

import torch
from timm.models import get_pretrained_cfg
from torch import nn

from ffdi.core.errors import UserError
from ffdi.model.mode import evaluating


def is_fixed(name: str) -> bool:
    """Whether the timm model `name` is built for one input size."""
    config = get_pretrained_cfg(name)
    return bool(config and config.fixed_input_size)


def options(name: str, image_size: int) -> dict[str, Any]:
    """What timm's create_model must be told so that `name` takes images of `image_size` pixels a side."""
    return {"img_size": image_size} if is_fixed(name) else {}


def check(model: nn.Module, size: int) -> None:
    """Raises UserError when a model of fixed size cannot take `size` pixels a side; one blank image is tried."""
    if _is_fixed_now(model):
        _resized(model, size, resample=False)


def at_size(model: nn.Module, size: int) -> nn.Module:
    """`model` for images of `size` pixels a side: itself where it can take them, else a resampled copy.

    The given model is never changed, so weights trained at one size predict at another (384 -> 512).
    Raises UserError for a model that can do neither.
    """
    if not _is_fixed_now(model) or _built_for(model) == (size, size):
        return model
    return _resized(model, size, resample=hasattr(model, "set_input_size"))


def _resized(model: nn.Module, size: int, resample: bool) -> nn.Module:
    try:
        resized = _resampled(model, size) if resample else model
        _try(resized, size)
    except (RuntimeError, AssertionError, ValueError, IndexError) as error:
        raise UserError(
            f"{_pretrained_config(model).get('architecture', type(model).__name__)} cannot take images of {size} px: "
            f"{_line(error)}; give it a size it can (image_size, test_size), and no scale or crop view."
        ) from error
    return resized


def _resampled(model: nn.Module, size: int) -> nn.Module:
    resized: Any = copy.deepcopy(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch's hint on the speed of timm's interpolation
        resized.set_input_size(img_size=(size, size))
    return resized


def _built_for(model: nn.Module) -> tuple[int, int] | None:
    """The size the model states, where its kind states one."""
    for holder in (getattr(model, "patch_embed", None), model):
        stated = getattr(holder, "img_size", None)
        if stated is not None:
            return (stated, stated) if isinstance(stated, int) else tuple(stated)
    return None


def _try(model: nn.Module, size: int) -> None:
    """One blank image forward: some kinds accept a size when built and fail only here."""
    weight = next(model.parameters())
    blank_BCHW = torch.zeros(1, getattr(model, "in_chans", 3), size, size, device=weight.device, dtype=weight.dtype)
    with evaluating([model]):
        model(blank_BCHW)


def _is_fixed_now(model: nn.Module) -> bool:
    return bool(_pretrained_config(model).get("fixed_input_size"))


def _pretrained_config(model: nn.Module) -> dict[str, Any]:
    return getattr(model, "pretrained_cfg", None) or {}


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
