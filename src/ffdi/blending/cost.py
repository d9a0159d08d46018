"""What members cost: minutes of kernel time by the speed their folds were measured at, and parameters.

The minutes are those of the machine that predicted last; train on the kernel's own GPU to have its minutes.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ffdi.config.competition import Competition
from ffdi.config.recipe import Recipe
from ffdi.core import checksum
from ffdi.core.errors import UserError
from ffdi.training.job import FoldJob

MINUTES, PARAMETERS, MEMBERS = "minutes", "parameters", "members"
SPEED = "speed.json"  # what `train.pace` leaves in the folder of a fold
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")  # stored beside parameters, not counted as such
BESIDE = "golden/"  # what a weights file holds besides the network


@dataclass(frozen=True)
class Cost:
    """`limit`: of all members together, None if nothing limits them."""

    unit: str
    by_member: Mapping[str, float]
    limit: float | None = None

    def of(self, names: Iterable[str]) -> float:
        return math.fsum(self.by_member[name] for name in names)


def costs(recipe: Recipe, competition: Competition, jobs: list[FoldJob]) -> tuple[Cost, ...]:
    """What is known of all members, the unit to draw first; if nothing is, a member costs 1.

    Raises UserError if the recipe limits minutes and a fold left no speed.
    """
    names = {job.member.name for job in jobs}
    spent, weights = minutes(jobs), parameters(jobs)
    limit = recipe.blend.max_minutes
    if limit is not None and names - set(spent):
        slow = next(job for job in jobs if job.member.name not in spent)
        raise UserError(
            f"blend.max_minutes needs the speed of every member, and {slow.member.name} left none in "
            f"{slow.folder.parent}; delete done.json in its folds and run `ffdi predict`, which measures it."
        )
    found = [
        Cost(MINUTES, spent, limit),
        Cost(PARAMETERS, weights, recipe.max_params or competition.max_params),
    ]
    known = tuple(cost for cost in found if set(cost.by_member) == names)
    return known or (Cost(MEMBERS, dict.fromkeys(sorted(names), 1)),)


def minutes(jobs: Iterable[FoldJob]) -> dict[str, float]:
    """To predict the test images under all views with every fold model, of each member whose folds left their speed."""
    found: dict[str, float] = {}
    unknown = set()
    for job in jobs:
        path = job.folder / SPEED
        if not path.exists():
            unknown.add(job.member.name)
            continue
        rate = checksum.read_json(path)["images_per_second"]
        found[job.member.name] = found.get(job.member.name, 0.0) + len(job.test) / rate / 60
    return {name: value for name, value in found.items() if name not in unknown}


def parameters(jobs: Iterable[FoldJob]) -> dict[str, float]:
    """Of each member whose first fold left its weights here, from the names and shapes that head the file."""
    found: dict[str, float] = {}
    for job in jobs:
        path = job.folder / "weights.safetensors"
        if job.member.name not in found and path.exists():
            found[job.member.name] = _count(path)
    return found


def _count(path: Path) -> int:
    with path.open("rb") as file:
        heads = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(
        math.prod(head["shape"])
        for name, head in heads.items()
        if name != "__metadata__" and not name.startswith(BESIDE) and not name.endswith(BUFFERS)
    )
