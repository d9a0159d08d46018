"""What a policy does to a face: real images at the weakest, the middle and the strongest that it may draw.

Every operation is applied (p = 1), each range pinned to one strength; keys are fixed, so the sheet is too.
"""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from ffdi.config.augment import Augment, Operation
from ffdi.core import keys
from ffdi.core.errors import UserError
from ffdi.core.layout import inside
from ffdi.data.augment import compile
from ffdi.data.decode import Defect, decode
from ffdi.report.figures import data_uri
from ffdi.report.page import Card, Gallery, Thumb
from ffdi.report.style import LABELS

STRENGTHS = {"low": 0.0, "middle": 0.5, "high": 1.0}
SIDE = 192  # pixels of a thumbnail at most; finer than other sheets, as traces of compression must be seen
QUALITY = 92
KEYS = 8  # of which the one that changes most is shown
FALLING = ("scale", "factor", "quality")  # ranges whose low end is the strong one
RATIOS = ("ratio", "gamma")  # neutral at 1, strong at the end that is farther away
SPANS = ("brightness", "contrast", "saturation", "hue", "limit")  # drawn from - x to x
LEAST = 1e-3  # of a span that must be positive
TURNS = ("hflip", "vflip", "rot90", "grey")  # a person knows what they do


def sheet(policy: Augment, rows: pd.DataFrame, folder: Path, size: int, most: int = 4) -> tuple[Gallery, ...]:
    """Galleries: all operations together on `most` images, then each alone. None where no image can be read.

    `rows`: id, relpath, target of candidates; as many originals as fakes are taken. `size`: side in training.
    """
    images = _images(rows, folder, most)
    wishes = {name: wish for name in Augment.model_fields if (wish := getattr(policy, name)) and _is_on(wish)}
    if not images or not wishes:
        return ()
    together = {name: wish for name, wish in wishes.items() if name not in TURNS}
    turns = ", ".join(_told(name, wish) for name, wish in wishes.items() if name in TURNS)
    left_out = f" Not shown: {turns}." if turns else ""
    return (
        Gallery(
            "The whole policy",
            tuple(_card(image, label, together, size) for image, label in images),
            "The image, then all operations at once at the weakest, the middle and the strongest that the policy "
            f"draws. In training each has its own probability, so few images get all of them.{left_out}",
        ),
        Gallery(
            "Each operation alone",
            tuple(_alone(name, wish, images, size) for name, wish in together.items()),
            f"The image, then the weakest, the middle and the strongest; of {KEYS} draws the one that changes most.",
        ),
    )


def pinned(wish: Operation, strength: float) -> Operation:
    """The operation at p = 1 with every range at one strength, from 0 (weakest) to 1."""
    changes: dict[str, Any] = {"p": 1.0}
    for name, value in wish:
        if name in SPANS:
            changes[name] = max(value * strength, LEAST if name == "limit" else 0.0)
        elif isinstance(value, tuple) and len(value) == 2 and not isinstance(value[0], str):
            end = _end(name, value, strength)
            changes[name] = (end, end)
    return type(wish).model_validate(wish.model_dump() | changes)


