"""Any bytes into RGB uint8, or a named defect. The only decoder: scan, training and prediction see the same pixels.

Plain JPEG goes through simplejpeg (the same libjpeg-turbo as Pillow, bit-identical, 1.5-1.9 times as fast, and strict:
it refuses a truncated or visibly damaged stream, of which Pillow lets some pass). Everything else goes through Pillow.

What is repaired (usable everywhere, counted in the manifest):
  animated      first frame of a GIF, APNG, animated WebP or multi-page TIFF
  cmyk          CMYK or YCCK, converted as Adobe stores it (inverted)
  16bit         the high byte of each sample; Pillow's own conversion saturates 99.6 % of a ramp
  bilevel       1 bit to 0 and 255
  palette       looked up
  alpha         laid on black, which is what the contest's own images show where there is nothing (black wedges);
                dropping alpha would reveal colours hidden under transparency
  float         values in 0..1 times 255
  exif_rotated  turned upright (Pillow, simplejpeg and OpenCV's raw readers do not do it unasked)
What is kept but quarantined in training:
  double_width  twice as wide as high: two frames side by side, an oddity of the contest
What is refused (`Defect`): empty, zeros, not_image, truncated, corrupt, tiny, aspect, too_large, unscaled.
ICC profiles are ignored, as every trainer does.
"""

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ffdi.core.errors import FfdiError
from ffdi.data import jpeg, turbo

if TYPE_CHECKING:
    from PIL import Image

MIN_SIDE = 16  # pixels; less shows no face
MAX_ASPECT = 4.0  # longer to shorter side
MAX_PIXELS = 40_000_000  # 120 MB as RGB; checked before anything is allocated
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM")
_TRUNCATED = "Premature end of JPEG file"
_DAMAGED = "Corrupt JPEG data"


class Defect(FfdiError):
    """Bytes that give no image. `name` goes into the manifest; `width` and `height` are 0 where they are unknown."""

    def __init__(self, name: str, detail: str, width: int = 0, height: int = 0) -> None:
        super().__init__(name, detail, width, height)
        self.name, self.detail, self.width, self.height = name, detail, width, height

    def __str__(self) -> str:
        return f"{self.name}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Decoded:
    """`mode` and `format` are what the file held; `defect` names the repairs, joined by '+' ("" for none)."""

    image_HWC: np.ndarray  # uint8, RGB, upright, contiguous
    width: int
    height: int
    mode: str
    status: str  # "ok", "repaired" or "quarantined"
    defect: str
    format: str


def decode(data: bytes) -> Decoded:
    """The image in `data`. Raises Defect; a truncated or damaged file is never half-loaded."""
    if data.startswith(jpeg.SIGNATURE):
        return _decode_jpeg(data)
    if not data:
        raise Defect("empty", "the file has no bytes")
    if not data.strip(b"\0"):
        raise Defect("zeros", "the file holds only zero bytes")
    return _decode_other(data)


def _decode_jpeg(data: bytes) -> Decoded:
    header = jpeg.read_header(data)
    if header is None or jpeg.SCAN not in data:
        raise Defect("truncated", "the JPEG ends before its first scan")
    _check_size(header.width, header.height)
    if header.components == 4:
        _decode_strictly(data, "CMYK")  # Pillow converts, but would let damaged data pass
        return _decode_other(data)
    image = _decode_strictly(data, "RGB")
    if image is None:
        return _decode_other(data)
    return _finish(image, "L" if header.components == 1 else "RGB", "JPEG", header.orientation, [])


def _decode_strictly(data: bytes, colorspace: str) -> np.ndarray | None:
    """The pixels, or None where simplejpeg is not, or does not take it (rare subsamplings). Raises Defect on damage."""
    try:
        return turbo.decode(data, colorspace)
    except ValueError as error:
        reason = str(error)
    if _TRUNCATED in reason:
        raise Defect("truncated", reason)
    if _DAMAGED in reason:
        raise Defect("corrupt", reason)
    return None


def _decode_other(data: bytes) -> Decoded:
    from PIL import Image, ImageFile, UnidentifiedImageError

    ImageFile.LOAD_TRUNCATED_IMAGES = False  # some library may have switched it on: half an image teaches grey = fake
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's hints about sizes, palettes and broken Exif: all decided here
        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
                return _convert(picture)
        except Defect:
            raise
        except UnidentifiedImageError as error:
            name = "corrupt" if data.startswith(jpeg.SIGNATURE) else "not_image"
            raise Defect(name, f"none of {', '.join(FORMATS)}") from error
        except Image.DecompressionBombError as error:
            raise Defect("too_large", str(error)) from error
        except MemoryError as error:
            raise Defect("too_large", "not enough memory to decode it") from error
        except Exception as error:  # parsers of damaged files raise anything: struct.error, KeyError, SyntaxError, ...
            name = "truncated" if "truncated" in str(error).lower() else "corrupt"
            raise Defect(name, f"{type(error).__name__}: {error}") from error


