"""A connection to a Ray cluster, and what its nodes have. Ray is imported late: without `--cluster` never."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ffdi.core.errors import UserError


@dataclass(frozen=True)
class Needs:
    """The needs of one process of a task. `processes` of them work on the task together, each with a GPU of its own."""

    cpus: float = 1
    gpus: float = 0  # a part of one where several tasks share it
    memory: float = 0  # bytes
    processes: int = 1

    @property
    def resources(self) -> dict[str, float]:
        """Return the amounts under Ray's names, without zeros."""
        named = {"CPU": self.cpus, "GPU": self.gpus, "memory": self.memory}
        return {name: amount for name, amount in named.items() if amount}


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Connect to the cluster at `address`; "auto": the one that this machine belongs to.

    Raise UserError where Ray is not installed or no cluster answers. A connection that is there already is used.
    """
    try:
        import ray
    except ImportError:
        raise UserError("--cluster needs Ray, which is not installed: pip install 'ffdi[cluster]'.") from None
    if ray.is_initialized():
        yield
        return
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:  # RuntimeError: other versions of Ray or Python
        reason = str(error).strip().partition("\n")[0]
        raise UserError(
            f"No Ray cluster answers at {address!r} ({reason}); start one by `ray start --head`, and run this on one "
            "of its nodes."
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


def nodes() -> list[dict[str, Any]]:
    """Return the living nodes that can compute, as Ray describes them."""
    import ray

    return [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]


def slots(needs: Needs) -> int:
    """Return how many processes with these needs the cluster can run at once."""
    found = [node["Resources"] for node in nodes()]
    return sum(int(min(have.get(kind, 0) / amount for kind, amount in needs.resources.items())) for have in found)


def cpus_per_gpu() -> int:
    """Return the CPUs that every GPU of the cluster has to itself; 0 where no node has a GPU."""
    found = [node["Resources"] for node in nodes()]
    return min((int(have["CPU"] // have["GPU"]) or 1 for have in found if have.get("GPU")), default=0)
