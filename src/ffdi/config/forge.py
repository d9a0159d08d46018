"""Which families of fakes are made from real images, in training or beforehand, and how many."""

from typing import Annotated, Literal

from pydantic import Field

from ffdi.config.competition import Frozen

Family = Literal[
    "self_blend", "swap", "component", "excision", "erasure", "background", "artefact", "filtering", "resampling"
]
Weights = Annotated[dict[Family, Annotated[float, Field(gt=0)]], Field(min_length=1)]
FAMILIES: dict[Family, str] = {  # with the contest's word for the fakes that each makes
    "self_blend": "face swap",  # the seams of one, on the same face
    "swap": "face swap",
    "component": "component swap",
    "excision": "component excision",
    "erasure": "random region erasure",
    "background": "background replacement",
    "artefact": "artefact injection",
    "filtering": "image filtering",
    "resampling": "face super-resolution",
}


class Forge(Frozen):
    """`share` of the originals, anew in every epoch, becomes a fake of one of the `families` (weights by name)."""

    families: Weights = {"self_blend": 1.0}  # weights by name
    share: Annotated[float, Field(ge=0, lt=1)] = 0.0  # 0: off


class ForgedSet(Frozen):
    """The set that `ffdi forge` writes: `images` fakes, evenly of all originals."""

    families: Weights = dict.fromkeys(FAMILIES, 1.0)  # weights by name; all nine
    images: int = Field(default=1000, ge=1, le=5_000_000)  # how many
    seed: int = 0  # another seed makes other fakes
