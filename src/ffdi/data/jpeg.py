"""Read a JPEG: its header, its pixels, and the quality it was saved with.

simplejpeg (1.5-1.9 times as fast as Pillow) decodes a clean stream. All else goes to Pillow, on a copy that holds
nothing but the image, so that metadata cannot cost an image. Both give the same pixels (libjpeg-turbo), and Kaggle's
image has Pillow alone: so a defect is only what can be told without simplejpeg.
"""

import io
import re
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, JpegImagePlugin

try:
    import simplejpeg
except ImportError:
    simplejpeg = None

SIGNATURE = b"\xff\xd8\xff"
_EOI = b"\xff\xd9"
_NO_SCAN = b"\xff\xda\0\x02"  # lets Pillow read the header alone
_SOS, _APP0, _APP1, _APP14, _COM = 0xDA, 0xE0, 0xE1, 0xEE, 0xFE
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0-15 without DHT, JPG and DAC
_SEQUENTIAL = frozenset({0xC0, 0xC1})  # Huffman coded
_FAST_FRAMES = _SEQUENTIAL | {0xC2}  # and progressive
_WITHOUT_LENGTH = frozenset({0x00, 0x01, *range(0xD0, 0xD9), 0xFF})  # stuffing, TEM, RST0-7, SOI, fill
_KEPT_FROM = {_APP0: 18, _APP14: 16}  # bytes of a whole JFIF and Adobe segment, which decide the colours
_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_RESTART = re.compile(rb"\xff([\xd0-\xd7])")
_FILLER = bytes([0xB6, 0x5B, 0xAD]) * 64  # begins with 1, where libjpeg would fill in 0
_GREY = 128  # where libjpeg has no data; chroma of the block beside it may shift it a little


@dataclass(frozen=True, slots=True)
class Header:
    """The segments before the first scan as (marker, start, end); `scan` is the offset of that scan."""

    segments: tuple[tuple[int, int, int], ...]
    scan: int
    frame: int  # marker of the frame, which tells the kind of coding
    width: int
    height: int
    components: int


def read_header(data: bytes) -> Header | None:
    """Return the header of a JPEG; None if it ends before its first scan or has no frame."""
    segments, frame, position = [], None, 2
    limit = len(data) - 5
    while 0 <= (position := data.find(b"\xff", position)) <= limit:
        marker = data[position + 1]
        if marker == _SOS:
            if frame is None:
                return None
            kind, start, _ = frame
            height, width = (data[at] << 8 | data[at + 1] for at in (start + 5, start + 7))
            return Header(tuple(segments), position, kind, width, height, data[start + 9])
        if marker == 0xD9:
            return None
        if marker in _WITHOUT_LENGTH:
            position += 1 if marker == 0xFF else 2
            continue
        end = position + 2 + max(2, data[position + 2] << 8 | data[position + 3])
        segments.append((marker, position, end))
        if marker in _FRAMES and end - position >= 11:
            frame = segments[-1]
        position = end
    return None


def metadata(data: bytes, header: Header) -> dict[str, bytes]:
    """Return what Pillow's `info` would hold under "exif" and "xmp": blocks of Exif are joined, the last XMP counts."""
    found: dict[str, bytes] = {}
    for marker, start, end in header.segments:
        if marker == _APP1:
            payload = data[start + 4 : end]
            if payload.startswith(_EXIF):
                found["exif"] = found["exif"] + payload[6:] if "exif" in found else payload
            elif payload.startswith(_XMP):
                found["xmp"] = payload.split(b"\0", 1)[1]
    return found


def decode_fast(data: bytes, header: Header) -> np.ndarray | None:
    """Return uint8 RGB [H, W, 3] of a clean stream by simplejpeg; None where it is not installed or warns."""
    if simplejpeg is None or header.frame not in _FAST_FRAMES or header.components not in (1, 3):
        return None
    try:
        return simplejpeg.decode_jpeg(data, "RGB")
    except ValueError:
        return None


def has_all_scans(data: bytes, header: Header) -> bool:
    """Return whether every coefficient comes to full precision: of a progressive JPEG the last scans may be missing."""
    if header.frame in _SEQUENTIAL and data[header.scan + 4] == header.components:
        return True  # one scan holds everything
    exact = _scans(data, header.scan)[0]
    return len(exact) >= header.components and all(bits == (1 << 64) - 1 for bits in exact.values())


def decode_slowly(data: bytes, header: Header) -> Image.Image:
    """Return the loaded picture, of mode L, RGB or CMYK, by Pillow.

    Pillow fills missing blocks in silence. So where the stream has no end, or the picture ends in grey, it is decoded
    again with other bytes behind the last block: they change nothing in a whole image, and become pixels in others.

    Raises:
        OSError: the pixels are not all there ("truncated ...").
        Exception: whatever Pillow raises for a damaged stream.
    """
    _, stop, is_ended = _scans(data, header.scan)
    body = _pure(data, header) + data[header.scan : stop].rstrip(b"\xff")
    picture = _loaded(body + _EOI)
    corner = picture.crop((header.width - 1, header.height - 1, header.width, header.height)).convert("L")
    doubtful = not is_ended or header.components == 4 or abs(int(np.asarray(corner)[0, 0]) - _GREY) <= 2
    if doubtful and _loaded(body + _filler(body) + _EOI).tobytes() != picture.tobytes():
        raise OSError("truncated before the last block")
    return picture


