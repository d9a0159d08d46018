"""Decide whether torch.compile pays, and have it choose the same kernels in every process."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from typing import Any, Literal

import torch

from ffdi.config.recipe import Member
from ffdi.core.errors import UserError

TRAINING_PIXELS = 5e10  # of a training, after which the minute of compiling pays (on an H200, tests.bench gpu)
PREDICTION_PIXELS = 1.5e11  # of a prediction; a forward pass is a third of a step


def wants_compile(option: bool | Literal["auto"], pixels: float, least: float, device: torch.device) -> bool:
    """Return whether to use torch.compile: as the recipe says, or ("auto") on a GPU where it pays.

    Args:
        option: The recipe's `compile`.
        pixels: That will go through the model.
        least: Pixels from which compiling pays.
        device: Where the model computes.
    """
    if option != "auto":
        return option
    modern = device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
    compiler = any(shutil.which(name) for name in ("cc", "gcc", "clang")) and find_spec("triton") is not None
    return modern and compiler and pixels >= least


def is_for_training(member: Member, steps: int, device: torch.device) -> bool:
    """Return whether a training is compiled.

    Args:
        member: Of the recipe.
        steps: Batches of the whole training.
        device: Where it computes.
    """
    return wants_compile(member.compile, steps * member.batch_size * member.image_size**2, TRAINING_PIXELS, device)


def check(label: str, device: torch.device) -> None:
    """Compile one sum. Raise UserError where torch.compile does not work, such as without a C++ compiler."""
    try:
        compiled(lambda values: values + 1)(torch.zeros(1, device=device))
    except Exception as error:  # the compilers behind it raise anything
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")[:200]
        install = ", or install g++" if "C++ compiler" in reason else ""
        raise UserError(
            f"{label}: torch.compile does not work on this machine ({reason}); set compile = false{install}."
        ) from error


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function compiled for inputs of one shape, without choices by the clock: a resumed run must repeat."""
    choose_by_rule()
    return torch.compile(function, dynamic=False)


def choose_by_rule() -> None:
    """Have torch.compile choose kernels by rules, not by timing them, where this version can.

    What was compiled before is forgotten, as in a process that goes on after a stop: a member after one of another
    batch or size would be compiled for any size.
    """
    import torch._inductor.config as inductor  # late: a second, and most runs compile nothing

    torch.compiler.reset()
    with suppress(AttributeError):
        inductor.deterministic = True
