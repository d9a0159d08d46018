"""Augmentation of a member: a preset, refined by single operations.

`augment = "light"` is the default. `augment = {preset = "medium", jpeg = {p = 0.8}, hflip = false}` changes what it
names: `false` switches an operation off, `true` switches it on with its defaults, a table changes its keys. Operations
run in the order of the fields of `Augment`.

The contest counts erased regions, cut-out parts and heavy filters as forgeries (`config.forge.FAMILIES`). So a cut-out
on a real image that keeps its label teaches the opposite of the truth: such operations are applied to fakes alone. What
cameras, networks and other tools do to any picture (compression, scale, colour, a little noise or blur) keeps it. How
little is little stands in the limits of the ranges. They were set below where data.forge begins: its mildest filter
blurs with a sigma of 2.7 pixels at 224, and real images of web collections are enlarged from a fifth of the contest's
512 pixels.
"""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import Field, model_validator

from ffdi.config.competition import Frozen

Preset = Literal["none", "light", "medium", "heavy"]
Range = tuple[float, float]


class Kind(NamedTuple):
    """An operation: its effect when it is switched on, and the limits of its `range`.

    `neutral` is the value without effect, from which a search scales the range. `unit` says what the range is of.
    """

    p: float
    what: str
    unit: str = ""  # empty: the operation has no range
    default: Range = (0.0, 0.0)
    limits: Range = (0.0, 0.0)
    neutral: float = 0.0


KINDS = {
    # An aligned face without eyes, nose or mouth: a detector must look at the whole face (Das and others, 2021).
    "parts": Kind(0.3, "paint eyes, nose or mouth black"),
    "crop": Kind(1.0, "crop, then resize to image_size", "share of the area", (0.7, 1.0), (0.01, 1.0), 1.0),
    "hflip": Kind(0.5, "swap left and right"),
    "vflip": Kind(0.5, "swap top and bottom"),
    "rotate": Kind(0.3, "turn to either side, edges reflected", "degrees", (0.0, 10.0), (0.0, 180.0)),
    "grid": Kind(0.1, "move the lines of a 5 x 5 grid", "up to +- share of a cell", (0.0, 0.2), (0.0, 0.3)),
    # At 0.1: brightness, contrast and saturation by factors 0.9 to 1.1, hue by up to 5 degrees.
    "colour": Kind(0.3, "change brightness, contrast, saturation, hue", "up to +- share", (0.0, 0.1), (0.0, 1.0)),
    "grey": Kind(0.1, "remove the colour"),
    "sharpen": Kind(0.1, "unsharp mask", "amount", (0.2, 1.0), (0.0, 1.5)),
    "blur": Kind(0.1, "Gaussian blur", "sigma, pixels", (0.3, 1.2), (0.01, 2.5)),
    "resize": Kind(0.1, "shrink and enlarge again", "factor", (0.5, 0.9), (0.2, 1.0), 1.0),
    "noise": Kind(0.1, "Gaussian noise", "sigma, grey levels of 255", (1.0, 6.0), (0.0, 25.0)),
    "cutout": Kind(0.3, "paint 1 to 3 boxes black", "share of the side", (0.05, 0.25), (0.001, 1.0)),
    "webp": Kind(0.1, "compress as WebP; 3 to 7 ms an image", "quality", (50, 95), (1, 100), 100),
    "jpeg": Kind(0.3, "compress as JPEG", "quality", (60, 95), (1, 100), 100),
    # So that a fake is not known by being clean and sharp. The 3rd of multi-ffdi: JPEG of quality 10, p = 0.3.
    "degrade": Kind(0.3, "one of JPEG 10-30, resize 0.25-0.5, noise 8-25"),
}
FROM_ZERO = ("grid", "colour")  # drawn from -high to high: their ranges begin at 0
FOR_FAKES = ("parts", "cutout", "degrade")  # of a real image they would make a forgery


class Operation(Frozen):
    """Apply to a share `p` of the images, with a strength drawn from `range`."""

    p: Annotated[float, Field(ge=0, le=1)]  # share of the images
    range: Range | None = None  # strength: from low to high, see the table of operations


