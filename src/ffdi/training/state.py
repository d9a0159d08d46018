"""The state that training changes, and its file: one value in one checksummed file, without pickle.

It holds no generator, sampler or worker state, since randomness is a function of (seed, epoch, step, id). What is
left: weights with BatchNorm statistics, their EMA, the optimizer's moments, the scaler, and the number of steps done.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from timm.utils import ModelEmaV3

from ffdi.config.recipe import Member
from ffdi.core import checksum
from ffdi.core.errors import CorruptError
from ffdi.model import precision
from ffdi.model.build import freeze
from ffdi.training import optim
from ffdi.training.world import World

KEPT = 2  # newest files; the one before stays until the next is safely written


@dataclass
class TrainState:
    """A model in training.

    `unwrapped` is the model without DDP: EMA and files know it by the names of its own parameters.
    """

    unwrapped: torch.nn.Module
    model: torch.nn.Module
    ema: ModelEmaV3 | None
    optimizer: torch.optim.AdamW
    scaler: torch.amp.GradScaler
    micro_batches: int
    found_inf: torch.Tensor  # 0, or 1 from the first step on whose loss or gradient is an error

    @property
    def predictor(self) -> torch.nn.Module:
        """Return the weights that predict: the EMA where there is one."""
        return self.unwrapped if self.ema is None else self.ema.module


def begin(model: torch.nn.Module, member: Member, world: World) -> TrainState:
    """Return the state before the first step.

    Args:
        model: Moved to the device of `world` in place.
        member: Of the recipe.
        world: The processes that train together.
    """
    device = world.device
    freeze(model, member.trainable)
    model = precision.place_for(model, member, device)
    ema = ModelEmaV3(model, decay=member.ema_decay, use_warmup=True) if member.ema_decay else None
    fp16 = precision.amp_dtype(member.amp, device) is torch.float16
    ids = [device] if device.type == "cuda" else None
    wrapped = torch.nn.parallel.DistributedDataParallel(model, ids) if world.size > 1 else model
    return TrainState(
        unwrapped=model,
        model=wrapped,
        ema=ema,
        optimizer=optim.optimizer(model, member),
        scaler=torch.amp.GradScaler(device.type, enabled=fp16),
        micro_batches=member.micro_batches,
        found_inf=torch.zeros((), device=device),
    )


def save(folder: Path, state: TrainState, step: int, facts: dict[str, Any]) -> None:
    """Write all tensors, under names such as `model/…`, `ema/…`, `exp_avg/…`, then drop all but the newest two files.

    Args:
        folder: Gets `step-00001200.safetensors`.
        state: Of a training.
        step: Updates done.
        facts: JSON values beside it.
    """
    tensors = {f"model/{name}": value for name, value in state.unwrapped.state_dict().items()}
    if state.ema is not None:
        tensors |= {f"ema/{name}": value for name, value in state.ema.module.state_dict().items()}
    names = {id(parameter): name for name, parameter in state.unwrapped.named_parameters()}
    for parameter, moments in state.optimizer.state.items():
        tensors |= {f"{kind}/{names[id(parameter)]}": value for kind, value in moments.items()}
    arrays = {name: value.detach().cpu().numpy() for name, value in tensors.items()}
    facts = {**facts, "scaler": state.scaler.state_dict(), "micro_batches": state.micro_batches, "step": step}
    checksum.write_tensors(folder / f"step-{step:08d}.safetensors", arrays, facts)
    for old in sorted(folder.glob("step-*.safetensors"))[:-KEPT]:
        old.unlink()


def resume(folder: Path, identity: dict[str, str], state: TrainState) -> int:
    """Put the newest saved state back and return the updates done; 0 where there is none.

    Args:
        folder: Where the states lie.
        identity: What the state must have been made with.
        state: Filled; every name and shape must fit (RuntimeError of torch names the first that does not).

    Raises:
        CorruptError: It is damaged or belongs to another run.
    """
    paths = sorted(folder.glob("step-*.safetensors"))
    if not paths:
        return 0
    arrays, facts = checksum.read_tensors(paths[-1])
    refuse_other_run(paths[-1], facts, identity)
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    state.unwrapped.load_state_dict(_under("model/", tensors))
    if state.ema is not None:
        state.ema.module.load_state_dict(_under("ema/", tensors))
    for name, parameter in state.unwrapped.named_parameters():
        kinds = [kind for kind in ("step", "exp_avg", "exp_avg_sq") if f"{kind}/{name}" in tensors]
        state.optimizer.state[parameter] = {kind: _like(tensors[f"{kind}/{name}"], parameter) for kind in kinds}
    if facts["scaler"]:
        state.scaler.load_state_dict(facts["scaler"])
    state.micro_batches = max(state.micro_batches, int(facts["micro_batches"]))
    return int(facts["step"])


def drop(folder: Path) -> None:
    """Delete all saved states: a trained fold needs none, and one is four times the size of the weights."""
    for path in folder.glob("step-*.safetensors"):
        path.unlink()


def refuse_other_run(path: Path, facts: dict[str, Any], identity: dict[str, str]) -> None:
    """Raise CorruptError for an artefact of another run.

    Args:
        path: Of the artefact, for the message.
        facts: What it says it was made with.
        identity: What it should have been made with.
    """
    for name, wanted in identity.items():
        if facts.get(name) != wanted:
            raise CorruptError(
                f"{path} was made with {name} {facts.get(name)}, this run has {name} {wanted}; delete {path.parent}."
            )


def _under(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _like(value: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    """Return a moment on the parameter's device, in its layout: channels_last moments keep the fast path."""
    if value.dim() != 4:
        return value.to(parameter.device)
    last = parameter.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if last else torch.contiguous_format
    return value.to(parameter.device).contiguous(memory_format=layout)
