"""Maps of one image in which a forgery may show: error level, residual and spectrum.

H x W pixels, C = 3 channels RGB uint8; maps are float32 of the image's size. F bins of frequency.
"""

import cv2
import numpy as np

from ffdi.data import jpeg

QUALITY = 90  # of the trip through JPEG: above most of what images of the web were saved with
BINS = 48  # of frequency, from 0 to NYQUIST
NYQUIST = 0.5  # cycles a pixel
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


def frequencies(shape: tuple[int, ...]) -> np.ndarray:
    """Return cycles a pixel of each place of a `spectrum`; up to 0.71 in the corners."""
    down, across = (np.fft.fftshift(np.fft.fftfreq(side)) for side in shape[:2])
    return np.hypot(down[:, None], across[None])


def azimuthal_mean(spectrum_HW: np.ndarray) -> np.ndarray:
    """Return the mean of a `spectrum` over all directions, by frequency: [F], NaN in a bin that no place falls into."""
    bin_HW = (frequencies(spectrum_HW.shape) / NYQUIST * BINS).astype(np.int64)
    inside_HW = bin_HW < BINS
    count_F = np.bincount(bin_HW[inside_HW], minlength=BINS)
    sum_F = np.bincount(bin_HW[inside_HW], spectrum_HW[inside_HW], BINS)
    return np.divide(sum_F, count_F, out=np.full(BINS, np.nan), where=count_F > 0)


def bin_centres() -> np.ndarray:
    """Return cycles a pixel in the middle of each bin of `azimuthal_mean`: [F]."""
    return (np.arange(BINS) + 0.5) * NYQUIST / BINS