def recompress(image_HWC: np.ndarray, quality: int) -> np.ndarray:
    """Return the image, uint8 RGB, after one trip through JPEG with halved colour.

    simplejpeg encodes with the fast DCT, which Pillow does not offer: without it the result differs by rounding.
    """
    if simplejpeg is not None:
        data = simplejpeg.encode_jpeg(image_HWC, quality, colorspace="RGB", colorsubsampling="420")
        return simplejpeg.decode_jpeg(data)
    buffer = io.BytesIO()
    Image.fromarray(image_HWC).save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    return np.asarray(Image.open(buffer))


def quality(data: bytes) -> int:
    """Return the libjpeg quality (1-100) whose luminance table is nearest to the file's; -1 without JPEG or table."""
    header = read_header(data) if data.startswith(SIGNATURE) else None
    return _nearest_quality(_luminance(_pure(data, header))) if header else -1


def _pure(data: bytes, header: Header) -> bytes:
    """Return the header without metadata, up to the first scan."""
    kept = data[:2]
    for marker, start, end in header.segments:
        is_metadata = 0xE0 <= marker <= 0xEF or marker == _COM
        if not is_metadata or end - start >= _KEPT_FROM.get(marker, 1 << 17):
            kept += data[start:end]
    return kept


def _scans(data: bytes, scan: int) -> tuple[dict[int, int], int, bool]:
    """Return the coefficients (as bits) of each component that some scan brings to full precision, the offset where the
    pixel data end, and whether an end marker stands there."""
    markers, exact = _markers(data, scan), dict[int, int]()
    position = scan
    while True:
        length = data[position + 2] << 8 | data[position + 3]
        if data[position + 1] == _SOS:
            _note_scan(data[position + 4 : position + 2 + length], exact)
        place = bisect_left(markers, position + 2 + length)
        if place == len(markers):
            return exact, len(data), False
        position = markers[place]
        if data[position + 1] == 0xD9 or position + 4 > len(data):
            return exact, position, data[position + 1] == 0xD9


def _markers(data: bytes, start: int) -> list[int]:
    """Return the offsets of the markers from `start` on, but for restarts: what may end the pixel data of a scan."""
    bytes_N = np.frombuffer(data, np.uint8)
    at = start + np.flatnonzero(bytes_N[start:-1] == 0xFF)
    kind = bytes_N[at + 1]
    return at[(kind != 0) & (kind != 0xFF) & ((kind < 0xD0) | (kind > 0xD7))].tolist()


def _note_scan(header: bytes, exact: dict[int, int]) -> None:
    """Note the coefficients of a scan (ITU-T T.81, B.2.3) whose last bit it holds."""
    count = header[0] if header else 0
    names, bounds = header[1 : 1 + 2 * count : 2], header[1 + 2 * count :]
    if len(bounds) >= 3 and not bounds[2] & 15:
        bits = (1 << min(bounds[1], 63) + 1) - (1 << min(bounds[0], 63))
        exact.update({name: exact.get(name, 0) | bits for name in names})


def _filler(body: bytes) -> bytes:
    """Return bytes that become pixels in every block, and every restart interval, that the stream lacks."""
    restarts = _RESTART.findall(body)
    last = restarts[-1][0] - 0xD0 if restarts else -1
    return _FILLER + b"".join(b"\xff" + bytes([0xD0 + (last + 1 + step) % 8]) + _FILLER for step in range(8))


def _loaded(stream: bytes) -> Image.Image:
    picture = JpegImagePlugin.JpegImageFile(io.BytesIO(stream))
    picture.load()
    return picture


def _luminance(pure: bytes) -> tuple[int, ...]:
    """Return the quantisation table of the first component; empty without one."""
    try:
        picture = JpegImagePlugin.JpegImageFile(io.BytesIO(pure + _NO_SCAN))
        return tuple(picture.quantization[picture.layer[0][3]])
    except (SyntaxError, KeyError, IndexError, OSError):
        return ()


@lru_cache(maxsize=1024)  # a data set has few distinct tables
def _nearest_quality(table: tuple[int, ...]) -> int:
    return int(np.abs(_references() - np.array(table)).sum(axis=1).argmin()) + 1 if table else -1


@lru_cache(maxsize=1)
def _references() -> np.ndarray:
    """Return the luminance tables of libjpeg at quality 1-100, int64 [100, 64]."""
    tables = []
    for number in range(1, 101):
        buffer = io.BytesIO()
        Image.new("L", (8, 8)).save(buffer, "JPEG", quality=number)
        tables.append(_luminance(buffer.getvalue()))
    return np.array(tables)
