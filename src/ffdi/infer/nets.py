"""The nets of a team: one fold of one member each, loaded, checked, and grouped by what they can share."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil
import torch
from torch import nn

from ffdi.config.recipe import Member
from ffdi.config.views import side
from ffdi.core.errors import UserError
from ffdi.infer.plan import Cell
from ffdi.model import precision
from ffdi.model.build import build, count_params, data_config
from ffdi.model.size import at_size
from ffdi.model.weights import GOLDEN_TOLERANCE, check_golden, load_weights

MOST_IMAGES = 512  # in a batch that nets with different batch sizes share
FLOAT = 4  # bytes of a parameter
MeanStd = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True)
class Net:
    """One fold of one member, and where its sealed weights are."""

    member: Member
    fold: int | str
    weights: Path

    @property
    def size(self) -> int:
        return self.member.test_size or self.member.image_size

    @property
    def key(self) -> tuple[str, int | str]:
        return self.member.name, self.fold

    def cell(self, view: str) -> Cell:
        return Cell(*self.key, view)


@dataclass(frozen=True)
class Loaded:
    """A net on a device; `by_view` has a copy of its own for a view whose size the model must be told."""

    net: Net
    by_view: dict[str, nn.Module]
    dtype: torch.dtype | None
    mean_std: MeanStd
    channels_last: bool


def load(net: Net, device: torch.device) -> Loaded:
    """Raises FfdiError for moved golden outputs, UserError for weights that do not fit."""
    model = build(net.member, pretrained=False)
    load_weights(net.weights, model)
    channels_last = precision.wants_channels_last(model, net.member.channels_last)
    model = precision.place(model, device, channels_last)
    check_golden(model, net.weights, GOLDEN_TOLERANCE)
    by_view = {view: at_size(model, side(net.size, view)) for view in net.member.tta}
    mean, std, _ = data_config(model)
    return Loaded(net, by_view, precision.amp_dtype(net.member.amp, device), (mean, std), channels_last)


def groups(nets: Sequence[Net], room: int) -> list[list[Net]]:
    """Nets that share batches: of one size, with batch sizes that have a small common multiple, weights within `room`
    bytes. In their order, the first group with the first net."""
    found: list[list[Net]] = []
    for net in nets:
        group = next((group for group in found if _fit_together([*group, net], room)), None)
        if group is None:
            found.append([net])
        else:
            group.append(net)
    return found


def _fit_together(nets: Sequence[Net], room: int) -> bool:
    alike = len({net.size for net in nets}) == 1 and common_batch(nets) <= MOST_IMAGES
    members = [net.member for net in nets]
    return alike and sum(_bytes(one.model, one.num_classes, one.image_size) for one in members) <= room


def common_batch(nets: Sequence[Net]) -> int:
    """Images decoded together: whole batches of every net, since another batch size moves logits."""
    return math.lcm(*(net.member.batch_size for net in nets))


@cache
def _bytes(model: str, num_classes: int, image_size: int) -> int:
    return FLOAT * count_params(model, num_classes, image_size)


def room_on(devices: Sequence[torch.device]) -> int:
    """Half of the free memory of the fullest device; the rest is for activations."""
    free = [
        torch.cuda.mem_get_info(device)[0]
        if device.type == "cuda"
        else psutil.virtual_memory().available // len(devices)
        for device in devices
    ]
    return min(free) // 2


def refuse_twins(nets: Sequence[Net]) -> None:
    """Raises UserError for two nets of one name, or for none."""
    keys = [net.key for net in nets]
    twice = [key for key in keys if keys.count(key) > 1]
    if twice or not nets:
        what = f"{twice[0][0]} fold {twice[0][1]} is given twice" if twice else "no net is given"
        raise UserError(f"A team needs nets, each once; {what}.")
