"""The processes that train one fold together (DDP by torchrun), and which of them writes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist

from ffdi.core.errors import UserError


@dataclass(frozen=True)
class World:
    """`rank` of `size` processes on `device`; a lone process is rank 0 of 1."""

    device: torch.device
    rank: int = 0
    size: int = 1

    @property
    def writes(self) -> bool:
        return self.rank == 0

    def barrier(self) -> None:
        if self.size > 1:
            dist.barrier()

    def any(self, flag: bool) -> bool:
        """Return whether one of the processes says so: all of them must leave a loop at the same step."""
        return flag if self.size == 1 else bool(self.max(torch.tensor([float(flag)], device=self.device)).item())

    def max(self, values: torch.Tensor) -> torch.Tensor:
        """Return the element-wise maximum over the processes; on a GPU the host does not wait for it."""
        if self.size > 1:
            dist.all_reduce(values, op=dist.ReduceOp.MAX)
        return values

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """Return the element-wise sum over the processes; each brings zeros where another has the value."""
        if self.size > 1:
            values = values.to(self.device)
            dist.all_reduce(values)
        return values


def launched_by_torchrun() -> bool:
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def processes_here() -> int:
    """Return how many processes of torchrun share this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def is_first() -> bool:
    return int(os.environ.get("RANK", "0")) == 0


@contextmanager
def joined(meeting: Path | None = None, rank: int = -1, size: int = -1) -> Iterator[World]:
    """Yield the processes that torchrun started: NCCL with one GPU a process, gloo on CPUs.

    Args:
        meeting: A file by which processes find each other that torchrun has not started.
        rank: Of this process; by default torchrun's.
        size: Number of processes; by default torchrun's.

    Raises:
        UserError: There are fewer GPUs than processes.
    """
    cuda = torch.cuda.is_available()
    init = None if meeting is None else f"file://{meeting.absolute()}"
    place, gpus = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    device = torch.device("cuda", place) if cuda else torch.device("cpu")
    if cuda and place >= gpus:
        raise UserError(f"torchrun started {processes_here()} processes for {gpus} GPUs; use --nproc-per-node {gpus}.")
    if cuda:
        torch.cuda.set_device(device)
    bound = device if cuda else None  # without it NCCL guesses the GPU of a barrier by the rank, and warns
    dist.init_process_group("nccl" if cuda else "gloo", init, rank=rank, world_size=size, device_id=bound)
    try:
        yield World(device, dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()
