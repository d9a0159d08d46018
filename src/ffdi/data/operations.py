"""Operations of the augmentation on pixels, named as the fields of config.augment.Augment.

All have one signature, which is described here once; `crop` also takes the size.

Args:
    image: uint8 RGB [H, W, 3] of any size; it is never changed.
    span: The range of the operation, low and high, in the unit of its entry in config.augment.KINDS; some need none.
    draw: The random numbers of this operation for one image: equal numbers give equal pixels.

Returns:
    uint8 RGB of the size of `image`; `crop` alone gives another.

Written for speed where the usual form is slow (224 px, one core, own measurement in us, albumentations first): noise
from a bank 870 -> 25, colour as one matrix 410 -> 40, JPEG by simplejpeg 440 -> 310.
"""

import io
import math
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image

from ffdi.core import keys
from ffdi.core.keys import Draws
from ffdi.data import face
from ffdi.data.jpeg import recompress

Span = tuple[float, float]
BORDERS = {"reflect": cv2.BORDER_REFLECT_101, "black": cv2.BORDER_CONSTANT}
RATIO, HOLES = (0.9, 1.11), (1, 3)  # width by height of a crop; boxes of a cutout
GRID_CELLS = 5  # of an image's side
HUE = 50.0  # degrees of hue that go with a change of colour by 1
SHRINK = (cv2.INTER_LINEAR, cv2.INTER_CUBIC)
# The hard damages of `degrade`, one of which is drawn.
JPEG_HARD, RESIZE_HARD, NOISE_HARD = (10, 30), (0.25, 0.5), (8.0, 25.0)
LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, as JPEG and Pillow
NOISE_LEVELS = 16
NOISE_OFFSETS = 1 << 16


def fit(image: np.ndarray, size: int) -> np.ndarray:
    """Return the whole image as size x size, first reduced by the whole part of the factor, by areas."""
    factor = min(image.shape[:2]) // size
    if factor > 1:  # trimmed to whole blocks: 8 times as fast as areas of broken pixels
        height, width = (side // factor for side in image.shape[:2])
        blocks = image[: height * factor, : width * factor]
        image = cv2.resize(blocks, (width, height), interpolation=cv2.INTER_AREA)
    if image.shape[:2] == (size, size):
        return image
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR)


def parts(image: np.ndarray, _: Span, draw: Draws) -> np.ndarray:
    """Paint eyes, nose or mouth black."""
    hole_HW1 = face.part(image.shape, draw)[..., None] > 0
    return np.where(hole_HW1, np.uint8(0), image)


def crop(image: np.ndarray, span: Span, draw: Draws, size: int) -> np.ndarray:
    """Return a box of the drawn area and shape, cut to the image where it would stand out, as size x size pixels."""
    height, width = image.shape[:2]
    area = height * width * draw.uniform(*span)
    ratio = math.exp(draw.uniform(math.log(RATIO[0]), math.log(RATIO[1])))
    box_width = max(1, min(width, round(math.sqrt(area * ratio))))
    box_height = max(1, min(height, round(math.sqrt(area / ratio))))
    left, top = draw.integer(0, width - box_width), draw.integer(0, height - box_height)
    return fit(image[top : top + box_height, left : left + box_width], size)


def hflip(image: np.ndarray, _: Span, draw: Draws) -> np.ndarray:
    """Swap left and right."""
    return cv2.flip(image, 1)


def vflip(image: np.ndarray, _: Span, draw: Draws) -> np.ndarray:
    """Swap top and bottom."""
    return cv2.flip(image, 0)


def rotate(image: np.ndarray, span: Span, draw: Draws, border: str = "reflect") -> np.ndarray:
    """Turn the image to either side by an angle drawn from `span`, degrees; `border` says what comes into view."""
    height, width = image.shape[:2]
    degrees = draw.uniform(*span) * draw.pick((-1, 1))
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=BORDERS[border])


def grid(image: np.ndarray, span: Span, draw: Draws) -> np.ndarray:
    """Stretch or squeeze each cell of a 5 x 5 grid, in width and height, by a factor of up to 1 +- the strength."""
    axes = []
    for side in image.shape[:2]:
        widths = [1 + span[1] * draw.uniform(-1, 1) for _ in range(GRID_CELLS)]
        lines = np.concatenate([[0.0], np.cumsum(widths) / sum(widths)]) * (side - 1)
        axes.append(np.interp(np.arange(side), lines, np.linspace(0, side - 1, GRID_CELLS + 1)).astype(np.float32))
    x_HW, y_HW = np.meshgrid(axes[1], axes[0])
    return cv2.remap(image, x_HW, y_HW, cv2.INTER_LINEAR)


