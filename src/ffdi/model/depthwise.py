"""Depthwise convolutions whose weight gradient is fast on a CPU.

oneDNN, which computes torch's convolutions there, has no fast weight gradient for depthwise kernels above 3 x 3: it
takes 4 to 8 µs a channel, however few pixels there are: longer than the rest of the layer on the small maps where such
kernels mostly stand. The sum written out is 3 to 5 times as fast on maps of 3 x 3 and 4 x 4 pixels, 1.2 to 1.9 times at
6 x 6 and level at 7 x 7 and 8 x 8 (5 x 5 kernels, 8 images, one core with AVX-512, n = 3).

B images, C channels, H height, W width; Y and X, height and width of the output.
"""

from typing import Any, cast

import torch
from timm.layers import Conv2dSame
from timm.layers.padding import pad_same
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import conv2d, pad

MIN_KERNEL = 4  # smaller ones have a fast gradient
MAX_POSITIONS = 512  # B * Y * X; of more the library is faster
Pair = tuple[int, int]


def speed_up(model: nn.Module) -> None:
    """Let large depthwise kernels of a model compute their weight gradient by the sum here. Outputs do not change.

    Args:
        model: Changed in place; its parameters and their names stay.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(8, 8, 5, padding=2, groups=8, bias=False))
        >>> speed_up(model)
        >>> model(torch.zeros(2, 8, 6, 6)).shape
        torch.Size([2, 8, 6, 6])
    """
    for module in model.modules():
        if type(module) in FAST and _is_large_depthwise(module):
            module.__class__ = FAST[type(module)]


def _is_large_depthwise(conv: Any) -> bool:
    depthwise = conv.groups == conv.in_channels == conv.out_channels > 1
    plain = conv.bias is None and conv.dilation == (1, 1) and conv.padding_mode == "zeros"
    return depthwise and plain and min(conv.kernel_size) >= MIN_KERNEL and not isinstance(conv.padding, str)


class _Depthwise(torch.autograd.Function):
    """`conv2d` of padded images, one kernel a channel, without bias."""

    @staticmethod
    def forward(ctx: Any, images_BCHW: Tensor, weight_C1HW: Tensor, stride: Pair) -> Tensor:
        ctx.save_for_backward(images_BCHW, weight_C1HW)
        ctx.stride = stride
        return conv2d(images_BCHW, weight_C1HW, None, stride, groups=len(weight_C1HW))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_BCYX: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        images_BCHW, weight_C1HW = ctx.saved_tensors
        of_images, of_weight, _ = ctx.needs_input_grad
        images_grad, _, _ = torch.ops.aten.convolution_backward(
            grad_BCYX, images_BCHW, weight_C1HW, None, ctx.stride, (0, 0), (1, 1), False, (0, 0), len(weight_C1HW),
            (of_images, False, False),
        )  # fmt: skip
        weight_grad = _weight_grad(grad_BCYX, images_BCHW, weight_C1HW, ctx.stride) if of_weight else None
        return images_grad, weight_grad, None


def _weight_grad(grad_BCYX: Tensor, images_BCHW: Tensor, weight_C1HW: Tensor, stride: Pair) -> Tensor:
    """Return the sum over b, y, x of grad[b, c, y, x] * images[b, c, y * stride + i, x * stride + j], [C, 1, H, W]."""
    grad_BYXC, images_BHWC = grad_BCYX.movedim(1, 3), images_BCHW.movedim(1, 3)  # sums run over rows of channels
    (down, right), (rows, columns) = stride, grad_BYXC.shape[1:3]
    result = torch.empty_like(weight_C1HW)
    for i in range(weight_C1HW.shape[2]):
        for j in range(weight_C1HW.shape[3]):
            seen_BYXC = images_BHWC[:, i::down, j::right][:, :rows, :columns]
            result[:, 0, i, j] = (seen_BYXC * grad_BYXC).sum((0, 1, 2))
    return result


def _is_small(images_BCHW: Tensor, stride: tuple[int, ...]) -> bool:
    """Return whether the sum here is faster; padding by hand, which it needs, costs more on large maps."""
    rows, columns = (-(-side // step) for side, step in zip(images_BCHW.shape[2:], stride, strict=True))
    return len(images_BCHW) * rows * columns <= MAX_POSITIONS


class _Fast(nn.Conv2d):
    def forward(self, images_BCHW: Tensor) -> Tensor:
        if not _is_small(images_BCHW, self.stride):
            return super().forward(images_BCHW)
        down, right = cast(Pair, self.padding)  # by name it is not, see `_is_large_depthwise`
        return _Depthwise.apply(pad(images_BCHW, (right, right, down, down)), self.weight, self.stride)


class _FastSame(Conv2dSame):
    def forward(self, images_BCHW: Tensor) -> Tensor:
        if not _is_small(images_BCHW, self.stride):
            return super().forward(images_BCHW)
        padded = pad_same(images_BCHW, list(self.kernel_size), list(self.stride))
        return _Depthwise.apply(padded, self.weight, self.stride)


FAST: dict[type, type] = {nn.Conv2d: _Fast, Conv2dSame: _FastSame}
