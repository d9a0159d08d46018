"""Measures of detail, light and pixels, inside and outside the face of a portrait.

The face is the template of `face`: where a face is not aligned, the numbers that compare regions are of other regions.
None of them proves a forgery; they are read against the same numbers of known originals.

H x W pixels; masks are bool, maps float32.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from ffdi.data import face, traces

HIGH = traces.NYQUIST / 2  # cycles a pixel: the upper half of what pixels can hold
PEAK_FROM = 0.1  # cycles a pixel, below which the face itself makes peaks
AXIS = 0.02  # cycles a pixel from the axes: windows, hair and the border of the frame leave lines there
NAMES = ("high", "peak", "ela", "noise", "detail", "light")  # what is compared with originals
MIN_LEVEL = 1e-3  # grey levels, so that a flat region divides nothing by zero


@dataclass(frozen=True)
class Measures:
    """Numbers of one image: differences in grey levels; levels are means of the maps of `traces`."""

    high: float  # share of the spectrum's power above HIGH
    peak: float  # how far the tallest peak stands above the mean of its frequency, in powers of ten
    ela: float  # mean error level of the face, divided by that of the background
    noise: float  # mean size of the residual of the face, divided by that of the background
    detail: float  # the same of eyes, nose and mouth, divided by that of the rest of the face
    face_light: float  # luma of the face's left half less its right
    back_light: float  # the same of the background

    @property
    def light(self) -> float:
        """Return how far the light on the face is from that on the background, left against right."""
        return abs(self.face_light - self.back_light)


@dataclass(frozen=True)
class Regions:
    """Masks of the face, of its parts, and of everything else."""

    face_HW: np.ndarray
    parts_HW: np.ndarray
    left_HW: np.ndarray  # of the face's middle, background included

    @property
    def back_HW(self) -> np.ndarray:
        return ~self.face_HW

    @property
    def skin_HW(self) -> np.ndarray:
        return self.face_HW & ~self.parts_HW


def regions(shape: tuple[int, ...]) -> Regions:
    """Return the regions of the template for an image of this shape."""
    height, width = shape[:2]
    x_HW, y_HW = (np.arange(width)[None] + 0.5) / width, (np.arange(height)[:, None] + 0.5) / height  # they broadcast
    parts = [ellipse for ellipses in face.PARTS.values() for ellipse in ellipses]
    parts_HW = np.logical_or.reduce([_inside(x_HW, y_HW, ellipse) for ellipse in parts])
    left_HW = np.broadcast_to(x_HW < face.FACE[0], shape[:2])
    return Regions(_inside(x_HW, y_HW, face.FACE) | parts_HW, parts_HW, left_HW)


def measure(image_HWC: np.ndarray) -> Measures:
    """Return the measures of uint8 RGB pixels."""
    where = regions(image_HWC.shape)
    error_HW, noise_HW = traces.ela(image_HWC), np.abs(traces.residual(image_HWC))
    luma_HW = cv2.cvtColor(image_HWC, cv2.COLOR_RGB2GRAY).astype(np.float32)
    spectrum_HW = traces.spectrum(image_HWC)
    return Measures(
        high=_high(spectrum_HW),
        peak=_peak(spectrum_HW),
        ela=_ratio(error_HW, where.face_HW, where.back_HW),
        noise=_ratio(noise_HW, where.face_HW, where.back_HW),
        detail=_ratio(noise_HW, where.parts_HW, where.skin_HW),
        face_light=_left_less_right(luma_HW, where.face_HW, where.left_HW),
        back_light=_left_less_right(luma_HW, where.back_HW, where.left_HW),
    )


@dataclass(frozen=True)
class Originals:
    """Figures of images known to be original: numbers by name, azimuthal means of the spectrum, pixels of the sides."""

    values: Mapping[str, np.ndarray]
    azimuthal_NF: np.ndarray
    sides: tuple[int, ...]  # shorter sides, in pixels

    def __len__(self) -> int:
        return len(self.azimuthal_NF)

    def below(self, name: str, value: float) -> float:
        """Return the share of them whose `name` is smaller, equals counted half; NaN where there is none."""
        known_N = self.values[name]
        return float(((known_N < value) + 0.5 * (known_N == value)).mean()) if len(known_N) else math.nan


def of_originals(images: Iterable[np.ndarray]) -> Originals:
    """Return the measures of known originals; there may be none."""
    found, means, sides = [], [], []
    for image_HWC in images:
        found.append(values(measure(image_HWC)))
        means.append(traces.azimuthal_mean(traces.spectrum(image_HWC)))
        sides.append(min(image_HWC.shape[:2]))
    by_name = {name: np.array([one[name] for one in found]) for name in NAMES}
    return Originals(by_name, np.array(means).reshape(-1, traces.BINS), tuple(sides))


def values(measures: Measures) -> dict[str, float]:
    """Return the numbers that are compared with those of originals, by NAMES."""
    return {name: getattr(measures, name) for name in NAMES}


def share(map_HW: np.ndarray, region_HW: np.ndarray) -> float:
    """Return the part of a map's sum that lies in the region; NaN for a map of zeros."""
    whole = float(map_HW.sum())
    return float(map_HW[region_HW].sum()) / whole if whole > 0 else math.nan


def _inside(x_HW: np.ndarray, y_HW: np.ndarray, ellipse: face.Ellipse) -> np.ndarray:
    x, y, radius_x, radius_y = ellipse
    return ((y_HW - y) / radius_y) ** 2 + ((x_HW - x) / radius_x) ** 2 <= 1


def _high(spectrum_HW: np.ndarray) -> float:
    power_HW = np.square(10.0**spectrum_HW)
    return share(power_HW, traces.frequencies(spectrum_HW.shape) > HIGH)


def _peak(spectrum_HW: np.ndarray) -> float:
    frequency_HW = traces.frequencies(spectrum_HW.shape)
    bin_HW = np.minimum((frequency_HW / traces.NYQUIST * traces.BINS).astype(np.int64), traces.BINS - 1)
    above_HW = spectrum_HW - traces.azimuthal_mean(spectrum_HW)[bin_HW]
    down, across = (np.abs(np.fft.fftshift(np.fft.fftfreq(side))) for side in spectrum_HW.shape)
    free_HW = (down[:, None] > AXIS) & (across[None] > AXIS)
    return float(above_HW[free_HW & (frequency_HW > PEAK_FROM) & (frequency_HW < traces.NYQUIST)].max())


def _ratio(map_HW: np.ndarray, region_HW: np.ndarray, other_HW: np.ndarray) -> float:
    return (float(map_HW[region_HW].mean()) + MIN_LEVEL) / (float(map_HW[other_HW].mean()) + MIN_LEVEL)


def _left_less_right(luma_HW: np.ndarray, region_HW: np.ndarray, left_HW: np.ndarray) -> float:
    return float(luma_HW[region_HW & left_HW].mean() - luma_HW[region_HW & ~left_HW].mean())
