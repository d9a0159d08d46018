"""The weights of a finished fold: one checksummed safetensors file with its golden outputs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ffdi.config.recipe import Member
from ffdi.core import checksum
from ffdi.core.errors import FfdiError, UserError
from ffdi.model import golden, precision
from ffdi.model.build import build


def save_weights(path: Path, model: nn.Module, member: Member, facts: Mapping[str, Any]) -> None:
    """Write the weights of `model` with their golden outputs at the size the member predicts at.

    Args:
        path: The file to write, atomically.
        model: Any mode, any device; it stays as it is.
        member: Says the size.
        facts: JSON values to store in the file's header.

    Raises:
        FfdiError: A tensor is not finite.
    """
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in model.state_dict().items()}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise FfdiError(f"Weights {name} are not finite: the training diverged; lower lr or set clip_grad.")
    recorded = golden.record(model, member.test_size or member.image_size)
    arrays |= {golden.PREFIX + "images_BHWC": recorded.images_BHWC, golden.PREFIX + "outputs_BK": recorded.outputs_BK}
    checksum.write_tensors(path, arrays, facts)


def load_net(path: Path, member: Member, device: torch.device | str = "cpu") -> nn.Module:
    """Return the member's model with the weights in `path`, on `device`, checked by its golden outputs.

    Args:
        path: A file of `save_weights`.
        member: The architecture, and the memory layout if the recipe names one.
        device: Where the model will run.

    Raises:
        CorruptError: The file is damaged.
        UserError: A name or shape in the file is not the model's.
        FfdiError: The golden outputs moved.
    """
    model = build(member, pretrained=False)
    recorded = load_weights(path, model)
    model = precision.place_for(model, member, torch.device(device))
    golden.check(model, recorded)
    return model


def load_weights(path: Path, model: nn.Module) -> golden.Golden:
    """Fill `model` (in place) from a file of `save_weights`; return its golden outputs.

    Raise CorruptError for a damaged file, UserError if its names or shapes are not the model's.
    """
    arrays, _ = checksum.read_tensors(path)
    try:
        recorded = golden.Golden(*(arrays.pop(golden.PREFIX + name) for name in ("images_BHWC", "outputs_BK")))
    except KeyError as error:
        raise UserError(f"{path} holds no golden outputs; it was not written as the weights of a fold.") from error
    state = {name: torch.from_numpy(array) for name, array in arrays.items()}
    try:
        model.load_state_dict(state, strict=True)
    except RuntimeError as error:
        faults = " ".join(line.strip() for line in str(error).splitlines()[1:])
        raise UserError(f"{path} does not fit {type(model).__name__}: {faults[:300].rstrip('.')}.") from error
    return recorded
