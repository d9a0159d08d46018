"""The page of explained images: what a network looked at, beside what a person would check, measured.

Whatever is said of an image is a number taken from it, and its place among the same numbers of known originals.
h x w cells of a saliency map, H x W pixels.
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
from ffdi.report import panels, style
from ffdi.report.page import Fact, Page, Picture, Section, Text
from ffdi.report.table import Table, counted, percent, table

MEASURES = {
    "high": "power in high frequencies",
    "peak": "peak of the spectrum, powers of ten",
    "ela": "error level, face to background",
    "noise": "residual, face to background",
    "detail": "residual, features to skin",
    "light": "light, face to background, grey levels",
}
READING = (
    "Grad-CAM: where the net's last stage finds what speaks for its verdict, coarse as that stage is. Error level: "
    f"what a trip through JPEG quality {traces.QUALITY} changes; regions saved otherwise differ, and so do edges. "
    "Residual: luma less its 3 x 3 median, noise without edges. Spectrum: dots off the middle are patterns that "
    "repeat, as upsampling leaves them. None of these proves a forgery, and an original may show all."
)
TEMPLATE = (
    "White outlines: a template for aligned faces; where they miss the face, the numbers that compare "
    "regions miss it too."
)


@dataclass(frozen=True)
class Explained:
    """One image. `label`: 'fake', 'original' or 'unlabelled'; `score`: what the team gives it, in words; `net`: whose
    `cells_hw` (0 to 1) these are, with its own `logit`."""

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
        """The cells over the whole image, as the net saw it."""
        return cv2.resize(self.cells_hw, self.image_HWC.shape[1::-1], interpolation=cv2.INTER_LINEAR)

    @cached_property
    def measures(self) -> Measures:
        return checks.measure(self.image_HWC)

    @cached_property
    def where(self) -> Regions:
        return checks.regions(self.image_HWC.shape)

    @property
    def outside(self) -> float:
        """The share of the map outside the face; NaN for a map of zeros."""
        return checks.share(self.map_HW, self.where.back_HW)


def page(
    images: Sequence[Explained], originals: Originals, title: str, whose: str, provenance: Mapping[str, str]
) -> Page:
    """`whose`: a sentence on the nets, and whether they had seen the images."""
    sections = [_section(number, image, originals) for number, image in enumerate(images, 1)]
    return Page(
        title=title,
        headline=headline(images),
        facts=tuple(_facts(images, originals)),
        sections=(
            Section(
                "How to read the panels",
                (Text(whose), Text(READING), Text(TEMPLATE), Text(_compared(originals))),
            ),
            *sections,
        ),
        provenance=provenance,
    )


def headline(images: Sequence[Explained]) -> str:
    """How many look what to the nets, how many of them wrongly, and how often the face was not what counted."""
    fakes = sum(image.verdict == "fake" for image in images)
    said = f"Of {counted(len(images), 'image')}, {fakes} look fake to the net shown and {len(images) - fakes} original"
    known = [image for image in images if image.label != "unlabelled"]
    if known:
        wrong = sum(image.label != image.verdict for image in known)
        said += f"; it is wrong about {wrong} of the {len(known)} whose label is known"
    outside = sum(image.outside > 0.5 for image in images)
    return f"{said}. In {outside} of them most of the map lies outside the face."


def _facts(images: Sequence[Explained], originals: Originals) -> list[Fact]:
    shares = [image.outside for image in images if not math.isnan(image.outside)]
    areas = [image.where.back_HW.mean() for image in images]
    found = [Fact("images", f"{len(images)}")]
    if shares:
        note = f"mean; of the area {percent(float(np.mean(areas)), 0)}"
        found.append(Fact("map outside the face", percent(float(np.mean(shares)), 0), note))
    return [*found, Fact("originals compared with", f"{len(originals)}")]


def _compared(originals: Originals) -> str:
    if not len(originals):
        return "There is no manifest with originals here, so the numbers stand alone; run `ffdi scan` to compare."
    return (
        f"Compared with {counted(len(originals), 'original')} of the competition, drawn by a fixed key, whose shorter "
        f"sides have {_sides(originals)} pixels. An image of another size or JPEG quality differs for that alone."
    )


def _sides(originals: Originals) -> str:
    low, high = min(originals.sides), max(originals.sides)
    return f"{low}" if low == high else f"{low} to {high}"


def _other_size(image: Explained, originals: Originals) -> list[Text]:
    side = min(image.image_HWC.shape[:2])
    if not len(originals) or min(originals.sides) <= side <= max(originals.sides):
        return []
    told = f"Its shorter side has {side} pixels, those of the originals {_sides(originals)}: "
    return [Text(f"{told}what is said of them below compares sizes as much as traces.", warning=True)]


def _section(number: int, image: Explained, originals: Originals) -> Section:
    spectrum_HW = traces.spectrum(image.image_HWC)
    rows, columns = image.cells_hw.shape
    pictures: tuple[Picture, ...] = (
        panels.photo(image.image_HWC),
        panels.heat(image.image_HWC, image.map_HW, f"{image.net}, for “{image.verdict}”; {rows} x {columns} cells."),
        panels.error_level(traces.ela(image.image_HWC)),
        panels.high_pass(traces.residual(image.image_HWC)),
        panels.spectrum(spectrum_HW),
        panels.curve(traces.azimuthal_mean(spectrum_HW), originals),
    )
    chance = 1 / (1 + math.exp(-min(max(image.logit, -500.0), 500.0)))
    said = f"{image.name}: {image.label}. {image.score}. {image.net} alone: P(fake) {chance:.3f}."
    sentences = [Text(said), *_other_size(image, originals), *(Text(line) for line in check_lines(image, originals))]
    title = f"{number}. {image.label} {style.shorten(image.name.rpartition('/')[2], 16)}"
    return Section(title, (*sentences, *pictures, _table(image, originals)))


def check_lines(image: Explained, originals: Originals) -> list[str]:
    """The four checks of a person, one sentence or two each, of numbers only."""
    measured, where = image.measures, image.where
    on_parts, on_back = checks.share(image.map_HW, where.parts_HW), image.outside

    def place(name: str) -> str:
        below = originals.below(name, getattr(measured, name))
        return "" if math.isnan(below) else f", more than in {percent(below, 0)} of the originals"

    return [
        f"Detail: the residual on eyes, nose and mouth is {measured.detail:.2f} times that of the skin"
        f"{place('detail')}. {_looked(on_parts, where.parts_HW, 'on them')}",
        f"Light: the face's left half is {_lighter(measured.face_light)} than its right, the background's "
        f"{_lighter(measured.back_light)}; {counted(round(measured.light), 'grey level')} apart{place('light')}.",
        f"Pixels: {100 * measured.high:.2g}% of the power lies in the upper half of the frequencies{place('high')}. "
        f"The tallest peak off the axes stands {measured.peak:.2f} powers of ten out{place('peak')}. Recompression "
        f"changes the face {measured.ela:.2f} times as much as the background{place('ela')}.",
        f"Background: the residual of the face is {measured.noise:.2f} times that of the background{place('noise')}. "
        f"{_looked(on_back, where.back_HW, 'outside the face')}",
    ]


def _looked(share: float, region_HW: np.ndarray, where: str) -> str:
    area = percent(float(region_HW.mean()), 0)
    if math.isnan(share):
        return "The net's map is empty: nothing in its last stage speaks for its verdict."
    return f"Of the net's map {percent(share, 0)} lies {where}, which is {area} of the area."


def _lighter(levels: float) -> str:
    return f"{counted(round(abs(levels)), 'grey level')} {'brighter' if levels >= 0 else 'darker'}"


def _table(image: Explained, originals: Originals) -> Table:
    rows = []
    for name, value in checks.values(image.measures).items():
        row: dict[str, object] = {"measure": MEASURES[name], "this image": value}
        if len(originals):
            low, middle, high = np.percentile(originals.values[name], [5, 50, 95])
            row |= {"originals' median": middle, "5 to 95%": f"{low:.3g} to {high:.3g}",
                    "originals below": percent(originals.below(name, value), 0)}  # fmt: skip
        rows.append(row)
    return table(pd.DataFrame(rows), "Measured", formats=dict.fromkeys(("this image", "originals' median"), ".3g"))
