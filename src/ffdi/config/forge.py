"""Which families of fakes are made from real images, in training or beforehand, and how many."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from ffdi.config.competition import Frozen

Family = Literal[
    "self_blend", "swap", "component", "excision", "erasure", "background", "artefact", "filtering", "resampling"
]
Weight = Annotated[float, Field(gt=0)]
FAMILIES: tuple[Family, ...] = Family.__args__  # type: ignore[attr-defined]


class Families(Frozen):
    """Which families, with their weights."""

    families: dict[Family, Weight]  # weights by name

    @field_validator("families")
    @classmethod
    def _some(cls, value: dict[Family, float]) -> dict[Family, float]:
        if not value:
            raise ValueError(f"name at least one family of {', '.join(FAMILIES)}")
        return value


class Forge(Families):
    """`share` of the originals, anew in every epoch, becomes a fake of one of the `families` (weights by name)."""

    share: Annotated[float, Field(ge=0, lt=1)] = 0.0  # 0: off
    families: dict[Family, Weight] = {"self_blend": 1.0}  # weights by name


class ForgedSet(Families):
    """The set that `ffdi forge` writes: `images` fakes, evenly of all originals."""

    images: int = Field(default=1000, ge=1, le=5_000_000)  # how many
    seed: int = 0  # another seed makes other fakes
    families: dict[Family, Weight] = dict.fromkeys(FAMILIES, 1.0)  # weights by name; all nine


NO_FORGERIES = Forge()
