"""The page of explained images: where a network looked.

H x W pixels, h x w cells of a saliency map.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd

from ffdi.report.images import jpeg
from ffdi.report.page import Page, Picture, Section, Text, provenance
from ffdi.report.table import counted, shorten, table

SIDE, QUALITY = 352, 88  # pixels of the longer side; JPEG
HEAT = 0.65  # opacity of the highest value
READING = (
    "Grad-CAM: the parts of the image that the last stage of the net used for its prediction. A map proves no forgery."
)


@dataclass(frozen=True)
class Explained:
    """One image.

    `label`: 'fake', 'original' or 'unlabelled'. `score`: a sentence with the score of the team. `net`: the net that
    `cells_hw` (0 to 1) and `logit` come from.
    """

    name: str
    label: str
    score: str
    net: str
    image_HWC: np.ndarray
    cells_hw: np.ndarray
    logit: float

    @property
    def verdict(self) -> str:
        return "fake" if self.logit > 0 else "original"


def page(images: Sequence[Explained], title: str, whose: str, inputs: Mapping[str, str]) -> Page:
    """Return the page.

    Args:
        images: At least one.
        title: Of the page.
        whose: A sentence about the nets: had they seen the images?
        inputs: Digests by name, for the foot.
    """
    sections = [_section(number, image) for number, image in enumerate(images, 1)]
    rows = [(image.name, image.label, image.verdict, image.net) for image in images]
    frame = pd.DataFrame(rows, columns=["image", "label", "verdict of the net", "net"])
    texts = (table(frame, "Images", limit=len(frame)), Text(whose), Text(READING))
    return Page(
        title=title,
        headline=headline(images),
        sections=(Section("Explained", texts), *sections),
        provenance=provenance("ffdi explain", inputs),
    )


def headline(images: Sequence[Explained]) -> str:
    """Return how many images the net calls fake, and how many of them wrongly."""
    fakes = sum(image.verdict == "fake" for image in images)
    said = f"Of {counted(len(images), 'image')}, the net calls {fakes} fake and {len(images) - fakes} original"
    known = [image for image in images if image.label != "unlabelled"]
    if known:
        wrong = sum(image.label != image.verdict for image in known)
        said += f"; it is wrong on {wrong} of the {len(known)} with a known label"
    return f"{said}."


def _section(number: int, image: Explained) -> Section:
    chance = 1 / (1 + math.exp(-min(max(image.logit, -500.0), 500.0)))
    said = Text(f"{image.name}: {image.label}. {image.score}. P(fake) of {image.net} alone: {chance:.3f}.")
    title = f"{number}. {image.label} {shorten(image.name.rpartition('/')[2], 16)}"
    shown_HWC, (rows, columns) = _resized(image.image_HWC), image.cells_hw.shape
    size = f"{image.image_HWC.shape[1]} x {image.image_HWC.shape[0]} pixels."
    caption = f"{image.net}, for “{image.verdict}”; {rows} x {columns} cells."
    pictures = _picture("Image", shown_HWC, size), _picture("Grad-CAM", _heat(shown_HWC, image.cells_hw), caption)
    return Section(title, (said, *pictures))


def _heat(shown_HWC: np.ndarray, cells_hw: np.ndarray) -> np.ndarray:
    """Lay a map, 0 to 1, over the image in grey: black over red to pale yellow."""
    grey_HWC = cv2.cvtColor(cv2.cvtColor(shown_HWC, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    warm_HW1 = cv2.resize(cells_hw, shown_HWC.shape[1::-1], interpolation=cv2.INTER_LINEAR)[..., None]
    levels_HW = np.clip(warm_HW1 * 255, 0, 255).astype(np.uint8)
    colours_HWC = cv2.cvtColor(cv2.applyColorMap(levels_HW, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    return (grey_HWC * (1 - HEAT * warm_HW1) + colours_HWC * (HEAT * warm_HW1)).astype(np.uint8)


def _resized(image_HWC: np.ndarray) -> np.ndarray:
    """Return a copy whose longer side is SIDE; enlarging keeps single pixels visible."""
    factor = SIDE / max(image_HWC.shape[:2])
    height, width = (max(1, round(side * factor)) for side in image_HWC.shape[:2])
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_NEAREST
    return cv2.resize(image_HWC, (width, height), interpolation=how).copy()


def _picture(title: str, shown_HWC: np.ndarray, caption: str) -> Picture:
    height, width = shown_HWC.shape[:2]
    return Picture(title, f"{title} of the image", jpeg(shown_HWC, SIDE, QUALITY), caption, width, height)