def colour(image: np.ndarray, span: Span, draw: Draws) -> np.ndarray:
    """Apply one affine map of RGB: hue (a turn about the grey axis), saturation, contrast, brightness."""
    most = span[1]
    brightness = 1 + most * draw.uniform(-1, 1)
    contrast = 1 + most * draw.uniform(-1, 1)
    saturation = 1 + most * draw.uniform(-1, 1)
    turn = _turn_about_grey(math.radians(HUE * most * draw.uniform(-1, 1)))
    mix = saturation * turn + (1 - saturation) * (LUMA @ turn)
    matrix = np.empty((3, 4))
    matrix[:, :3] = brightness * contrast * mix
    matrix[:, 3] = brightness * (1 - contrast) * 127.5
    return cv2.transform(image, matrix)


def grey(image: np.ndarray, _: Span, draw: Draws) -> np.ndarray:
    """Remove the colour."""
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def sharpen(image: np.ndarray, span: Span, draw: Draws, sigma: float = 1.0) -> np.ndarray:
    """Add a drawn share of the difference from a copy that is blurred by `sigma`, pixels."""
    amount = draw.uniform(*span)
    blurred = cv2.GaussianBlur(image, (0, 0), sigma)
    return cv2.addWeighted(image, 1 + amount, blurred, -amount, 0)


def blur(image: np.ndarray, span: Span, draw: Draws) -> np.ndarray:
    """Blur with a Gaussian of a drawn sigma, pixels."""
    return cv2.GaussianBlur(image, (0, 0), draw.uniform(*span))


def resize(image: np.ndarray, span: Span, draw: Draws) -> np.ndarray:
    """Shrink by a drawn factor and enlarge again."""
    height, width = image.shape[:2]
    factor = draw.uniform(*span)
    small = (max(1, round(width * factor)), max(1, round(height * factor)))
    reduced = cv2.resize(image, small, interpolation=draw.pick(SHRINK))
    return cv2.resize(reduced, (width, height), interpolation=draw.pick(SHRINK))


def noise(image: np.ndarray, span: Span, draw: Draws) -> np.ndarray:
    """Add one of 16 levels of the range, from a bank drawn once: saturated sums of bytes need no wider type."""
    level = draw.integer(0, NOISE_LEVELS - 1)
    start = draw.integer(0, NOISE_OFFSETS - 1)
    raised, lowered = _noise_bank(*span, image.size)[level, :, start : start + image.size]
    return cv2.subtract(cv2.add(image, raised.reshape(image.shape)), lowered.reshape(image.shape))


def cutout(image: np.ndarray, span: Span, draw: Draws) -> np.ndarray:
    """Paint 1 to 3 boxes black; `span`: shares of each side."""
    painted = image.copy()
    height, width = image.shape[:2]
    for _ in range(draw.integer(*HOLES)):
        hole_height = max(1, round(height * draw.uniform(*span)))
        hole_width = max(1, round(width * draw.uniform(*span)))
        top, left = draw.integer(0, height - hole_height), draw.integer(0, width - hole_width)
        painted[top : top + hole_height, left : left + hole_width] = 0
    return painted


def webp(image: np.ndarray, span: Span, draw: Draws) -> np.ndarray:
    """Compress as WebP of a drawn quality."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "WEBP", quality=draw.integer(round(span[0]), round(span[1])), method=0)
    return np.asarray(Image.open(buffer).convert("RGB"))


def jpeg(image: np.ndarray, span: Span, draw: Draws) -> np.ndarray:
    """Compress as JPEG of a drawn quality."""
    return recompress(image, draw.integer(round(span[0]), round(span[1])))


def degrade(image: np.ndarray, _: Span, draw: Draws) -> np.ndarray:
    """Apply one hard damage: JPEG, resize or noise."""
    kind = draw.pick(("jpeg", "resize", "noise"))
    if kind == "jpeg":
        return jpeg(image, JPEG_HARD, draw)
    return resize(image, RESIZE_HARD, draw) if kind == "resize" else noise(image, NOISE_HARD, draw)


def _turn_about_grey(angle: float) -> np.ndarray:
    """Return Rodrigues' rotation by `angle` about (1, 1, 1): grey stays grey, hue turns."""
    cosine, sine = math.cos(angle), math.sin(angle) / math.sqrt(3)
    middle = (1 - cosine) / 3
    a, b, c = cosine + middle, middle - sine, middle + sine
    return np.array([[a, b, c], [c, a, b], [b, c, a]])


@lru_cache(maxsize=4)
def _noise_bank(low: float, high: float, size: int) -> np.ndarray:
    """Return what is added and what is taken, uint8 [level, 2, place], from one row of normal numbers."""
    normal = keys.rng("noise bank").standard_normal(size + NOISE_OFFSETS, dtype=np.float32)
    bank = np.empty((NOISE_LEVELS, 2, len(normal)), np.uint8)
    for level, sigma in enumerate(np.linspace(low, high, NOISE_LEVELS, dtype=np.float32)):
        rounded = np.rint(normal * sigma)
        bank[level] = np.clip(rounded, 0, 255), np.clip(-rounded, 0, 255)
    return bank
