"""Nets on a device: one fold of one member each, with everything that turns bytes into logits.

B images of a batch, C channels, H height, W width, K = 1 or 2 outputs.
"""

import math
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Literal

import psutil
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torch.utils.flop_counter import FlopCounterMode

from ffdi.config.recipe import Member
from ffdi.config.views import scaled, side, split
from ffdi.data.batches import normalise
from ffdi.infer.plan import Pass
from ffdi.model import compiling, precision, size, stem
from ffdi.model.build import count_params, data_config, skeleton
from ffdi.model.weights import load_net

MAX_SHARED_BATCH = 512  # images in a batch that nets with different batch sizes share
BYTES_PER_PARAM = 6  # float32, and its copy in half precision
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


@dataclass(frozen=True)
class Net:
    """One fold of a member. `weights`: a file of `save_weights`, or a model that is on its device already."""

    member: Member
    fold: int | str
    weights: Path | nn.Module

    @property
    def size(self) -> int:
        """Return the side in pixels of the images it predicts."""
        return self.member.test_size or self.member.image_size

    @property
    def key(self) -> tuple[str, int | str]:
        return self.member.name, self.fold

    def under(self, view: str) -> Pass:
        return Pass(*self.key, view)


class LoadedNet:
    """A net on a device, with a resampled copy for each view whose size the model must be told."""

    def __init__(self, net: Net, device: torch.device, compiled: bool = False) -> None:
        """Raise what `load_net` raises, and UserError for a view whose size the model cannot take."""
        model = net.weights if isinstance(net.weights, nn.Module) else load_net(net.weights, net.member, device)
        sides = {view: side(net.size, view) for view in net.member.tta}
        by_side = {pixels: size.at_size(model, pixels) for pixels in set(sides.values())}
        self.net, self._sides = net, sides
        self.by_view = {view: by_side[pixels] for view, pixels in sides.items()}
        self.mean_std = data_config(model)
        self.dtype = precision.amp_dtype(net.member.amp, device)
        self.channels_last = precision.is_channels_last(model)
        self._forward = {pixels: partial(logits, one, dtype=self.dtype) for pixels, one in by_side.items()}
        self._whole_batch = {
            pixels: compiling.compiled(call) if compiled else call for pixels, call in self._forward.items()
        }

    def logits(self, images_BCHW: Tensor, view: str) -> Tensor:
        """Return logits_B of normalised images under `view`, in parts of the member's batch size.

        Another batch size would move logits by float noise: libraries sum in another order.
        """
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        found = []
        for part_BCHW in images_BCHW.split(self.net.member.batch_size):
            view_BCHW = apply_view(part_BCHW, view).contiguous(memory_format=layout)
            is_whole = len(view_BCHW) == self.net.member.batch_size  # another size would be compiled anew
            forward = self._whole_batch if is_whole else self._forward
            found.append(forward[self._sides[view]](view_BCHW))
        return torch.cat(found)


class DeviceNets:
    """Nets of one size on one device. Call `logits` inside `precision.evaluating(self.models)`."""

    def __init__(self, nets: Sequence[Net], device: torch.device, compiled: bool = False) -> None:
        self.loaded = [LoadedNet(net, device, compiled) for net in nets]
        self.models = [model for one in self.loaded for model in one.by_view.values()]
        self._buffers: dict[tuple[object, bool], Tensor] = {}

    def logits(self, pixels_BHWC: Tensor, kept: Container[Pass] | None = None) -> Iterator[tuple[Pass, Tensor]]:
        """Yield (pass, logits_B on the device) for each kept pass of a batch of bytes (uint8, on the device)."""
        fresh: dict[tuple[object, bool], Tensor] = {}
        for one in self.loaded:
            key = one.mean_std, one.channels_last  # nets with equal input share it
            for view in one.net.member.tta:
                if kept is None or one.net.under(view) in kept:
                    if key not in fresh:
                        fresh[key] = normalise(pixels_BHWC, *one.mean_std, one.channels_last,
                                               self._buffers.get(key))  # fmt: skip
                        self._buffers.setdefault(key, fresh[key])
                    yield one.net.under(view), one.logits(fresh[key], view)