def _convert(picture: "Image.Image") -> Decoded:
    _check_size(*picture.size)
    mode, kind = picture.mode, str(picture.format)
    repairs = ["animated"] if getattr(picture, "is_animated", False) else []
    wide = any(";16" in str(tile.args) for tile in getattr(picture, "tile", ()))  # before load, which forgets them
    turned = int(picture.getexif().get(0x0112, 1)) if kind == "TIFF" else 1
    picture.load()
    if kind == "TIFF":  # Pillow turns TIFF, and only TIFF, upright by itself
        repairs += ["exif_rotated"] if turned in range(2, 9) else []
        orientation = 1
    else:
        orientation = int(picture.getexif().get(0x0112, 1))
    image, repair = _to_rgb(picture, wide)
    return _finish(image, mode, kind, orientation, [*repairs, *repair])


def _to_rgb(picture: "Image.Image", wide: bool) -> tuple[np.ndarray, list[str]]:
    """(uint8 RGB, repairs). `wide`: 16 bits a sample, of which Pillow keeps the high byte except in greyscale."""
    from PIL import Image

    mode = picture.mode
    depth = ["16bit"] if wide else []
    if mode.startswith("I") or mode == "F":
        return _grey_to_rgb(np.asarray(picture), mode, wide)
    if "transparency" in picture.info or mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        layer = picture.convert("RGBA")
        black = Image.new("RGBA", layer.size, (0, 0, 0, 255))
        named = ["palette", "alpha"] if mode in ("P", "PA") else ["alpha"]
        return np.array(Image.alpha_composite(black, layer).convert("RGB")), [*depth, *named]
    named = {"1": ["bilevel"], "P": ["palette"], "CMYK": ["cmyk"]}.get(mode, [])
    return np.array(picture.convert("RGB")), [*depth, *named]


def _grey_to_rgb(grey_HW: np.ndarray, mode: str, wide: bool) -> tuple[np.ndarray, list[str]]:
    if wide:
        narrow, name = (grey_HW.astype(np.uint16) >> 8).astype(np.uint8), "16bit"
    elif mode == "F" and np.isfinite(grey_HW).all() and grey_HW.min() >= 0 and grey_HW.max() <= 1:
        narrow, name = np.rint(grey_HW * 255).astype(np.uint8), "float"
    else:
        raise Defect("unscaled", f"{grey_HW.dtype} samples without a known range", *grey_HW.shape[::-1])
    return np.repeat(narrow[..., None], 3, axis=2), [name]


def _finish(image: np.ndarray, mode: str, kind: str, orientation: int, repairs: list[str]) -> Decoded:
    if 2 <= orientation <= 8:
        image = _UPRIGHT[orientation](image)
        repairs = [*repairs, "exif_rotated"]
    height, width = image.shape[:2]
    double = width == 2 * height
    names = [*repairs, "double_width"] if double else repairs
    status = "quarantined" if double else "repaired" if repairs else "ok"
    return Decoded(np.ascontiguousarray(image), width, height, mode, status, "+".join(names), kind)


# By Exif orientation (Exif 2.32, 4.6.4): the stored first row and column turned to be the top row and left column.
_UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: image.swapaxes(0, 1)[:, ::-1],
    7: lambda image: image.swapaxes(0, 1)[::-1, ::-1],
    8: lambda image: image.swapaxes(0, 1)[::-1],
}


def _check_size(width: int, height: int) -> None:
    """Refuse by the header, before any pixel is allocated."""
    short, long = sorted((width, height))
    size = f"{width}x{height} pixels"
    if short == 0:
        raise Defect("corrupt", f"the header says {size}")
    if width * height > MAX_PIXELS:
        raise Defect("too_large", f"{size}, more than {MAX_PIXELS:,}", width, height)
    if long > MAX_ASPECT * short:
        raise Defect("aspect", f"{size}, longer than {MAX_ASPECT:g} to 1", width, height)
    if short < MIN_SIDE:
        raise Defect("tiny", f"{size}, a side below {MIN_SIDE}", width, height)
