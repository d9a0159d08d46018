"""What a weights dataset says of itself: who is in the team, how it blends, which file holds which fold."""

from dataclasses import dataclass
from pathlib import Path

from ffdi.core import checksum
from ffdi.core.errors import UserError
from ffdi.config.competition import Competition
from ffdi.config.load import validate
from ffdi.config.recipe import Member

FILE = "plan.json"  # also the marker by which the dataset is found where it is mounted
FORMAT = 1


@dataclass(frozen=True)
class Packed:
    """A member, its weight in the blend, and its folds in the order in which the blend sums them."""

    member: Member
    weight: float
    files: dict[int | str, str]


@dataclass(frozen=True)
class Plan:
    """Members by name. `prior`: what an unreadable image gets. `digest`: the identity of the whole pack."""

    recipe: str
    competition: Competition
    method: str
    prior: float
    members: tuple[Packed, ...]
    digest: str


def read(folder: Path) -> Plan:
    """Raises UserError if there is none or if it is of another version, CorruptError if it is damaged."""
    path = folder / FILE
    value = checksum.read_json(path)
    if value.get("format") != FORMAT:
        raise UserError(f"{path} was written by another version of the kit; pack the weights again.")
    members = [
        Packed(
            validate(Member, entry["spec"], str(path)),
            entry["weight"],
            {fold["fold"]: fold["file"] for fold in entry["folds"]},
        )
        for entry in value["members"]
    ]
    competition = validate(Competition, value["competition"], str(path))
    return Plan(
        value["recipe"]["name"], competition, value["method"], value["prior"], tuple(members), checksum.digest(path)
    )
