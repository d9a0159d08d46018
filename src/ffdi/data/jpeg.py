"""What a JPEG's header tells without decoding: size, components, orientation, and the quality it was saved with."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

SIGNATURE = b"\xff\xd8\xff"
SCAN = b"\xff\xda"  # marker before pixel data
_DQT, _APP1, _APP14 = 0xDB, 0xE1, 0xEE
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0-15 without DHT, JPG and DAC
_READ = _FRAMES | {_DQT, _APP1, _APP14}
_LAST = frozenset({0xD9, 0xDA})  # EOI, SOS
_ALONE = frozenset({0x00, 0x01, *range(0xD0, 0xD9), 0xFF})  # no length follows: stuffing, TEM, RST0-7, SOI, fill
_ORIENTATION_TAG = 0x0112

# Luminance table of ITU-T T.81 annex K.1, row by row: what libjpeg scales by "quality".
_LUMINANCE = (
    *(16, 11, 10, 16, 24, 40, 51, 61),
    *(12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56),
    *(14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77),
    *(24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101),
    *(72, 92, 95, 98, 112, 100, 103, 99),
)


@dataclass(frozen=True, slots=True)
class Header:
    """`adobe` is the colour transform of the Adobe marker (None: no marker). `table` is the quantisation of the first
    component as stored: 64 values of one or two bytes in zigzag order (empty: none before the first scan)."""

    width: int
    height: int
    components: int
    precision: int
    adobe: int | None
    orientation: int
    table: bytes


def read_header(data: bytes) -> Header | None:
    """The facts in front of the first scan, or None if these bytes are no JPEG with a frame header."""
    if not data.startswith(SIGNATURE):
        return None
    frame, adobe, orientation, tables = b"", None, 1, dict[int, bytes]()
    for marker, payload in _segments(data):
        if marker in _FRAMES and len(payload) >= 9:
            frame = payload
        elif marker == _DQT:
            tables.update(_tables(payload))
        elif marker == _APP1 and payload.startswith(b"Exif\0\0"):
            orientation = exif_orientation(payload[6:])
        elif marker == _APP14 and payload.startswith(b"Adobe") and len(payload) >= 12:
            adobe = payload[11]
    if not frame:
        return None
    return Header(
        width=int.from_bytes(frame[3:5], "big"),
        height=int.from_bytes(frame[1:3], "big"),
        components=frame[5],
        precision=frame[0],
        adobe=adobe,
        orientation=orientation,
        table=tables.get(frame[8], b""),
    )


def quality(data: bytes) -> int:
    """The libjpeg quality (1-100) whose luminance table is nearest to the file's; -1 without JPEG or table."""
    header = read_header(data)
    return _nearest_quality(header.table) if header and header.table else -1


def exif_orientation(tiff: bytes) -> int:
    """Orientation 1-8 in the first directory of an Exif block (a small TIFF); 1 if it has none or is damaged."""
    order = {b"II": "little", b"MM": "big"}.get(tiff[:2])
    if order is None:
        return 1

    def number(start: int, size: int) -> int:
        return int.from_bytes(tiff[start : start + size], order)  # type: ignore[arg-type]

    directory = number(4, 4)
    for entry in range(directory + 2, directory + 2 + 12 * number(directory, 2), 12):
        if entry + 12 > len(tiff):
            return 1
        if number(entry, 2) == _ORIENTATION_TAG:
            value = number(entry + 8, 2)
            return value if 1 <= value <= 8 else 1
    return 1


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(marker, payload) of what is read here, up to the first scan; bytes in between are skipped, as libjpeg does."""
    position, end = 2, len(data) - 4
    while 0 <= (position := data.find(b"\xff", position)) <= end:
        marker = data[position + 1]
        if marker in _LAST:
            return
        if marker in _ALONE:
            position += 1 if marker == 0xFF else 2
            continue
        length = data[position + 2] << 8 | data[position + 3]
        if marker in _READ:
            yield marker, data[position + 4 : position + 2 + length]
        position += 2 + max(length, 2)


def _tables(payload: bytes) -> dict[int, bytes]:
    """Quantisation tables by id: 64 values of one or two bytes."""
    found = {}
    position = 0
    while position < len(payload):
        wide, name = payload[position] >> 4, payload[position] & 15
        size = 128 if wide else 64
        values = payload[position + 1 : position + 1 + size]
        if len(values) == size:
            found[name] = values
        position += 1 + size
    return found


@lru_cache(maxsize=1024)  # a data set has few distinct tables
def _nearest_quality(table: bytes) -> int:
    values = np.frombuffer(table, ">u2" if len(table) == 128 else np.uint8).astype(np.int64)
    return int(np.abs(_references() - values).sum(axis=1).argmin()) + 1


@lru_cache(maxsize=1)
def _references() -> np.ndarray:
    """[100, 64] luminance tables of libjpeg at quality 1-100 (jcparam.c: jpeg_quality_scaling), zigzag order."""
    quality = np.arange(1, 101)
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    cells = sorted(range(64), key=_zigzag)
    base = np.array(_LUMINANCE)[cells]
    return np.clip((base * scale[:, None] + 50) // 100, 1, 255)


def _zigzag(cell: int) -> tuple[int, int]:
    row, column = divmod(cell, 8)
    diagonal = row + column
    return diagonal, row if diagonal % 2 else column
