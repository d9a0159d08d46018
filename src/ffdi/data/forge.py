"""Make a fake of a named family from a real image, as a function of (image, another real image, key).

A detector that has only seen the forgeries at hand learns their marks and no others: 0.994 on multi-ffdi's validation
set was 0.930 on its test, where three quarters of the fakes were made by methods nobody had. Winners made fakes of
their own. Families follow what the contest counts as forgery.

- self_blend: the face pasted onto itself after a slight change (Shiohara and Yamasaki 2022): seams, no other face.
- swap: the face of another original, its colours matched, joined by alpha or by Poisson's equation (Perez et al. 2003).
- component: eyes, nose or mouth of another original; excision: the same painted over from around (Telea 2004).
- erasure: a random region gone; background: everything but the face from elsewhere.
- artefact: the grid that upsampling leaves in a region; filtering: heavy smoothing.
- resampling: down and up, then sharpened, as face restoration looks.

All families have one signature (`Make`), which is described here once.

Args:
    image: The original, uint8 RGB [H, W, 3]; it is never changed.
    other: Another original of the same size; families that are not in CANDIDATES do not look at it.
    draw: The random numbers of this fake: equal numbers give equal pixels.

Returns:
    The fake, uint8 RGB of the size of `image`.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from ffdi.config.forge import Family, Forge, ForgedSet
from ffdi.core import keys
from ffdi.core.keys import Draws
from ffdi.data import face

Make = Callable[[np.ndarray, np.ndarray, Draws], np.ndarray]
CANDIDATES: dict[Family, int] = {"swap": 3, "component": 1, "background": 1}  # other originals a family looks at
THUMB = 16  # pixels a side by which the candidate most like the image is found


def is_forged(options: Forge, key: int) -> bool:
    """Return whether the original of this key is turned into a fake."""
    return options.share > 0 and Draws(key, "forged").unit() < options.share


def family(options: Forge | ForgedSet, key: int) -> Family:
    """Return a family drawn by the weights of the recipe, whose order does not matter."""
    names = sorted(options.families)
    place = Draws(key, "family").unit() * sum(options.families.values())
    for name in names:
        place -= options.families[name]
        if place < 0:
            return name
    return names[-1]


def forge(image: np.ndarray, others: Sequence[np.ndarray], name: Family, key: int) -> np.ndarray:
    """Return a fake of this family, uint8 RGB in the size of `image`.

    Args:
        image: An original, uint8 RGB [H, W, 3].
        others: Other originals of any size, of which the one most like the image is taken; the families of CANDIDATES
            need one, the rest look at the image alone.
        name: The family.
        key: The same key gives the same pixels.
    """
    other = others[most_like(image, others)] if others else image
    if other.shape != image.shape:
        other = cv2.resize(other, image.shape[1::-1], interpolation=cv2.INTER_AREA)
    return FAMILIES[name](image, other, Draws(key, name))


def most_like(image: np.ndarray, others: Sequence[np.ndarray]) -> int:
    """Return the place of the one of `others` whose thumbnail differs least; the first of equals."""
    small = _thumb(image)
    return min(range(len(others)), key=lambda place: float(np.abs(_thumb(others[place]) - small).mean()))


def self_blend(image: np.ndarray, _: np.ndarray, draw: Draws) -> np.ndarray:
    """Blend the face with a changed copy of itself (Shiohara and Yamasaki 2022)."""
    changed = _moved(_toned(image, draw), draw)
    if draw.unit() < 0.5:
        changed = _softened(changed, draw)
    base = image if draw.unit() < 0.5 else _softened(image, draw)
    mask_HW = face.soft(face.face(image.shape, draw), draw.uniform(0.01, 0.1))
    return _blend(base, changed, mask_HW * draw.pick((0.5, 0.75, 1.0, 1.0)))


def swap(image: np.ndarray, other: np.ndarray, draw: Draws) -> np.ndarray:
    """Put the face of another image in the place of this one."""
    mask_HW = face.face(image.shape, draw)
    matched = _matched(other, image, mask_HW > 0)
    if draw.unit() < 0.5:
        return _poisson(image, matched, mask_HW)
    return _blend(image, matched, face.soft(mask_HW, draw.uniform(0.01, 0.08)))


def component(image: np.ndarray, other: np.ndarray, draw: Draws) -> np.ndarray:
    """Put eyes, nose or mouth of another image in their place."""
    mask_HW = face.part(image.shape, draw)
    matched = _matched(other, image, mask_HW > 0)
    return _blend(image, matched, face.soft(mask_HW, draw.uniform(0.005, 0.04)))


def excision(image: np.ndarray, _: np.ndarray, draw: Draws) -> np.ndarray:
    """Cut out a part of the face and fill the hole from its edges."""
    mask_HW = face.part(image.shape, draw)
    return cv2.inpaint(image, (mask_HW > 0).astype(np.uint8), 0.01 * min(image.shape[:2]), cv2.INPAINT_TELEA)


def erasure(image: np.ndarray, _: np.ndarray, draw: Draws) -> np.ndarray:
    """Erase a box: black, of the mean colour, or noise."""
    sides = [max(2, round(side * draw.uniform(0.1, 0.35))) for side in image.shape[:2]]
    starts = [draw.integer(0, side - size) for side, size in zip(image.shape[:2], sides, strict=True)]
    box = tuple(slice(start, start + size) for start, size in zip(starts, sides, strict=True))
    fill = draw.pick(("black", "mean", "noise"))
    erased = image.copy()
    shape = erased[box].shape
    if fill == "noise":
        erased[box] = keys.rng("erasure", draw.integer(0, 2**53)).integers(0, 256, shape, dtype=np.uint8)
    else:
        erased[box] = 0 if fill == "black" else np.round(image.mean(axis=(0, 1)))
    return erased


def background(image: np.ndarray, other: np.ndarray, draw: Draws) -> np.ndarray:
    """Put another background behind the face."""
    kind = draw.pick(("other", "blurred", "plain"))
    behind = {
        "other": other,
        "blurred": cv2.GaussianBlur(other, (0, 0), 0.05 * min(image.shape[:2])),
        "plain": np.full_like(image, [draw.integer(0, 255) for _ in range(3)]),
    }[kind]
    wider = max(1, min(image.shape[:2]) // 24)
    kept_HW = cv2.dilate(face.face(image.shape, draw), np.ones((3, 3)), iterations=wider)
    return _blend(behind, image, face.soft(kept_HW, draw.uniform(0.005, 0.03)))


def artefact(image: np.ndarray, _: np.ndarray, draw: Draws) -> np.ndarray:
    """Add a pattern of period n, as transposed convolutions of stride n leave it (Odena et al. 2016)."""
    period, strength = draw.integer(2, 8), draw.uniform(3, 14)
    down, across = np.indices(image.shape[:2])
    pattern_HW = np.where((down % period == 0) ^ (across % period == 0), strength, -strength / 2)
    mask_HW = face.soft(face.face(image.shape, draw), 0.05)
    return _bytes(image + (pattern_HW * mask_HW)[..., None])


def filtering(image: np.ndarray, _: np.ndarray, draw: Draws) -> np.ndarray:
    """Smooth the whole image strongly."""
    kind = draw.pick(("median", "bilateral", "gauss"))
    if kind == "median":
        return cv2.medianBlur(image, draw.pick((5, 7, 9)))
    if kind == "bilateral":
        return cv2.bilateralFilter(image, 9, draw.uniform(40, 90), draw.uniform(3, 7))
    return cv2.GaussianBlur(image, (0, 0), draw.uniform(0.012, 0.03) * min(image.shape[:2]))


def resampling(image: np.ndarray, _: np.ndarray, draw: Draws) -> np.ndarray:
    """Shrink the image, enlarge it again and sharpen it."""
    height, width = image.shape[:2]
    factor = draw.uniform(0.25, 0.5)
    small = cv2.resize(image, (round(width * factor), round(height * factor)), interpolation=cv2.INTER_AREA)
    again = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    amount = draw.uniform(0.8, 2.0)
    return cv2.addWeighted(again, 1 + amount, cv2.GaussianBlur(again, (0, 0), 1.5), -amount, 0)


def _thumb(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, (THUMB, THUMB), interpolation=cv2.INTER_AREA).astype(np.float32)


def _toned(image: np.ndarray, draw: Draws) -> np.ndarray:
    gains = np.array([1 + 0.12 * draw.uniform(-1, 1) for _ in range(3)], np.float32)
    return _bytes((image - 127.5) * (1 + 0.15 * draw.uniform(-1, 1)) * gains + 127.5 + 14 * draw.uniform(-1, 1))


def _moved(image: np.ndarray, draw: Draws) -> np.ndarray:
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 2 * draw.uniform(-1, 1), 1 + 0.04 * draw.uniform(-1, 1))
    matrix[:, 2] += np.array([width, height]) * [0.025 * draw.uniform(-1, 1) for _ in range(2)]
    return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def _softened(image: np.ndarray, draw: Draws) -> np.ndarray:
    """Return the image a little blurred, or a little sharpened."""
    blurred = cv2.GaussianBlur(image, (0, 0), draw.uniform(0.5, 1.2))
    if draw.unit() < 0.5:
        return blurred
    amount = draw.uniform(0.3, 1.0)
    return cv2.addWeighted(image, 1 + amount, blurred, -amount, 0)


def _matched(source: np.ndarray, like: np.ndarray, where_HW: np.ndarray) -> np.ndarray:
    """Return `source` with the mean and spread of `like` in the region, by channel of Lab (Reinhard et al. 2001)."""
    if not where_HW.any():
        return source
    lab, wanted = (cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.float32) for image in (source, like))
    mean, spread = lab[where_HW].mean(axis=0), lab[where_HW].std(axis=0)
    matched = (lab - mean) * (wanted[where_HW].std(axis=0) / np.maximum(spread, 1)) + wanted[where_HW].mean(axis=0)
    return cv2.cvtColor(_bytes(matched), cv2.COLOR_LAB2RGB)


def _poisson(image: np.ndarray, source: np.ndarray, mask_HW: np.ndarray) -> np.ndarray:
    inside = np.zeros(mask_HW.shape, np.uint8)
    inside[1:-1, 1:-1] = (mask_HW[1:-1, 1:-1] > 0) * 255  # the solver needs a rim
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if min(len(rows), len(columns)) < 3:  # the solver throws for slivers
        return image
    centre = (int(columns[0] + columns[-1]) // 2, int(rows[0] + rows[-1]) // 2)
    return cv2.seamlessClone(source, image, inside, centre, cv2.NORMAL_CLONE)


def _blend(under: np.ndarray, over: np.ndarray, mask_HW: np.ndarray) -> np.ndarray:
    mask_HW1 = mask_HW[..., None]
    return _bytes(under * (1 - mask_HW1) + over * mask_HW1)


def _bytes(image: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


FAMILIES: dict[str, Make] = {
    make.__name__: make
    for make in (self_blend, swap, component, excision, erasure, background, artefact, filtering, resampling)
}
