"""Handle out of memory: keep the batch of the recipe, and compute it in more, smaller parts."""

import torch

from ffdi.core import console
from ffdi.core.errors import UserError

MAX_MICRO_BATCHES = 64
# Raised by the CPU allocator as a plain RuntimeError.
_CPU_MESSAGES = ("not enough memory", "can't allocate memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception says that memory is used up."""
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(text in str(error) for text in _CPU_MESSAGES)
    )


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