def _end(name: str, ends: tuple[Any, Any], strength: float) -> float:
    if name in RATIOS:
        return float(max(ends, key=lambda end: abs(np.log(end))) ** strength)
    weak, strong = reversed(ends) if name in FALLING else ends
    value = weak * (1 - strength) + strong * strength  # so written it meets both ends exactly
    if isinstance(weak, float):
        return float(value)
    return int(weak + 2 * ((value - weak) // 2)) if name == "length" else round(value)


def _card(image: np.ndarray, label: int, wishes: dict[str, Any], size: int, caption: str = "") -> Card:
    thumbs = [_thumb(_augmented(image, label, {}, size, 0), label, "as it is")]
    key = _telling(image, label, _at(wishes, 1.0), size)
    for name, strength in STRENGTHS.items():
        thumbs.append(_thumb(_augmented(image, label, _at(wishes, strength), size, key), label, name))
    return Card(tuple(thumbs), caption)


def _alone(name: str, wish: Any, images: list[tuple[np.ndarray, int]], size: int) -> Card:
    """On an image of the class that the operation is for; three draws of what has no strength."""
    only = wish[0].on if isinstance(wish, tuple) else wish.on
    image, label = next((pair for pair in images if only in ("all", ("real", "fake")[pair[1]])), images[0])
    if not isinstance(wish, tuple) and pinned(wish, 0.0) != pinned(wish, 1.0):
        return _card(image, label, {name: wish}, size, _told(name, wish))
    thumbs = [_thumb(_augmented(image, label, {}, size, 0), label, "as it is")]
    for number, told in enumerate(("one draw", "another", "a third")):
        drawn = _augmented(image, label, _at({name: wish}, 1.0), size, keys.key("policy sheet", number))
        thumbs.append(_thumb(drawn, label, told))
    return Card(tuple(thumbs), _told(name, wish))


def _told(name: str, wish: Any) -> str:
    if isinstance(wish, tuple):
        return "library: " + ", ".join(f"{one.transform}, p = {one.p:.2g}" for one in wish)
    parts = [f"{part} {_written(value)}" for part, value in wish if part not in ("p", "on") and not _is_words(value)]
    only = "" if wish.on == "all" else f" of {wish.on}s"
    return ", ".join([f"{name}, p = {wish.p:.2g}{only}", *parts])


def _written(value: Any) -> str:
    return " to ".join(f"{end:.3g}" for end in value) if isinstance(value, tuple) else f"{value:.3g}"


def _is_words(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, tuple) and isinstance(value[0], str))


def _is_on(wish: Any) -> bool:
    return any(one.p > 0 for one in wish) if isinstance(wish, tuple) else wish.p > 0


def _at(wishes: dict[str, Any], strength: float) -> dict[str, Any]:
    """As a recipe would write it."""
    found: dict[str, Any] = {}
    for name, wish in wishes.items():
        if isinstance(wish, tuple):
            found[name] = [one.model_dump() | {"p": 1.0} for one in wish if one.p > 0]
        else:
            found[name] = pinned(wish, strength).model_dump()
    return found


def _augmented(image: np.ndarray, label: int, wishes: dict[str, Any], size: int, key: int) -> np.ndarray:
    off: dict[str, Any] = {name: False for name in Augment.model_fields if name != "library"}
    return compile(Augment.model_validate(off | wishes), size)(image, label, key)


def _telling(image: np.ndarray, label: int, wishes: dict[str, Any], size: int) -> int:
    """The key under which most changes."""
    plain = _augmented(image, label, {}, size, 0).astype(np.int16)
    tried = [keys.key("policy sheet", number) for number in range(KEYS)]
    return max(tried, key=lambda key: np.abs(_augmented(image, label, wishes, size, key) - plain).sum())


def _thumb(image: np.ndarray, label: int, caption: str) -> Thumb:
    small = Image.fromarray(image)
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    word = LABELS[label]
    return Thumb(data_uri(buffer.getvalue(), "image/jpeg"), f"{word}, {caption}", caption, label=word)


def _images(rows: pd.DataFrame, folder: Path, most: int) -> list[tuple[np.ndarray, int]]:
    """(pixels, target): originals and fakes in turn, chosen by id."""
    order = rows.assign(key=[keys.key("policy sheet", name) for name in rows["id"]]).sort_values("key")
    order = order.assign(turn=order.groupby("target").cumcount()).sort_values(["turn", "target"])
    found: list[tuple[np.ndarray, int]] = []
    for relpath, target in order.head(4 * most)[["relpath", "target"]].itertuples(index=False):
        try:
            data = inside(folder, relpath).read_bytes()
            found.append((np.ascontiguousarray(decode(data).image_HWC), int(target)))
        except (Defect, OSError, UserError):
            continue
        if len(found) == most:
            break
    return found
