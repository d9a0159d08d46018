"""Maps of one image in which a forgery may show: error level, residual and spectrum.

H x W pixels, C = 3 channels RGB uint8; maps are float32 of the image's size.
"""

import cv2
import numpy as np

from ffdi.data import jpeg

QUALITY = 90  # of the trip through JPEG: above most of what images of the web were saved with
FLOOR = 1e-6  # of the magnitude, under the logarithm: below a rounding error of one pixel


def ela(image_HWC: np.ndarray) -> np.ndarray:
    """Return the error level (Krawetz 2007): by how much another JPEG trip changes each pixel, mean of RGB.

    A region that was saved otherwise than its surroundings changes more or less than they do. So do edges.
    """
    again_HWC = jpeg.recompress(np.ascontiguousarray(image_HWC), QUALITY)
    return cv2.absdiff(image_HWC, again_HWC).mean(axis=2, dtype=np.float32)


def residual(image_HWC: np.ndarray) -> np.ndarray:
    """Return the luma less its 3 x 3 median, in grey levels: noise and fine texture without the edges.

    A camera leaves some everywhere; smoothing and synthesis leave less, or a pattern (Kirchner and Fridrich 2010).
    """
    luma_HW = cv2.cvtColor(image_HWC, cv2.COLOR_RGB2GRAY)
    return luma_HW.astype(np.float32) - cv2.medianBlur(luma_HW, 3)


def spectrum(image_HWC: np.ndarray) -> np.ndarray:
    """Return log10 of the magnitude of the luma's Fourier transform, frequency 0 in the middle, under a Hann window.

    Upsampling leaves peaks off the middle (Frank et al. 2020).
    """
    luma_HW = cv2.cvtColor(image_HWC, cv2.COLOR_RGB2GRAY).astype(np.float32)
    window_HW = np.outer(*(np.hanning(side) for side in luma_HW.shape))
    waves_HW = np.fft.fftshift(np.fft.fft2((luma_HW - luma_HW.mean()) * window_HW))
    return np.log10(np.abs(waves_HW) / luma_HW.size + FLOOR).astype(np.float32)
