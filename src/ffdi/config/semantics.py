"""The one table of what an edit does to the label of an original; augmentation and forging follow it.

The contest counts erased regions, cut-out parts, other backgrounds, injected artefacts and heavy filters as forgeries:
17 to 19 % of its test fakes. So a cut-out on an original that keeps its label teaches the opposite of the truth. What
cameras, networks and other tools do to any picture (compression, scale, colour, a little noise or blur) keeps it.

The limits were set below where data.forge begins: its mildest filter blurs with a sigma of 2.7 pixels at 224, and
originals of web collections are enlarged from a fifth of the contest's 512 pixels.
"""

from typing import Any, Literal, NamedTuple


class Meaning(NamedTuple):
    """An original `keeps` its label, keeps it with a range `within` limits, or `changes` into a fake."""

    effect: Literal["keeps", "within", "changes"]
    forgery: str = ""  # the contest's word for what it changes into
    within: tuple[float, float] | None = None


KEEPS = Meaning("keeps")
EXCISION, ERASURE = Meaning("changes", "component excision"), Meaning("changes", "random region erasure")
ARTEFACT, FILTER = Meaning("changes", "artefact injection"), Meaning("changes", "image filtering")
BACKGROUND, SWAP = Meaning("changes", "background replacement"), Meaning("changes", "face swap")
WARP = "a face in another shape"

# By field of config.augment.Augment; those of its `library` by transform.
OPERATIONS: dict[str, Meaning] = {
    "parts": EXCISION,
    **dict.fromkeys(("crop", "hflip", "vflip", "rot90", "rotate"), KEEPS),
    "grid": Meaning("within", WARP, (0, 0.3)),
    **dict.fromkeys(("colour", "grey"), KEEPS),
    "sharpen": Meaning("within", FILTER.forgery, (0, 1.5)),
    "blur": Meaning("within", FILTER.forgery, (0, 2.5)),
    "resize": Meaning("within", FILTER.forgery, (0.2, 1)),
    "noise": Meaning("within", ARTEFACT.forgery, (0, 25)),
    "cutout": ERASURE,
    "library": KEEPS,  # but for those of LIBRARY
    "webp": KEEPS,
    "jpeg": KEEPS,
    "degrade": FILTER,
}

# Transforms of albumentations; for a mild form use the operation of the kit.
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

# By family of config.forge; each makes a fake.
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


def objection(name: str, operation: Any) -> str:
    """Return why originals must not get this operation, with the remedy; "" if they may.

    Args:
        name: Field of `Augment`.
        operation: With p, on and range, and transform in the library.
    """
    if operation.p == 0 or operation.on == "fake":
        return ""
    called = getattr(operation, "transform", name)
    meaning = LIBRARY.get(called, KEEPS) if name == "library" else OPERATIONS[name]
    if meaning.effect == "changes":
        return f'{called} makes a forgery of an original ({meaning.forgery}); say on = "fake"'
    if meaning.within is None:
        return ""
    low, high = meaning.within
    if low <= operation.range[0] and operation.range[1] <= high:
        return ""
    return (
        f"{called}.range beyond {low:g} to {high:g} makes a forgery of an original ({meaning.forgery}); stay within, "
        'or say on = "fake"'
    )
