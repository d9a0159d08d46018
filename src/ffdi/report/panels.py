"""The panels of one explained image: pictures of the pixels, of the traces in them, and of what a network looked at.

H x W pixels, h x w cells of a saliency map, F bins of frequency.
"""

import cv2
import numpy as np

from ffdi.data import face, traces
from ffdi.data.checks import Originals
from ffdi.report import style
from ffdi.report.figures import data_uri, embed
from ffdi.report.page import Picture

SIDE = 352  # pixels of the longer side of a picture
JPEG = 88
BRIGHT = 99.5  # percentile of a map that is shown as white: one hot pixel would darken the rest
HEAT = 0.65  # how opaque the warmest place is
ENDS = (5, 95)  # percentiles of the originals' band


def photo(image_HWC: np.ndarray) -> Picture:
    """The image, with the outlines of the template."""
    shown = _resized(image_HWC)
    for ellipse in (face.FACE, *(one for part in face.PARTS.values() for one in part)):
        outline = _outline(ellipse, shown.shape)
        for colour, thickness in ((0, 0, 0), 3), ((255, 255, 255), 1):
            cv2.ellipse(shown, *outline, 0, 0, 360, colour, thickness, cv2.LINE_AA)
    height, width = image_HWC.shape[:2]
    told = f"{width} x {height} pixels; outlines: the template."
    return _picture("Image", "the image with the template's outlines", shown, told)


def heat(image_HWC: np.ndarray, map_HW: np.ndarray, caption: str) -> Picture:
    """A saliency map (0 to 1) over the image in grey."""
    shown = _resized(cv2.cvtColor(cv2.cvtColor(image_HWC, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB))
    warm_HW1 = cv2.resize(map_HW, shown.shape[1::-1], interpolation=cv2.INTER_LINEAR)[..., None]
    mixed = shown * (1 - HEAT * warm_HW1) + _coloured(warm_HW1[..., 0]) * (HEAT * warm_HW1)
    return _picture("Grad-CAM", "saliency over the image", mixed.astype(np.uint8), caption)


def error_level(map_HW: np.ndarray) -> Picture:
    top = max(1.0, float(np.percentile(map_HW, BRIGHT)))
    return _picture(
        "Error level", "error level analysis", _coloured(map_HW / top), f"Black 0, brightest {top:.1f} grey levels."
    )


def high_pass(residual_HW: np.ndarray) -> Picture:
    top = max(1.0, float(np.percentile(np.abs(residual_HW), BRIGHT)))
    grey_HW = np.clip(127.5 + 127.5 * residual_HW / top, 0, 255).astype(np.uint8)
    shown = cv2.cvtColor(grey_HW, cv2.COLOR_GRAY2RGB)
    return _picture("Residual", "high-pass residual", shown, f"Grey 0, black and white ±{top:.0f} grey levels.")


def spectrum(spectrum_HW: np.ndarray) -> Picture:
    low, high = np.percentile(spectrum_HW, [100 - BRIGHT, 99.9])
    shown = _coloured((spectrum_HW - low) / max(high - low, 1e-6))
    return _picture("Spectrum", "spectrum", shown, f"log10 of the magnitude, {low:.1f} to {high:.1f}.")


def curve(mean_F: np.ndarray, originals: Originals) -> Picture:
    """The spectrum's azimuthal mean, before the band of the originals."""
    figure, axes = style.panel(style.WIDTH)  # as high as wide, like its neighbours
    centres_F = traces.bin_centres()
    seen = f"5 to 95% of {len(originals)} originals"
    if len(originals):
        known_F = np.isfinite(originals.azimuthal_NF).any(axis=0)  # small images leave bins of frequency empty
        low_F, high_F = np.nanpercentile(originals.azimuthal_NF[:, known_F], ENDS, axis=0)
        axes.fill_between(centres_F[known_F], low_F, high_F, color=style.BLUE, alpha=0.22, linewidth=0, label=seen)
    axes.plot(centres_F, mean_F, color=style.ORANGE, linewidth=1.8, label="this image")
    style.legend(axes)
    style.name_axes(axes, "cycles a pixel", "log10 of the magnitude")
    return embed(figure, "Azimuthal mean", "azimuthal mean of the spectrum", "The spectrum's mean over all directions.")


def _outline(ellipse: face.Ellipse, shape: tuple[int, ...]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Centre and radii of an ellipse in the picture, in pixels."""
    x, y, radius_x, radius_y = ellipse
    height, width = shape[:2]
    return (round(x * width), round(y * height)), (round(radius_x * width), round(radius_y * height))


def _resized(image_HWC: np.ndarray) -> np.ndarray:
    """So that the longer side is SIDE; single pixels stay visible where it grows. A copy, to be drawn on."""
    factor = SIDE / max(image_HWC.shape[:2])
    height, width = (max(1, round(side * factor)) for side in image_HWC.shape[:2])
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_NEAREST
    return cv2.resize(image_HWC, (width, height), interpolation=how).copy()


def _coloured(map_HW: np.ndarray) -> np.ndarray:
    """0 to 1 as black over red to pale yellow, RGB."""
    levels_HW = np.clip(map_HW * 255, 0, 255).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(levels_HW, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)


def _picture(title: str, alt: str, shown_HWC: np.ndarray, caption: str) -> Picture:
    shown_HWC = _resized(shown_HWC)
    _, data = cv2.imencode(".jpg", cv2.cvtColor(shown_HWC, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG])
    return Picture(title, alt, data_uri(data.tobytes(), "image/jpeg"), caption, shown_HWC.shape[1], shown_HWC.shape[0])