DEFAULTS = {name: Operation(p=kind.p, range=kind.default if kind.unit else None) for name, kind in KINDS.items()}
# Light: mild, and alike for both classes. Medium: near the defaults of DeepfakeBench. Heavy: crops, both flips and
# degraded fakes as the 3rd of multi-ffdi, grid and WebP as the 1st, colour and grey as the 1st of DFDC.
PRESETS: dict[Preset, dict[str, Any]] = {
    "none": {},
    "light": {name: {} for name in ("crop", "hflip", "colour", "blur", "resize", "noise", "jpeg")},
    "medium": {
        "crop": {"range": (0.5, 1.0)},
        "hflip": {},
        "rotate": {},
        "colour": {"p": 0.5, "range": (0.0, 0.2)},
        "sharpen": {},
        "blur": {"p": 0.3, "range": (0.3, 2.0)},
        "resize": {"p": 0.3, "range": (0.4, 0.9)},
        "noise": {"p": 0.2, "range": (1.0, 10.0)},
        "jpeg": {"p": 0.5, "range": (40, 95)},
    },
    "heavy": {
        "crop": {"range": (0.2, 1.0)},
        "hflip": {},
        "vflip": {},
        "rotate": {"p": 0.5, "range": (0.0, 15.0)},
        "grid": {},
        "colour": {"p": 0.7, "range": (0.0, 0.3)},
        "grey": {"p": 0.2},
        "sharpen": {"p": 0.2},
        "blur": {"p": 0.3, "range": (0.3, 2.5)},
        "resize": {"p": 0.5, "range": (0.3, 0.9)},
        "noise": {"p": 0.3, "range": (1.0, 15.0)},
        "cutout": {},
        "webp": {},
        "jpeg": {"p": 0.5, "range": (30, 95)},
        "degrade": {},
    },
}


def _refined(value: Any, below: dict[str, Any]) -> Any:
    """Return an operation as a table: what a recipe says of it (a table, true or false) over the table `below`."""
    if value is False or value is None:
        return None
    if value is True:
        return below
    return {**below, **value} if isinstance(value, dict) else value


class Augment(Frozen):
    """Operations in the order in which they run; None: off.

    Geometry comes first, which also makes the image small; compression comes last, as in files.
    """

    ALSO: ClassVar[tuple[str, ...]] = ("preset",)  # a key of recipes that leaves no field

    parts: Operation | None = None
    crop: Operation | None = None
    hflip: Operation | None = None
    vflip: Operation | None = None
    rotate: Operation | None = None
    grid: Operation | None = None
    colour: Operation | None = None
    grey: Operation | None = None
    sharpen: Operation | None = None
    blur: Operation | None = None
    resize: Operation | None = None
    noise: Operation | None = None
    cutout: Operation | None = None
    webp: Operation | None = None
    jpeg: Operation | None = None
    degrade: Operation | None = None

    @model_validator(mode="before")
    @classmethod
    def _spell_out(cls, value: Any) -> Any:
        """Spell a preset out, so that everything behind the recipe knows single operations only."""
        if isinstance(value, str):
            value = {"preset": value}
        if not isinstance(value, dict):
            return value
        preset = value.get("preset", "light")
        if preset not in list(PRESETS):  # it may be a list, which has no hash
            raise ValueError(f"preset is one of {', '.join(map(repr, PRESETS))}, not {preset!r}")
        on = PRESETS[preset]
        below = {name: {**one.model_dump(), **on.get(name, {})} for name, one in DEFAULTS.items()}
        tables = {name: _refined(value.get(name, name in on), below[name]) for name in KINDS}
        return {name: given for name, given in value.items() if name != "preset"} | tables

    def operations(self) -> Iterator[tuple[str, Operation]]:
        """Yield (field, operation) of all that are on."""
        for name in type(self).model_fields:
            if (operation := getattr(self, name)) is not None:
                yield name, operation

    @model_validator(mode="after")
    def _ranges_are_within_limits(self) -> "Augment":
        for name, operation in self.operations():
            kind = KINDS[name]
            if (operation.range is None) == bool(kind.unit):
                raise ValueError(f"{name}.range: write [low, high]" if kind.unit else f"{name} has no range")
            (least, most), (low, high) = kind.limits, operation.range or kind.limits
            if not least <= low <= high <= most:
                limits = f"{least:g} <= low <= high <= {most:g}"
                raise ValueError(f"{name}.range is [low, high] with {limits}, not [{low:g}, {high:g}]")
            if name in FROM_ZERO and low != 0:
                raise ValueError(f"{name}.range begins at 0")
        return self
