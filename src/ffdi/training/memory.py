"""Out of memory: keep the batch of the recipe, and compute it in more, smaller parts, where batch norm can do that."""

import math

import torch

from ffdi.config.recipe import Member
from ffdi.core import console
from ffdi.core.errors import UserError
from ffdi.model.build import skeleton

MAX_MICRO_BATCHES = 64
_TOO_FEW = "Expected more than 1 value per channel"  # torch, of a batch norm that sees one value
# Plain errors: of the CPU allocator, of the driver (a new context, a graph), of cuBLAS and cuDNN.
_MESSAGES = ("not enough memory", "can't allocate memory", "CUDA error: out of memory", "ALLOC_FAILED")


def is_out_of_memory(error: RuntimeError) -> bool:
    """Return whether an exception says that memory is used up."""
    return isinstance(error, torch.OutOfMemoryError) or any(text in str(error) for text in _MESSAGES)


def more_micro_batches(label: str, micro_batches: int, batch_size: int, may_split: bool = True) -> int:
    """Return twice the micro-batches and warn.

    Args:
        label: Of the fold, for messages.
        micro_batches: Parts of a batch so far.
        batch_size: Of the recipe.
        may_split: False for processes that train together, which must stay at the same part.

    Raises:
        UserError: Single images are still too much, or it may not split.
    """
    if not may_split:
        raise UserError(
            f"{label}: out of memory with {micro_batches} micro-batches; "
            f"set micro_batches = {2 * micro_batches} in the recipe."
        )
    if micro_batches >= min(batch_size, MAX_MICRO_BATCHES):
        raise UserError(
            f"{label}: out of memory even with {micro_batches} micro-batches of a batch of {batch_size}; "
            "lower image_size or batch_size, or take a smaller model."
        )
    more = min(2 * micro_batches, batch_size)
    console.warn(f"{label}: out of memory with {micro_batches} micro-batches; goes on from its last save with {more}.")
    return more


def slices(images: int, micro_batches: int) -> list[slice]:
    """Return which rows of a batch go through the model together, in up to `micro_batches` parts."""
    size = math.ceil(images / micro_batches)
    return [slice(start, min(start + size, images)) for start in range(0, images, size)]


def check(label: str, member: Member, images: int, micro_batches: int) -> None:
    """Try a part of one image on the model without memory, if the batch has such a part.

    Args:
        label: What is trained, for the message.
        member: Model and image size.
        images: Of a batch, on one device.
        micro_batches: Parts that it is split into.

    Raises:
        UserError: A batch norm of the model would see a single value.
    """
    if all(part.stop - part.start > 1 for part in slices(images, micro_batches)):
        return
    try:
        with torch.no_grad():
            skeleton(member).train()(torch.empty(1, 3, member.image_size, member.image_size, device="meta"))
    except ValueError as error:
        if _TOO_FEW not in str(error):
            raise
        raise UserError(
            f"{label}: batch norm cannot train on one image, and a batch of {images} in {micro_batches} micro-batches "
            "has such a part; raise batch_size or lower micro_batches, so that every part has two. If memory does not "
            "suffice for that, lower image_size or take a smaller model."
        ) from error
