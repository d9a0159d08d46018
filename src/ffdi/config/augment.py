"""The augmentation policy of a member: one optional operation a field, applied in the order of the fields.

Light by default: a mild crop, a flip, a little colour, blur, noise, rescaling and JPEG, alike for both classes.
A recipe changes an operation by its keys, and switches one off with `false` or with `p = 0`. What would make a forgery
of an original is refused (spec.semantics), and `parts` and `degrade` are for fakes alone.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from ffdi.config import semantics
from ffdi.config.competition import Frozen

Interpolation = Literal["nearest", "linear", "area", "cubic", "lanczos"]
Interpolations = Annotated[tuple[Interpolation, ...], Field(min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Factor = Annotated[float, Field(gt=0, le=1)]
Ratio = Annotated[float, Field(ge=0.1, le=10)]
Sigma = Annotated[float, Field(gt=0, le=20)]
Level = Annotated[float, Field(ge=0, le=100)]
Quality = Annotated[int, Field(ge=1, le=100)]
Length = Annotated[int, Field(ge=3, le=99)]
Degrees = Annotated[float, Field(ge=0, le=180)]
Amount = Annotated[float, Field(ge=0, le=5)]
Holes = Annotated[int, Field(ge=1, le=64)]


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError("write a range as [low, high] with low <= high")
    return pair


def _odd(pair: tuple[int, int]) -> tuple[int, int]:
    if pair[0] % 2 == 0 or pair[1] % 2 == 0:
        raise ValueError("write odd lengths, for example [3, 7]")
    return pair


def _off(value: Any) -> Any:
    """TOML has no null: `false` switches an operation off, `true` takes it as it is by default."""
    return {False: None, True: {}}[value] if isinstance(value, bool) else value


ORDERED = AfterValidator(_ordered)
SWITCH = BeforeValidator(_off)


class Operation(Frozen):
    """`p`: share of the images it is applied to; `on`: the class it is for."""

    model_config = ConfigDict(allow_inf_nan=False)

    p: Share = 0.1
    on: Literal["all", "real", "fake"] = "all"


class Parts(Operation):
    """Eyes, nose or mouth of an aligned face painted over, before anything has moved; fakes only (Face-Cutout, Das
    and others 2021): a detector must look at the whole face."""

    p: Share = 0.3
    on: Literal["fake"] = "fake"
    fill: Literal["black", "mean", "noise"] = "black"


class Crop(Operation):
    """A random part of the image, resized to the training size; without it the whole image is."""

    p: Share = 1.0
    scale: Annotated[tuple[Factor, Factor], ORDERED] = (0.7, 1.0)  # share of the area
    ratio: Annotated[tuple[Ratio, Ratio], ORDERED] = (0.9, 1.11)  # width by height
    interpolation: Interpolations = ("linear",)  # one is drawn


class Flip(Operation):
    """Left and right, or top and bottom, change places."""

    p: Share = 0.5


class Rot90(Operation):
    """A turn by 90, 180 or 270 degrees."""

    p: Share = 0.5


class Rotate(Operation):
    """A small turn to either side, about the middle."""

    p: Share = 0.3
    degrees: Annotated[tuple[Degrees, Degrees], ORDERED] = (0.0, 10.0)
    border: Literal["reflect", "black"] = "reflect"


class Grid(Operation):
    """A grid over the image, its lines moved by up to `limit` of a cell (albumentations GridDistortion)."""

    steps: int = Field(default=5, ge=1, le=32)
    limit: Annotated[float, Field(gt=0, lt=1)] = 0.2


class Colour(Operation):
    """Brightness, contrast, saturation (factors 1 - x to 1 + x) and hue (degrees, either way) at once."""

    p: Share = 0.3
    brightness: Share = 0.1
    contrast: Share = 0.1
    saturation: Share = 0.1
    hue: float = Field(default=5.0, ge=0, le=180)


class Gamma(Operation):
    """value ** gamma of the image in 0..1: above 1 darkens the middle tones, below 1 lightens them."""

    p: Share = 0.3
    gamma: Annotated[tuple[Ratio, Ratio], ORDERED] = (0.8, 1.25)


class Grey(Operation):
    """No colour: the luma in all three channels."""


class Sharpen(Operation):
    """Unsharp mask: `amount` times the difference to a blurred copy is added."""

    amount: Annotated[tuple[Amount, Amount], ORDERED] = (0.2, 1.0)
    sigma: Sigma = 1.0


class Blur(Operation):
    """Gaussian; `sigma` in pixels of the training size."""

    sigma: Annotated[tuple[Sigma, Sigma], ORDERED] = (0.3, 1.2)


class Motion(Operation):
    """A smear along a random line of odd length, in pixels (albumentations MotionBlur)."""

    length: Annotated[tuple[Length, Length], ORDERED, AfterValidator(_odd)] = (3, 7)


class Resize(Operation):
    """Down by a factor and up again, each with an interpolation of its own: as other tools leave pixels."""

    factor: Annotated[tuple[Factor, Factor], ORDERED] = (0.5, 0.9)
    interpolation: Interpolations = ("linear", "cubic")


class Noise(Operation):
    """Gaussian, alike in all channels; `sigma` in grey levels of 255."""

    sigma: Annotated[tuple[Level, Level], ORDERED] = (1.0, 6.0)


class Cutout(Operation):
    """Rectangles painted over; on fakes alone by default, as the contest calls an erased region a forgery."""

    p: Share = 0.3
    on: Literal["all", "real", "fake"] = "fake"
    holes: Annotated[tuple[Holes, Holes], ORDERED] = (1, 3)
    size: Annotated[tuple[Factor, Factor], ORDERED] = (0.05, 0.25)  # of the side
    fill: Literal["black", "mean", "noise"] = "black"


class Library(Operation):
    """Any image transform of albumentations by its name, for example `{transform = "CLAHE", p = 0.1}`."""

    transform: str = Field(pattern=r"^[A-Z][A-Za-z0-9]*$")
    arguments: dict[str, Any] = Field(default_factory=dict)  # of its constructor, without p


class Webp(Operation):
    """Encoded and decoded as lossy WebP; slow, 3-7 ms an image at 224 px (own measurement)."""

    quality: Annotated[tuple[Quality, Quality], ORDERED] = (50, 95)


class Jpeg(Operation):
    """Encoded and decoded as JPEG, 4:2:0."""

    p: Share = 0.3
    quality: Annotated[tuple[Quality, Quality], ORDERED] = (60, 95)


class Degrade(Operation):
    """One hard damage, drawn of strong JPEG, small size and noise; fakes only, so that a fake is not known by being
    clean and sharp. The 3rd of multi-ffdi gave three tenths of its fakes JPEG of quality 10."""

    p: Share = 0.3
    on: Literal["fake"] = "fake"
    kinds: Annotated[tuple[Literal["jpeg", "resize", "noise"], ...], Field(min_length=1)] = ("jpeg", "resize", "noise")
    quality: Annotated[tuple[Quality, Quality], ORDERED] = (10, 30)
    factor: Annotated[tuple[Factor, Factor], ORDERED] = (0.25, 0.5)
    sigma: Annotated[tuple[Level, Level], ORDERED] = (8.0, 25.0)  # grey levels of 255


class Augment(Frozen):
    """The policy: geometry first, which also makes the image small; compression last, as in files.

    Parts of the face come before, where they still are in their places."""

    parts: Annotated[Parts | None, SWITCH] = None
    crop: Annotated[Crop | None, SWITCH] = Crop()
    hflip: Annotated[Flip | None, SWITCH] = Flip()
    vflip: Annotated[Flip | None, SWITCH] = None
    rot90: Annotated[Rot90 | None, SWITCH] = None
    rotate: Annotated[Rotate | None, SWITCH] = None
    grid: Annotated[Grid | None, SWITCH] = None
    colour: Annotated[Colour | None, SWITCH] = Colour()
    gamma: Annotated[Gamma | None, SWITCH] = None
    grey: Annotated[Grey | None, SWITCH] = None
    sharpen: Annotated[Sharpen | None, SWITCH] = None
    blur: Annotated[Blur | None, SWITCH] = Blur()
    motion: Annotated[Motion | None, SWITCH] = None
    resize: Annotated[Resize | None, SWITCH] = Resize()
    noise: Annotated[Noise | None, SWITCH] = Noise()
    cutout: Annotated[Cutout | None, SWITCH] = None
    library: tuple[Library, ...] = ()
    webp: Annotated[Webp | None, SWITCH] = None
    jpeg: Annotated[Jpeg | None, SWITCH] = Jpeg()
    degrade: Annotated[Degrade | None, SWITCH] = None

    @model_validator(mode="after")
    def _originals_stay_originals(self) -> "Augment":
        for name in type(self).model_fields:
            value = getattr(self, name)
            for wish in value if isinstance(value, tuple) else (value,) if value is not None else ():
                if said := semantics.objection(name, wish):
                    raise ValueError(said)
        return self
