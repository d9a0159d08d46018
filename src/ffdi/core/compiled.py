"""Compile loops over arrays to machine code, kept on disk. Import it late: the compiler takes half a second."""

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(loop: Callable[..., Any]) -> Callable[..., Any]:
    """Return the loop compiled. It may divide by zero as numpy does, and other threads run meanwhile."""
    try:
        return njit(nogil=True, cache=True, error_model="numpy")(loop)
    except RuntimeError:  # neither the package nor the home can be written: compile in every process
        return njit(nogil=True, error_model="numpy")(loop)
