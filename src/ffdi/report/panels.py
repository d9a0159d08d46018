"""The pictures of one explained image: its pixels, traces in them, and what a network looked at.

H x W pixels, F bins of frequency.
"""

import cv2
import numpy as np

from ffdi.data import face, traces
from ffdi.data.checks import Originals
from ffdi.report import style
from ffdi.report.figures import embed
from ffdi.report.images import jpeg
from ffdi.report.page import Picture

SIDE, QUALITY = 352, 88  # pixels of the longer side; JPEG
BRIGHT = 99.5  # percentile of a map that is shown as white, so that one hot pixel does not darken the rest
HEAT = 0.65  # opacity of the highest value


def of_image(image_HWC: np.ndarray, map_HW: np.ndarray, caption: str, originals: Originals) -> tuple[Picture, ...]:
    """Return the six pictures of one image.

    Args:
        image_HWC: uint8 RGB pixels.
        map_HW: Grad-CAM, 0 to 1.
        caption: Of the Grad-CAM picture.
        originals: What known originals show.
    """
    error_HW, residual_HW = traces.ela(image_HWC), traces.residual(image_HWC)
    spectrum_HW = traces.spectrum(image_HWC)
    top, span = max(1.0, _bright(error_HW)), max(1.0, _bright(np.abs(residual_HW)))
    low, high = np.percentile(spectrum_HW, [100 - BRIGHT, 99.9])
    grey_HW = np.clip(127.5 + 127.5 * residual_HW / span, 0, 255).astype(np.uint8)
    size = f"{image_HWC.shape[1]} x {image_HWC.shape[0]} pixels."
    return (
        _picture("Image", _outlined(_resized(image_HWC)), size),
        _picture("Grad-CAM", _heat(_resized(image_HWC), map_HW), caption),
        _picture("Error level", _coloured(error_HW / top), f"Black 0, brightest {top:.1f} grey levels."),
        _picture("Residual", cv2.cvtColor(grey_HW, cv2.COLOR_GRAY2RGB), f"Grey 0, black and white ±{span:.0f} levels."),
        _picture("Spectrum", _coloured((spectrum_HW - low) / max(high - low, 1e-6)), "log10 of the magnitude."),
        _azimuthal(traces.azimuthal_mean(spectrum_HW), originals),
    )


def _bright(map_HW: np.ndarray) -> float:
    return float(np.percentile(map_HW, BRIGHT))


def _outlined(shown_HWC: np.ndarray) -> np.ndarray:
    """Draw the outlines of the face template."""
    height, width = shown_HWC.shape[:2]
    for x, y, radius_x, radius_y in (face.FACE, *(one for part in face.PARTS.values() for one in part)):
        centre, radii = (round(x * width), round(y * height)), (round(radius_x * width), round(radius_y * height))
        for colour, thickness in ((0, 0, 0), 3), ((255, 255, 255), 1):
            cv2.ellipse(shown_HWC, centre, radii, 0, 0, 360, colour, thickness, cv2.LINE_AA)
    return shown_HWC


def _heat(shown_HWC: np.ndarray, map_HW: np.ndarray) -> np.ndarray:
    """Lay a map over the image in grey."""
    grey_HWC = cv2.cvtColor(cv2.cvtColor(shown_HWC, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    warm_HW1 = cv2.resize(map_HW, shown_HWC.shape[1::-1], interpolation=cv2.INTER_LINEAR)[..., None]
    return (grey_HWC * (1 - HEAT * warm_HW1) + _coloured(warm_HW1[..., 0]) * (HEAT * warm_HW1)).astype(np.uint8)


def _azimuthal(mean_F: np.ndarray, originals: Originals) -> Picture:
    """Draw the mean of the spectrum over all directions, with the range of the originals."""
    figure, axes = style.panel(style.WIDTH)  # as high as wide, like its neighbours
    centres_F = traces.bin_centres()
    if len(originals):
        known_F = np.isfinite(originals.azimuthal_NF).any(axis=0)  # small images leave bins of frequency empty
        low_F, high_F = np.nanpercentile(originals.azimuthal_NF[:, known_F], (5, 95), axis=0)
        label = f"5 to 95% of {len(originals)} originals"
        axes.fill_between(centres_F[known_F], low_F, high_F, color=style.BLUE, alpha=0.22, linewidth=0, label=label)
    axes.plot(centres_F, mean_F, color=style.ORANGE, linewidth=1.8, label="this image")
    style.legend(axes)
    style.name_axes(axes, "cycles per pixel", "log10 of the magnitude")
    return embed(figure, "Mean spectrum", "Mean over all directions.")


def _resized(image_HWC: np.ndarray) -> np.ndarray:
    """Return a copy whose longer side is SIDE; enlarging keeps single pixels visible."""
    factor = SIDE / max(image_HWC.shape[:2])
    height, width = (max(1, round(side * factor)) for side in image_HWC.shape[:2])
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_NEAREST
    return cv2.resize(image_HWC, (width, height), interpolation=how).copy()


def _coloured(map_HW: np.ndarray) -> np.ndarray:
    """Return 0 to 1 as black over red to pale yellow, RGB."""
    levels_HW = np.clip(map_HW * 255, 0, 255).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(levels_HW, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)


def _picture(title: str, shown_HWC: np.ndarray, caption: str) -> Picture:
    shown_HWC = _resized(shown_HWC)
    height, width = shown_HWC.shape[:2]
    return Picture(title, f"{title} of the image", jpeg(shown_HWC, SIDE, QUALITY), caption, width, height)
