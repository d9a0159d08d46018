"""Number format and memory layout by device: what pays where.

Measured on a CPU with AVX-512 bf16, against float32 in NCHW: channels_last x1.3-1.4 for convolutional networks and x1.0
for ViT and ConvNeXt; bf16 autocast x0.6-0.9, so never there. GPUs: bf16 where the hardware has it, else fp16.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def amp_dtype(amp: str, device: torch.device) -> torch.dtype | None:
    """The autocast type for the recipe's word ("auto", "off", "bf16", "fp16") on `device`; None: plain float32."""
    if device.type != "cuda" or amp == "off":
        return None
    if amp == "auto":
        amp = "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    return DTYPES[amp]


def autocast(dtype: torch.dtype | None, device: torch.device) -> AbstractContextManager[object]:
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype)


def wants_channels_last(model: nn.Module, wish: bool | None = None) -> bool:
    """The recipe's wish, or by itself: does the model have a convolution with overlapping windows?"""
    if wish is not None:
        return wish
    convolutions = (module for module in model.modules() if isinstance(module, nn.Conv2d))
    return any(size > step for conv in convolutions for size, step in zip(conv.kernel_size, conv.stride, strict=True))


def place(model: nn.Module, device: torch.device, channels_last: bool) -> nn.Module:
    """Move `model` (in place) to the device and layout; call it once, before the optimizer is made."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    # The declared overloads of nn.Module.to know memory_format only together with tensors.
    return model.to(device=device, memory_format=layout)  # type: ignore[call-overload]
