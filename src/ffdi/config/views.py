"""Names of test-time views, as recipes write them; what they do to an image is in `infer.nets`.

"identity", flips and turns (the eight symmetries of the square), "scale:F" (the whole image F times as large, so
other receptive fields meet the face) and "crop:F" (the middle F of each side, pixels untouched).
Sets: "flips" and "six" (the views of the contest's winners).
"""

import difflib
from collections.abc import Iterable
from contextlib import suppress

STRIDE = 16  # sides of scaled and cropped views are multiples of it: patches and strides divide them

SYMMETRIES = ("identity", "hflip", "vflip", "rot90", "rot180", "rot270", "transpose", "antitranspose")
SETS = {
    "flips": ("identity", "hflip"),
    "six": ("identity", "rot90", "rot180", "rot270", "hflip", "vflip"),
}
FACTORS = {"scale": (0.25, 4.0), "crop": (0.25, 1.0)}  # inclusive bounds


def parse(views: Iterable[str]) -> tuple[str, ...]:
    """Return single views, each once: sets are expanded, and numbers have one form (0.80 becomes 0.8).

    Raises ValueError for an unknown name, with the nearest one, or a factor out of bounds.
    """
    single = [view for name in views for view in SETS.get(name, (name,))]
    return tuple(dict.fromkeys(_canonical(view) for view in single))


def side(size: int, view: str) -> int:
    """Return the side in pixels of `view` of a square of `size`."""
    return size if view in SYMMETRIES else scaled(size, split(view)[1])


def split(view: str) -> tuple[str, float]:
    """Return the kind and the number: ("scale", 0.8) of "scale:0.8"."""
    kind, _, number = view.partition(":")
    return kind, float(number)


def scaled(size: int, factor: float) -> int:
    """Return `size` times `factor`, to a multiple of STRIDE; a smaller view is never larger than the image."""
    rounded = max(STRIDE, round(size * factor / STRIDE) * STRIDE)
    return min(rounded, size) if factor < 1 else rounded


def _canonical(view: str) -> str:
    if view in SYMMETRIES:
        return view
    kind, colon, number = view.partition(":")
    if kind not in FACTORS or not colon:
        names = (*SYMMETRIES, *SETS, *[f"{kind}:F" for kind in FACTORS])
        near = difflib.get_close_matches(view, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}"
        raise ValueError(f"unknown view {view!r}; {hint}")
    low, high = FACTORS[kind]
    with suppress(ValueError):
        if low <= (factor := float(number)) <= high:
            return "identity" if f"{factor:g}" == "1" else f"{kind}:{factor:g}"
    raise ValueError(f"view {view!r}: write {kind}:F with F from {low:g} to {high:g}, for example '{kind}:0.8'")
