"""Decode any bytes into RGB uint8, or name the defect. The only decoder: scan, training and prediction see the same.

What is repaired (usable everywhere, counted in the manifest):
  animated      the first frame of a GIF, APNG, animated WebP or multi-page TIFF
  cmyk          CMYK or YCCK, converted as Adobe stores it (inverted)
  16bit         the high byte of each sample; Pillow's own conversion saturates 99.6 % of a ramp
  bilevel       1 bit to 0 and 255
  palette       looked up
  alpha         laid on black, which is what the contest's own images show where there is nothing (black wedges);
                dropping alpha would reveal colours hidden under transparency
  exif_rotated  turned upright, as Exif or else XMP say
What is kept but quarantined in training:
  double_width  twice as wide as high: two frames side by side, an oddity of the contest
What is refused (`Defect`): empty, zeros, lfs_pointer, annex_pointer, html, appledouble, not_image, truncated, corrupt,
tiny, aspect, too_large, unscaled.
Metadata never costs a JPEG: broken Exif, XMP, ICC or text is ignored, and so is every ICC profile.
"""

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from ffdi.core.errors import FfdiError
from ffdi.core.stand_ins import stand_in
from ffdi.data import jpeg

MIN_SIDE = 16  # pixels; less shows no face
MAX_ASPECT = 4.0  # longer to shorter side
MAX_PIXELS = 40_000_000  # 120 MB as RGB; checked before anything is allocated
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM")
ORIENTATION = 0x0112


class Defect(FfdiError):
    """Bytes that give no image. `name` goes into the manifest; `width` and `height` are 0 where they are unknown."""

    def __init__(self, name: str, detail: str, width: int = 0, height: int = 0) -> None:
        super().__init__(name, detail, width, height)
        self.name, self.detail, self.width, self.height = name, detail, width, height

    def __str__(self) -> str:
        return f"{self.name}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Decoded:
    """`mode` is what the file held; `defect` names the repairs, joined by '+' ("" for none)."""

    image_HWC: np.ndarray  # uint8, RGB, upright, contiguous
    width: int
    height: int
    mode: str
    status: str  # "ok", "repaired" or "quarantined"
    defect: str


def decode(data: bytes) -> Decoded:
    """Return the image in `data`. Raises Defect; a truncated or damaged file is never half-loaded.

    Example:
        >>> decode(b"GIF89a").defect
        Traceback (most recent call last):
        ffdi.data.decode.Defect: not_image: none of JPEG, PNG, GIF, WEBP, BMP, TIFF, PPM
    """
    if data.startswith(jpeg.SIGNATURE):
        return _decode_jpeg(data)
    _refuse_known(data)
    with _defects(), Image.open(io.BytesIO(data), formats=FORMATS) as picture:
        return _convert(picture)


def _decode_jpeg(data: bytes) -> Decoded:
    header = jpeg.read_header(data)
    if header is None:
        raise Defect("truncated", "the JPEG ends before its first scan")
    _check_size(header.width, header.height)
    if not jpeg.has_all_scans(data, header):
        raise Defect("truncated", "the JPEG ends before its last scan")
    image, mode, repairs = jpeg.decode_fast(data, header), "L" if header.components == 1 else "RGB", list[str]()
    if image is None:
        with _defects():
            picture = jpeg.decode_slowly(data, header)
            mode = picture.mode
            image, repairs = _to_rgb(picture, False)
    turned = 1
    if tags := jpeg.metadata(data, header):
        shell = Image.Image()  # nothing but metadata, so that Pillow reads them for both decoders
        shell.info.update(tags)
        turned = _orientation(shell)
    return _finish(image, mode, turned, repairs)


