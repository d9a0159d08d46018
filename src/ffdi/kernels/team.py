"""`team.json`, which describes a packed dataset. The scripts in `kernels/` find the dataset by this file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ffdi.config.competition import Competition
from ffdi.config.recipe import Member, Recipe
from ffdi.core import checksum, digest
from ffdi.core.errors import CorruptError, UserError
from ffdi.core.layout import TEAM


@dataclass(frozen=True)
class PackedMember:
    """A member, its weight in the blend, and its weights file by fold, in the order in which the blend sums folds."""

    member: Member
    weight: float
    files: dict[int | str, str]


@dataclass(frozen=True)
class TeamPack:
    """A packed dataset."""

    folder: Path
    digest: str  # identity of the whole dataset
    recipe: Recipe
    competition: Competition
    files: dict[str, str]  # sha256 by name, for all files but team.json itself
    wheel: str  # name of the kit's wheel
    method: str
    prior: float  # the score of an unreadable image
    members: tuple[PackedMember, ...]  # none yet where it was packed with `--train`

    def path(self, name: str) -> Path:
        """Return where the file `name` lies. Kaggle may have dropped the folder in its name."""
        path = self.folder / name
        return path if path.is_file() else self.folder / Path(name).name

    def verify(self) -> int:
        """Compare every file with its sha256 and return how many there are. Raises CorruptError."""
        for name, sha256 in self.files.items():
            path = self.path(name)
            if not path.is_file():
                raise CorruptError(f"{path} is missing, though {TEAM} lists it; pack and upload it again.")
            if digest.of_file(path) != sha256:
                raise CorruptError(f"{path} is damaged: its sha256 is not that in {TEAM}; pack and upload it again.")
        return len(self.files)


def read(folder: Path) -> TeamPack:
    """Return what `folder/team.json` says.

    Raise UserError if there is none or another version of the kit wrote it, CorruptError if its bytes changed.
    """
    path = folder / TEAM
    if not path.is_file():
        raise UserError(f"{folder} has no {TEAM}; run `ffdi kernels pack`, or name the packed folder with --pack.")
    value = checksum.read_json(path)
    try:
        return TeamPack(
            folder=folder,
            digest=checksum.digest(path),
            recipe=Recipe.model_validate(value["recipe"]),
            competition=Competition.model_validate(value["competition"]),
            files=value["files"],
            wheel=value["wheel"]["file"],
            method=value.get("method", ""),
            prior=value.get("prior", 0.5),
            members=tuple(map(_member, value.get("members", []))),
        )
    except (KeyError, ValidationError) as error:  # nobody wrote it by hand
        raise UserError(f"{path} is of another version of the kit; run `ffdi kernels pack` again.") from error


def _member(one: Mapping[str, Any]) -> PackedMember:
    files = {fold["fold"]: fold["file"] for fold in one["folds"]}
    return PackedMember(Member.model_validate(one["member"]), one["weight"], files)
