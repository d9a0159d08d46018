"""Out of memory: the batch of the recipe is a promise, so the step is redone in more, smaller parts."""

from collections.abc import Callable
from typing import TypeVar

import torch

from ffdi.core import console
from ffdi.core.errors import UserError

Result = TypeVar("Result")
MAX_DOUBLINGS = 4
# Raised by the CPU allocator as a plain RuntimeError.
_CPU_MESSAGES = ("not enough memory", "can't allocate memory")


def is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(text in str(error) for text in _CPU_MESSAGES)
    )


def with_micro_batches(
    attempt: Callable[[int], Result],
    micro_batches: int,
    batch_size: int,
    undo: Callable[[], None],
    may_split: bool = True,
) -> tuple[Result, int]:
    """`attempt(parts)` until it fits, doubling the parts; returns its result and the parts that fitted.

    `undo` takes back what a failed attempt left (gradients, BatchNorm buffers). Raises UserError when single
    images, or `MAX_DOUBLINGS` doublings, are still too much, or when it may not split: processes that train together
    must stay at the same part.
    """
    for doubling in range(MAX_DOUBLINGS + 1):
        parts = min(micro_batches * 2**doubling, batch_size)
        try:
            return attempt(parts), parts
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        # Outside the except block: inside it the exception would keep the frame's tensors alive (pytorch #18853).
        undo()
        if not may_split:
            raise UserError(f"Out of memory with {parts} micro-batches; set micro_batches = {2 * parts} in the recipe.")
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if parts == batch_size:
            break
        console.warn(f"out of memory with {parts} micro-batches; the same batch is tried in more parts.")
    raise UserError(
        f"Out of memory even with {parts} micro-batches of a batch of {batch_size}; "
        "lower image_size or batch_size, or take a smaller model."
    )
