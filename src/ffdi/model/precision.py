"""Number format, memory layout and evaluation mode of a model, by device.

Measured on a CPU with AVX-512 bf16, against float32 in NCHW: channels_last is 1.3-1.4 times as fast for convolutional
networks and changes nothing for ViT and ConvNeXt; bf16 autocast is slower (0.6-0.9), so a CPU computes in float32.
GPUs: bf16 where the hardware has it, else fp16.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import nn

from ffdi.config.recipe import Member
from ffdi.model import depthwise

SMALL_STEP = 1_000_000  # pixels of a batch; up to this many leave a modern GPU idle most of the time
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def amp_dtype(amp: str, device: torch.device) -> torch.dtype | None:
    """Return the autocast type for the recipe's `amp` on `device`; None means plain float32."""
    if device.type != "cuda" or amp == "off":
        return None
    if amp == "auto":
        amp = "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    return DTYPES[amp]


def autocast(dtype: torch.dtype | None, device: torch.device) -> AbstractContextManager[object]:
    """Return the autocast context of `dtype`, or one that does nothing for None."""
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype)


def wants_channels_last(model: nn.Module, small_on_gpu: bool = False) -> bool:
    """Return whether the model has a convolution with overlapping windows.

    Args:
        model: Any model.
        small_on_gpu: Whether steps of at most `SMALL_STEP` pixels run on a GPU. There cuDNN compiles each depthwise
            convolution in channels_last anew in every process, 0.2 to 0.3 s each (on an H200, cuDNN 9: 12 s before the
            first step of EfficientNet-Lite0); torch's own kernels, for the other layout, need none.
    """
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    if small_on_gpu and any(conv.groups == conv.in_channels > 1 for conv in convolutions):
        return False
    return any(size > step for conv in convolutions for size, step in zip(conv.kernel_size, conv.stride, strict=True))


def is_channels_last(model: nn.Module) -> bool:
    """Return whether the weights of a model lie in channels_last, as `place` has laid them out."""
    kernels = (weight for weight in model.parameters() if weight.ndim == 4 and not weight.is_contiguous())
    return any(weight.is_contiguous(memory_format=torch.channels_last) for weight in kernels)


def place_for(model: nn.Module, member: Member, device: torch.device) -> nn.Module:
    """Move the model to the device, in the layout in which steps of the member are fast there.

    Args:
        model: Changed in place.
        member: Whose steps it will do.
        device: Where it goes.
    """
    if device.type == "cpu":
        depthwise.speed_up(model)
    small = device.type == "cuda" and member.batch_size * member.image_size**2 <= SMALL_STEP
    return place(model, device, wants_channels_last(model, small))


def place(model: nn.Module, device: torch.device, channels_last: bool) -> nn.Module:
    """Move the model to the device and layout; call it once, before the optimizer is made.

    Args:
        model: Changed in place.
        device: Where it goes.
        channels_last: The layout of its weights.
    """
    layout = torch.channels_last if channels_last else torch.contiguous_format
    # The declared overloads of nn.Module.to know memory_format only together with tensors.
    return model.to(device=device, memory_format=layout)  # type: ignore[call-overload]


@contextmanager
def evaluating(models: Iterable[nn.Module]) -> Iterator[None]:
    """Set evaluation and inference mode; afterwards give every module its own mode back (some may be frozen)."""
    models = list(models)
    modes = [(module, module.training) for model in models for module in model.modules()]
    for model in models:
        model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, training in modes:
            module.training = training
