"""Pseudo-fakes that training makes of originals: which families, and how many."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from ffdi.spec.competition import Frozen

Family = Literal[
    "self_blend", "swap", "component", "excision", "erasure", "background", "artefact", "filtering", "resampling"
]
Weight = Annotated[float, Field(gt=0)]
FAMILIES: tuple[Family, ...] = Family.__args__  # type: ignore[attr-defined]


class Forge(Frozen):
    """`share` of the originals, anew in every epoch, becomes a fake of one of the `families` (weights by name)."""

    share: Annotated[float, Field(ge=0, lt=1)] = 0.0  # 0: off
    families: dict[Family, Weight] = {"self_blend": 1.0}

    @field_validator("families")
    @classmethod
    def _some(cls, value: dict[Family, float]) -> dict[Family, float]:
        if not value:
            raise ValueError(f"name at least one family of {', '.join(FAMILIES)}")
        return value


NO_FORGERIES = Forge()