def apply_view(images_BCHW: Tensor, view: str) -> Tensor:
    """Return the batch as `view` shows it.

    Args:
        images_BCHW: Square images, float or uint8, on any device, in any memory layout.
        view: A name that `config.views.parse` gave.

    Returns:
        [B, C, H', W'] of the same type; "identity" gives the very tensor, "scale" and "crop" change the size.

    Example:
        >>> import torch
        >>> apply_view(torch.arange(4).reshape(1, 1, 2, 2), "hflip").tolist()
        [[[[1, 0], [3, 2]]]]
    """
    if view in SYMMETRIES:
        return SYMMETRIES[view](images_BCHW)
    kind, factor = split(view)
    height, width = (scaled(side, factor) for side in images_BCHW.shape[2:])
    if kind == "crop":
        top, left = (images_BCHW.shape[2] - height) // 2, (images_BCHW.shape[3] - width) // 2
        return images_BCHW[:, :, top : top + height, left : left + width]
    return interpolate(images_BCHW, (height, width), mode="bilinear", antialias=True, align_corners=False)


def logits(model: nn.Module, images_BCHW: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Return one float32 logit an image, positive for fake; a head of two gives l1 - l0.

    Args:
        model: One output an image, or two.
        images_BCHW: Normalised.
        dtype: The autocast type; None for plain float32.
    """
    outputs_BK = _outputs(model, images_BCHW, dtype).float()
    return outputs_BK[:, 0] if outputs_BK.shape[1] == 1 else outputs_BK[:, 1] - outputs_BK[:, 0]


def _outputs(model: nn.Module, images_BCHW: Tensor, dtype: torch.dtype | None) -> Tensor:
    """Keep the head in float32: in bf16 it has 8 bits, so thousands of images would tie, and ties cost AUC."""
    if dtype is None:
        return model(images_BCHW)
    with precision.autocast(dtype, images_BCHW.device):
        if not hasattr(model, "forward_head"):
            return model(images_BCHW)
        features = model.forward_features(stem.seen(model, images_BCHW))  # type: ignore[operator]
        if not isinstance(features, Tensor):
            return model.forward_head(features)  # type: ignore[operator]
    return model.forward_head(features.float())  # type: ignore[operator]


def groups(nets: Sequence[Net], memory: int) -> list[list[Net]]:
    """Return the nets in groups that share batches.

    Nets of a group have one size, batch sizes with a small common multiple, and weights that fit into `memory` bytes
    together. The order is kept; the first group begins with the first net.
    """
    members = {net.member.name: net.member for net in nets}
    bytes_of = {name: BYTES_PER_PARAM * count_params(member) for name, member in members.items()}

    def fit(some: list[Net]) -> bool:
        small = sum(bytes_of[net.member.name] for net in some) <= memory
        return small and len({net.size for net in some}) == 1 and common_batch(some) <= MAX_SHARED_BATCH

    found: list[list[Net]] = []
    for net in nets:
        group: list[Net] = next((group for group in found if fit([*group, net])), [])
        if not group:
            found.append(group)
        group.append(net)
    return found


def common_batch(nets: Sequence[Net]) -> int:
    """Return how many images are decoded together: whole batches of every net."""
    return math.lcm(*(net.member.batch_size for net in nets))


def memory_for_weights(devices: Sequence[torch.device]) -> int:
    """Return half of the free bytes of the fullest device; the rest is for activations."""
    if devices[0].type == "cuda":
        return min(torch.cuda.mem_get_info(device)[0] for device in devices) // 2
    return psutil.virtual_memory().available // len(devices) // 2


def flops(member: Member, view: str = "identity") -> int:
    """Return the floating-point operations of one image under `view`; a multiply-add counts as two.

    Counted on the meta device: no weights, no memory, half a second a network.
    """
    return _flops(member.model, member.num_classes, side(member.test_size or member.image_size, view))


@cache
def _flops(model: str, num_classes: Literal[1, 2], pixels: int) -> int:
    net = skeleton(Member(name="any", model=model, num_classes=num_classes, image_size=pixels)).eval()
    with torch.device("meta"), torch.inference_mode(), FlopCounterMode(display=False) as counter:
        net(torch.empty(1, 3, pixels, pixels))
    return counter.get_total_flops()
