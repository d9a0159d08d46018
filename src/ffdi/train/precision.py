"""Which number format trains on which device."""

from contextlib import AbstractContextManager, nullcontext

import torch

from ffdi.spec.recipe import Member


def amp_dtype(member: Member, device: torch.device) -> torch.dtype | None:
    """None for plain float32. "auto": bf16 where the GPU has it natively (a T4 has not), else fp16; off on CPUs.

    bf16 autocast is slower than float32 on the CPUs measured (0.55-0.9 of the images/s).
    """
    if member.amp == "off" or (member.amp == "auto" and device.type != "cuda"):
        return None
    if member.amp == "fp16":
        return torch.float16
    native = device.type != "cuda" or torch.cuda.get_device_capability(device) >= (8, 0)
    return torch.bfloat16 if member.amp == "bf16" or native else torch.float16


def autocast(device: torch.device, dtype: torch.dtype | None) -> AbstractContextManager[object]:
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype)


def memory_format(member: Member) -> torch.memory_format:
    """channels_last unless the recipe says no: 1.15-1.6x in training of CNNs, neutral for ViTs (measured on CPU)."""
    return torch.contiguous_format if member.channels_last is False else torch.channels_last
