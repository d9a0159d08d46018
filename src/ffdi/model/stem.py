"""Residual stems: input maps that show traces of a forgery between neighbouring pixels.

A stem makes three maps of the image, and a 1 x 1 convolution mixes the six channels back to three, so any timm network
takes it with its weights as they are. At the start the mix gives the plain image; training adds the maps.
VisionRush, third of multi-ffdi, fed SRM maps through such an adapter.

- "srm": three high-pass filters of steganalysis (Fridrich and Kodovsky 2012, as Zhou et al. 2018 chose them).
- "npr": each pixel less the one that nearest-neighbour halving would keep of its 2 x 2 block (Tan et al. 2024).
- "dct": the energy of low, middle and high frequencies in every 8 x 8 block of the luma, as JPEG cuts it.

B images, C = 3 channels, H x W pixels, normalised as the network expects.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

NAME = "stem_adapter"  # in the model and in its weights
MAPS = 3
BLOCK = 8
TRUNCATED = 3.0  # grey levels beyond which a residual says edge, not trace
BANDS = (4, 9)  # sums of the two frequencies at which the middle and the high band begin
BAND_SIZES = (10, 33, 21)  # frequencies in the low, middle and high band
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
SRM = (
    ([[0, 0, 0, 0, 0], [0, -1, 2, -1, 0], [0, 2, -4, 2, 0], [0, -1, 2, -1, 0], [0, 0, 0, 0, 0]], 4),
    ([[-1, 2, -2, 2, -1], [2, -6, 8, -6, 2], [-2, 8, -12, 8, -2], [2, -6, 8, -6, 2], [-1, 2, -2, 2, -1]], 12),
    ([[0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 1, -2, 1, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]], 2),
)


class Stem(nn.Module):
    """Mix the maps into the image: images_BCHW -> images of the same shape. Fixed filters are not stored."""

    def __init__(self, kind: str, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.kind = kind
        self.register_buffer("mean_C11", torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std_C11", torch.tensor(std).view(-1, 1, 1), persistent=False)
        self.register_buffer("filters", FILTERS[kind](), persistent=False)
        self.mix = nn.Conv2d(3 + MAPS, 3, 1)
        with torch.no_grad():
            self.mix.weight.copy_(torch.eye(3, 3 + MAPS).view(3, 3 + MAPS, 1, 1))
            self.mix.bias.zero_()  # type: ignore[union-attr]

    def forward(self, images_BCHW: Tensor) -> Tensor:
        levels_BCHW = (images_BCHW * self.std_C11 + self.mean_C11) * 255  # type: ignore[operator]
        maps_BCHW = MAKERS[self.kind](levels_BCHW, self.get_buffer("filters"))
        return self.mix(torch.cat([images_BCHW, maps_BCHW.to(images_BCHW.dtype)], dim=1))


def attach(model: nn.Module, kind: str, mean: Sequence[float], std: Sequence[float]) -> None:
    """Put a stem before the model.

    It is a hook, not a wrapper: timm's own names and methods (layer groups, size, head) stay where they are.

    Args:
        model: Changed in place.
        kind: "rgb" leaves it as it is.
        mean: Of each channel, as the model expects it.
        std: Of each channel.
    """
    if kind != "rgb":
        model.add_module(NAME, Stem(kind, mean, std))
        model.register_forward_pre_hook(_through)


def seen(model: nn.Module, images_BCHW: Tensor) -> Tensor:
    """Return what the network's own layers get, for callers of `forward_features`, which goes past the hook."""
    stem = getattr(model, NAME, None)
    return images_BCHW if stem is None else stem(images_BCHW)


def count(kind: str) -> int:
    """Return the number of parameters that a stem adds."""
    return 0 if kind == "rgb" else 3 * (3 + MAPS) + 3


def _through(model: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Run the stem of the module itself, so that copies of the model (EMA, another size) use their own."""
    return model.stem_adapter(inputs[0]), *inputs[1:]


def _srm_filters() -> Tensor:
    kernels = [torch.tensor(kernel, dtype=torch.float32) / scale for kernel, scale in SRM]
    return torch.stack(kernels)[:, None].repeat(1, 3, 1, 1) / 3  # [map, channel, 5, 5]: the mean over colours


def _srm(levels_BCHW: Tensor, filters: Tensor) -> Tensor:
    residuals = functional.conv2d(functional.pad(levels_BCHW, (2, 2, 2, 2), mode="reflect"), filters)
    return residuals.clamp(-TRUNCATED, TRUNCATED) / TRUNCATED


def _npr(levels_BCHW: Tensor, _: Tensor) -> Tensor:
    height, width = levels_BCHW.shape[-2:]
    kept = levels_BCHW[..., ::2, ::2].repeat_interleave(2, -1).repeat_interleave(2, -2)[..., :height, :width]
    return (levels_BCHW - kept) / 32


def _dct_filters() -> Tensor:
    """Return the orthonormal two-dimensional DCT-II as convolutions, [64, 1, 8, 8], sorted by band."""
    place, frequency = torch.arange(BLOCK), torch.arange(BLOCK)[:, None]
    basis = torch.cos(math.pi * (2 * place + 1) * frequency / (2 * BLOCK)) * math.sqrt(2 / BLOCK)
    basis[0] /= math.sqrt(2)
    filters = torch.einsum("ux,vy->uvxy", basis, basis).reshape(BLOCK * BLOCK, 1, BLOCK, BLOCK)
    order = (frequency + place).flatten()  # low frequencies first
    return filters[torch.bucketize(order, torch.tensor(BANDS), right=True).argsort(stable=True)]


def _dct(levels_BCHW: Tensor, filters: Tensor) -> Tensor:
    height, width = levels_BCHW.shape[-2:]
    # Python numbers and slices: a tensor made here would be copied to the device in every step.
    red_B1HW, green_B1HW, blue_B1HW = levels_BCHW.split(1, dim=1)
    luma_B1HW = LUMA[0] * red_B1HW + LUMA[1] * green_B1HW + LUMA[2] * blue_B1HW
    padded = functional.pad(luma_B1HW, (0, -width % BLOCK, 0, -height % BLOCK), mode="replicate")
    energy = functional.conv2d(padded, filters, stride=BLOCK).abs().log1p()
    bands = torch.stack([part.mean(1) for part in energy.split(BAND_SIZES, dim=1)], dim=1)
    whole = bands.repeat_interleave(BLOCK, -1).repeat_interleave(BLOCK, -2)[..., :height, :width]
    return whole - whole.mean((-2, -1), keepdim=True)


FILTERS = {"srm": _srm_filters, "npr": lambda: torch.empty(0), "dct": _dct_filters}
MAKERS = {"srm": _srm, "npr": _npr, "dct": _dct}
