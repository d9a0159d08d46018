"""What an edit does to the label of an original: the one table that augmentation and forging go by.

The contest counts erased regions, cut-out parts, other backgrounds, injected artefacts and heavy filters as forgeries:
17 to 19 % of its test fakes. So a cut-out on an original that keeps its label teaches the opposite of the truth. What
cameras, networks and other tools do to any picture (compression, scale, colour, a little noise or blur) keeps it.

Bounds are in the units of the policy's fields. They were set below where data.forge begins: its mildest filter blurs
with a sigma of 2.7 pixels at 224, and originals of web collections come up from a fifth of the contest's 512 pixels.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Bounds = tuple[float, float]


@dataclass(frozen=True)
class Meaning:
    """An original `keeps` its label, does so with fields `within` bounds, or `changes` into a fake.

    `forgery`: the contest's word for what it changes into.
    """

    effect: Literal["keeps", "within", "changes"]
    forgery: str = ""
    within: Mapping[str, Bounds] = field(default_factory=dict)


KEEPS = Meaning("keeps")
EXCISION, ERASURE = Meaning("changes", "component excision"), Meaning("changes", "random region erasure")
ARTEFACT, FILTER = Meaning("changes", "artefact injection"), Meaning("changes", "image filtering")
BACKGROUND, SWAP = Meaning("changes", "background replacement"), Meaning("changes", "face swap")
WARP = "a face in another shape"

# By field of spec.augment.Augment; those of its `library` by transform.
OPERATIONS: dict[str, Meaning] = {
    "parts": EXCISION,
    **dict.fromkeys(("crop", "hflip", "vflip", "rot90", "rotate"), KEEPS),
    "grid": Meaning("within", WARP, {"limit": (0, 0.3)}),
    **dict.fromkeys(("colour", "gamma", "grey"), KEEPS),
    "sharpen": Meaning("within", FILTER.forgery, {"amount": (0, 1.5), "sigma": (0, 2)}),
    "blur": Meaning("within", FILTER.forgery, {"sigma": (0, 2.5)}),
    "motion": Meaning("within", FILTER.forgery, {"length": (3, 15)}),
    "resize": Meaning("within", FILTER.forgery, {"factor": (0.2, 1)}),
    "noise": Meaning("within", ARTEFACT.forgery, {"sigma": (0, 25)}),
    "cutout": ERASURE,
    "library": KEEPS,  # but for those of LIBRARY
    "webp": KEEPS,
    "jpeg": KEEPS,
    "degrade": FILTER,
}

# Transforms of albumentations; where one has a mild form, the policy has an operation of its own for originals.
LIBRARY: dict[str, Meaning] = {
    **dict.fromkeys(("CoarseDropout", "ConstrainedCoarseDropout", "Erasing", "GridDropout"), ERASURE),
    **dict.fromkeys(("MaskDropout", "PixelDropout", "TimeMasking", "FrequencyMasking", "XYMasking"), ERASURE),
    **dict.fromkeys(("Mosaic", "OverlayElements", "RandomGridShuffle", "Spatter", "TextImage"), ARTEFACT),
    **dict.fromkeys(("RandomFog", "RandomGravel", "RandomRain", "RandomSnow", "RandomSunFlare"), ARTEFACT),
    **dict.fromkeys(("AdvancedBlur", "Blur", "Defocus", "GaussianBlur", "GlassBlur", "MedianBlur", "ZoomBlur"), FILTER),
    **dict.fromkeys(("Emboss", "InvertImg", "Morphological", "Posterize", "Solarize", "Superpixels"), FILTER),
    **dict.fromkeys(("ElasticTransform", "GridElasticDeform", "PiecewiseAffine"), Meaning("changes", WARP)),
    "ThinPlateSpline": Meaning("changes", WARP),
}

# By family of spec.forge: each makes a fake, or it would be no forgery.
FAMILIES: dict[str, Meaning] = {
    "self_blend": SWAP,  # the seams of one, on the same face
    "swap": SWAP,
    "component": Meaning("changes", "component swap"),
    "excision": EXCISION,
    "erasure": ERASURE,
    "background": BACKGROUND,
    "artefact": ARTEFACT,
    "filtering": FILTER,
    "resampling": Meaning("changes", "face super-resolution"),
}


def objection(name: str, wish: Any) -> str:
    """Why originals must not have this operation as it is wished, with the remedy; "" if they may.

    `wish`: an operation of the policy, with p, on and its own fields.
    """
    if wish.p == 0 or wish.on == "fake":
        return ""
    called = getattr(wish, "transform", name)
    meaning = LIBRARY.get(called, KEEPS) if name == "library" else OPERATIONS[name]
    if meaning.effect == "changes":
        return f'{called} makes a forgery of an original ({meaning.forgery}); say on = "fake"'
    for key, (low, high) in meaning.within.items():
        value = getattr(wish, key)
        least, most = value if isinstance(value, tuple) else (value, value)
        if least < low or most > high:
            return (
                f"{called}.{key} beyond {low:g} to {high:g} makes a forgery of an original ({meaning.forgery}); "
                'stay within, or say on = "fake"'
            )
    return ""


def bounds(name: str, key: str, on: str) -> Bounds | None:
    """What a field of an operation must stay within for this class; None: whatever its type allows."""
    return None if on == "fake" else OPERATIONS[name].within.get(key)
