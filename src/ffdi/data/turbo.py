"""libjpeg-turbo through simplejpeg, where it is installed; Kaggle's image has Pillow alone.

Pixels are the same either way (tests hold it), Pillow takes 1.5-1.9 times as long and lets some damaged streams pass.
What `recompress` gives differs by rounding: simplejpeg encodes with the fast DCT, which Pillow does not offer.
"""

import io

import numpy as np
from PIL import Image

try:
    import simplejpeg
except ImportError:
    simplejpeg = None


def decode(data: bytes, colorspace: str, least: int = 0) -> np.ndarray | None:
    """uint8 [H, W, C], shrunk to 1/8 to 1/1, whichever still has `least` pixels a side; None without simplejpeg.

    Raises ValueError for a damaged stream, or one that simplejpeg does not take.
    """
    if simplejpeg is None:
        return None
    return simplejpeg.decode_jpeg(data, colorspace, min_height=least, min_width=least)


def recompress(image_HWC: np.ndarray, quality: int) -> np.ndarray:
    """The image, uint8 RGB, after one trip through JPEG with halved colour."""
    if simplejpeg is not None:
        data = simplejpeg.encode_jpeg(image_HWC, quality, colorspace="RGB", colorsubsampling="420")
        return simplejpeg.decode_jpeg(data)
    buffer = io.BytesIO()
    Image.fromarray(image_HWC).save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    return np.asarray(Image.open(buffer))
