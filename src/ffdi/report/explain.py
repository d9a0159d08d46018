"""The page of explained images: where a network looked, and what can be measured in the pixels.

H x W pixels, h x w cells of a saliency map, F bins of frequency.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import pandas as pd

from ffdi.data import checks, traces
from ffdi.data.checks import Measures, Originals, Regions
from ffdi.report import panels
from ffdi.report.page import Page, Section, Text, provenance
from ffdi.report.style import shorten
from ffdi.report.table import Table, counted, percent, table

MEASURES = {
    "detail": ("detail", "residual, eyes nose mouth / skin"),
    "light": ("light", "left less right, face less background, grey levels"),
    "high": ("pixels", "power in the upper half of the frequencies"),
    "peak": ("pixels", "peak of the spectrum, powers of ten"),
    "ela": ("pixels", "error level, face / background"),
    "noise": ("background", "residual, face / background"),
}
READING = (
    "Grad-CAM: the parts of the image that the last stage of the net used for its prediction. Error level: what saving "
    f"as JPEG quality {traces.QUALITY} changes; regions with another history change more or less, and so do edges. "
    "Residual: luma less its 3 x 3 median, which is noise without edges. Spectrum: dots off the centre are repeated "
    "patterns, as upsampling makes them. None of these proves a forgery; an original may show all of them."
)
TEMPLATE = (
    "White outlines: where an aligned face is expected. If they miss it, the numbers that compare regions are wrong."
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

    @cached_property
    def map_HW(self) -> np.ndarray:
        """Return the cells enlarged to the size of the image."""
        return cv2.resize(self.cells_hw, self.image_HWC.shape[1::-1], interpolation=cv2.INTER_LINEAR)

    @cached_property
    def measures(self) -> Measures:
        return checks.measure(self.image_HWC)

    @cached_property
    def where(self) -> Regions:
        return checks.regions(self.image_HWC.shape)

    @property
    def outside(self) -> float:
        """Return the share of the map outside the face; NaN for a map of zeros."""
        return checks.share(self.map_HW, self.where.back_HW)


def page(images: Sequence[Explained], originals: Originals, title: str, whose: str, inputs: Mapping[str, str]) -> Page:
    """Return the page.

    Args:
        images: At least one.
        originals: Measures of known originals to compare with; may be empty.
        title: Of the page.
        whose: A sentence about the nets: had they seen the images?
        inputs: Digests by name, for the foot.
    """
    sections = [_section(number, image, originals) for number, image in enumerate(images, 1)]
    texts = (Text(whose), Text(READING), Text(TEMPLATE), Text(_compared(originals)))
    return Page(
        title=title,
        headline=headline(images),
        sections=(Section("How to read this page", texts), *sections),
        provenance=provenance("ffdi explain", inputs),
    )


def headline(images: Sequence[Explained]) -> str:
    """Return how many images the net calls fake, how many of them wrongly, and how often it looked outside the face."""
    fakes = sum(image.verdict == "fake" for image in images)
    said = f"Of {counted(len(images), 'image')}, the net calls {fakes} fake and {len(images) - fakes} original"
    known = [image for image in images if image.label != "unlabelled"]
    if known:
        wrong = sum(image.label != image.verdict for image in known)
        said += f"; it is wrong on {wrong} of the {len(known)} with a known label"
    outside = sum(image.outside > 0.5 for image in images)
    return f"{said}. In {outside} of them, most of the Grad-CAM map is outside the face."


def _compared(originals: Originals) -> str:
    if not len(originals):
        return "No originals to compare with: run ffdi folds first."
    low, high = min(originals.sides), max(originals.sides)
    sides = f"{low}" if low == high else f"{low} to {high}"
    return (
        f"Compared with {counted(len(originals), 'original')} of the competition; their shorter sides have {sides} "
        "pixels. An image of another size or JPEG quality differs for that reason alone."
    )


def _section(number: int, image: Explained, originals: Originals) -> Section:
    chance = 1 / (1 + math.exp(-min(max(image.logit, -500.0), 500.0)))
    said = Text(f"{image.name}: {image.label}. {image.score}. P(fake) of {image.net} alone: {chance:.3f}.")
    rows, columns = image.cells_hw.shape
    title = f"{number}. {image.label} {shorten(image.name.rpartition('/')[2], 16)}"
    caption = f"{image.net}, for “{image.verdict}”; {rows} x {columns} cells."
    shown = panels.of_image(image.image_HWC, image.map_HW, caption, originals)
    return Section(title, (said, *shown, _table(image, originals)))


def _table(image: Explained, originals: Originals) -> Table:
    """Return the measures by what a person would check, and the place of each among those of the originals."""
    values, where = checks.values(image.measures), image.where
    rows: list[dict[str, object]] = []
    for name, (check, measure) in MEASURES.items():
        row: dict[str, object] = {"check": check, "measure": measure, "this image": values[name]}
        if len(originals):
            low, middle, high = np.percentile(originals.values[name], [5, 50, 95])
            row |= {"originals' median": middle, "5 to 95%": f"{low:.3g} to {high:.3g}",
                    "originals below": percent(originals.below(name, values[name]), 0)}  # fmt: skip
        rows.append(row)
    for part, region_HW in (("eyes nose mouth", where.parts_HW), ("outside the face", where.back_HW)):
        measure = f"share of the map, {part} ({percent(float(region_HW.mean()), 0)} of the area)"
        rows.append({"check": "Grad-CAM", "measure": measure, "this image": checks.share(image.map_HW, region_HW)})
    formats = dict.fromkeys(("this image", "originals' median"), ".3g")
    return table(
        pd.DataFrame(rows),
        "Measured",
        "Originals below: share of originals with a lower value.",
        formats,
    )