@contextmanager
def _defects() -> Iterator[None]:
    """Turn whatever Pillow raises into a Defect; keep its warnings about sizes, palettes and Exif silent."""
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # some library may have switched it on: half an image teaches grey = fake
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Defect:
        raise
    except UnidentifiedImageError as error:
        raise Defect("not_image", f"none of {', '.join(FORMATS)}") from error
    except (Image.DecompressionBombError, MemoryError) as error:
        raise Defect("too_large", f"{type(error).__name__}: {error}") from error
    except Exception as error:  # parsers of damaged files raise anything: struct.error, KeyError, SyntaxError, ...
        name = "truncated" if "truncated" in str(error).lower() else "corrupt"
        raise Defect(name, f"{type(error).__name__}: {error}") from error


def _convert(picture: Image.Image) -> Decoded:
    _check_size(*picture.size)
    mode, is_tiff = picture.mode, picture.format == "TIFF"
    repairs = ["animated"] if _readable(lambda: getattr(picture, "is_animated", False)) else []
    wide = any(";16" in str(tile.args) for tile in getattr(picture, "tile", ()))  # before load, which forgets them
    turned = _orientation(picture) if is_tiff else 1
    picture.load()
    if turned > 1:  # Pillow turns TIFF, and only TIFF, upright by itself
        repairs.append("exif_rotated")
    image, repair = _to_rgb(picture, wide)
    return _finish(image, mode, 1 if is_tiff else _orientation(picture), [*repairs, *repair])


def _orientation(picture: Image.Image) -> int:
    """Return the orientation, 1 to 8, as Pillow reads it from Exif or else XMP; 1 where it cannot be read."""
    value = _readable(lambda: picture.getexif().get(ORIENTATION, 1))
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _readable(read: Callable[[], object]) -> object:
    """Return what `read` does; None where metadata, or a second frame, are damaged, which raises anything."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read()
    except Exception:
        return None


def _to_rgb(picture: Image.Image, wide: bool) -> tuple[np.ndarray, list[str]]:
    """Return uint8 RGB and the repairs. `wide`: 16 bits a sample, whose high byte Pillow keeps except in greyscale."""
    mode, depth = picture.mode, ["16bit"] if wide else []
    if mode.startswith("I") or mode == "F":
        if not wide:
            raise Defect("unscaled", f"samples of mode {mode}, without a known range", *picture.size)
        grey_HW = (np.asarray(picture).astype(np.uint16) >> 8).astype(np.uint8)
        return np.repeat(grey_HW[..., None], 3, axis=2), depth
    if "transparency" in picture.info or mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        layer = picture.convert("RGBA")
        black = Image.new("RGBA", layer.size, (0, 0, 0, 255))
        named = ["palette", "alpha"] if mode in ("P", "PA") else ["alpha"]
        return np.array(Image.alpha_composite(black, layer).convert("RGB")), [*depth, *named]
    named = {"1": ["bilevel"], "P": ["palette"], "CMYK": ["cmyk"]}.get(mode, [])
    return np.array(picture.convert("RGB")), [*depth, *named]


def _finish(image: np.ndarray, mode: str, orientation: int, repairs: list[str]) -> Decoded:
    if orientation > 1:
        image = _upright(image, orientation)
        repairs = [*repairs, "exif_rotated"]
    height, width = image.shape[:2]
    double = width == 2 * height
    names = [*repairs, "double_width"] if double else repairs
    status = "quarantined" if double else "repaired" if repairs else "ok"
    return Decoded(np.ascontiguousarray(image), width, height, mode, status, "+".join(names))


def _upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """Turn the stored first row and column to be the top row and left column (Exif 2.32, 4.6.4)."""
    image = image.swapaxes(0, 1) if orientation > 4 else image
    image = image[::-1] if orientation in (3, 4, 7, 8) else image
    return image[:, ::-1] if orientation in (2, 3, 6, 7) else image


def _refuse_known(data: bytes) -> None:
    """Raise the Defect of content that is no image and can be named."""
    if not data:
        raise Defect("empty", "the file has no bytes")
    if not data.strip(b"\0"):
        raise Defect("zeros", "the file holds only zero bytes")
    if found := stand_in(data):
        raise Defect(found.name, f"{found.what}; {found.remedy}")


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
