"""Numbers of an image that should not separate real from fake; the audit tries them as shortcuts."""

from typing import NamedTuple

import cv2
import numpy as np

SHARPNESS_SIDE = 512  # pixels, the contest's own size; larger images are reduced to it
COLOUR_SIDE = 32  # pixels: a thousand samples are enough for a mean and a spread
_OPPONENTS = np.array([[1, -1, 0], [0.5, 0.5, -1]], np.float32)  # red-green, yellow-blue


class Features(NamedTuple):
    sharpness: float
    mean_grey: float  # 0-255
    colourfulness: float


NONE = Features(0.0, 0.0, 0.0)  # of what is no image


def measure(image_HWC: np.ndarray, grey_HW: np.ndarray) -> Features:
    """Return the numbers of a uint8 RGB image, whose grey is `grey_HW`."""
    return Features(sharpness(grey_HW), float(cv2.mean(grey_HW)[0]), colourfulness(image_HWC))


def sharpness(grey_HW: np.ndarray) -> float:
    """Return the mean square of the Laplacian (its mean is 0) over the variance of the grey; 0 for a flat image.

    Normalised twice, so that it does not repeat other shortcuts: by contrast (the quotient) and by scale (an image
    whose shorter side exceeds 512 pixels is first reduced to it; none is enlarged, which would blur it).
    """
    short = min(grey_HW.shape)
    if short > SHARPNESS_SIDE:
        factor = SHARPNESS_SIDE / short
        grey_HW = cv2.resize(grey_HW, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    edges = cv2.norm(cv2.Laplacian(grey_HW, cv2.CV_16S), cv2.NORM_L2SQR) / grey_HW.size
    _, contrast = cv2.meanStdDev(grey_HW)
    return float(edges / (contrast[0, 0] ** 2 + 1.0))  # + 1: a grey level of noise


def colourfulness(image_HWC: np.ndarray) -> float:
    """Return Hasler and Süsstrunk's number (2003, eq. 1): spread plus 0.3 mean of the opponent colours."""
    step = max(1, min(image_HWC.shape[:2]) // COLOUR_SIDE)
    pixels = np.ascontiguousarray(image_HWC[::step, ::step]).astype(np.float32)
    mean, spread = cv2.meanStdDev(cv2.transform(pixels, _OPPONENTS))
    return float(np.hypot(*spread[:, 0]) + 0.3 * np.hypot(*mean[:, 0]))
