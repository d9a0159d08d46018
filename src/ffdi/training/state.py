"""The whole training state as one value in one sealed file, without pickle.

It holds no generator, sampler or worker state, since randomness is a function of (seed, epoch, step, id). What is
left: weights with BatchNorm statistics, their EMA, the optimizer's moments, the scaler, and the number of steps done.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ffdi.core import checksum
from ffdi.core.errors import CorruptError
from ffdi.training.optim import names_by_parameter
from ffdi.training.step import Trainee

KEPT = 2  # the newest states; the one before stays until the next is safely written


@dataclass(frozen=True)
class State:
    step: int  # updates done
    tensors: dict[str, np.ndarray]
    facts: dict[str, Any]


def pack(trainee: Trainee, ema: torch.nn.Module | None, step: int, facts: dict[str, Any]) -> State:
    """Everything under names such as `model/…`, `ema/…`, `exp_avg/…`; on a CPU not copied, so save it at once."""
    tensors = {f"model/{name}": value for name, value in trainee.bare.state_dict().items()}
    if ema is not None:
        tensors |= {f"ema/{name}": value for name, value in ema.state_dict().items()}
    names = names_by_parameter(trainee.bare)
    for parameter, moments in trainee.optimizer.state.items():
        tensors |= {f"{kind}/{names[id(parameter)]}": value for kind, value in moments.items()}
    arrays = {name: value.detach().cpu().numpy() for name, value in tensors.items()}
    scaler = trainee.scaler.state_dict()
    return State(step, arrays, {**facts, "scaler": scaler, "micro_batches": trainee.micro_batches})


def unpack(state: State, trainee: Trainee, ema: torch.nn.Module | None) -> None:
    """Put a packed state back; every name and shape must fit (RuntimeError of torch names the first that does not)."""
    tensors = {name: torch.from_numpy(array) for name, array in state.tensors.items()}
    trainee.bare.load_state_dict(_under("model/", tensors))
    if ema is not None:
        ema.load_state_dict(_under("ema/", tensors))
    for name, parameter in trainee.bare.named_parameters():
        kinds = ("step", "exp_avg", "exp_avg_sq")
        moments = {kind: tensors[f"{kind}/{name}"] for kind in kinds if f"{kind}/{name}" in tensors}
        # The step counter stays where AdamW wants it: on the CPU unless fused.
        trainee.optimizer.state[parameter] = {
            kind: value if kind == "step" and not parameter.is_cuda else _like(value, parameter)
            for kind, value in moments.items()
        }
    if state.facts["scaler"]:
        trainee.scaler.load_state_dict(state.facts["scaler"])
    trainee.micro_batches = max(trainee.micro_batches, int(state.facts["micro_batches"]))


def save(folder: Path, state: State) -> Path:
    """Write `folder/step-00001200.safetensors`, then drop all but the newest two."""
    path = folder / f"step-{state.step:08d}.safetensors"
    checksum.write_tensors(path, state.tensors, {**state.facts, "step": state.step})
    for old in sorted(folder.glob("step-*.safetensors"))[:-KEPT]:
        old.unlink()
    return path


def drop(folder: Path) -> None:
    """A trained fold needs no state: it is four times the size of the weights."""
    for path in folder.glob("step-*.safetensors"):
        path.unlink()


def newest(folder: Path, identity: dict[str, str]) -> State | None:
    """The newest saved state, or None. Raises CorruptError if it is damaged or belongs to another run."""
    paths = sorted(folder.glob("step-*.safetensors"))
    if not paths:
        return None
    tensors, facts = checksum.read_tensors(paths[-1])
    for name, wanted in identity.items():
        if facts.get(name) != wanted:
            raise CorruptError(
                f"{paths[-1]} was made with {name} {facts.get(name)}, this run has {name} {wanted}; "
                "delete that folder or restore what it was made with."
            )
    return State(facts["step"], tensors, facts)


def _under(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _like(value: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    # The layout too: channels_last moments beside channels_last weights keep the fast path.
    if value.dim() != 4:
        return value.to(parameter.device)
    layout = (
        torch.channels_last if parameter.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
    )
    return value.to(parameter.device).contiguous(memory_format=layout)
