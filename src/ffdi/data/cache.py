"""Decoded pixels in one file, for data that fits on the disk: reading them is several times as fast as decoding.

Every image keeps its own size, so the pixels are those a decoder would give and the cache changes nothing but the
speed. Processes share the file through the page cache. It belongs to the files it was made of (names and sha256): for
others it is made anew. Each read is checked (crc32, 50 us an image of 256 px, own measurement).
"""

import shutil
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ffdi.core import atomic, checksum, console, digest
from ffdi.core.errors import CorruptError, SpaceError
from ffdi.data.decode import Defect
from ffdi.data.source import Files, packed

FORMAT = 1  # raise it when decoded pixels or their layout change
CHUNK = 64  # images decoded before they are written
CHANNELS = 3
INDEX = "index.parquet"


class Entry(NamedTuple):
    """Where an image lies in the file of pixels: [height, width, 3] bytes from `offset` on."""

    relpath: str
    offset: int
    height: int
    width: int
    crc: int


class Pixels:
    """A source for `rows` (relpath). Rows that are not in the cache are read from their files."""

    def __init__(self, place: Path, rows: pd.DataFrame, folder: Path) -> None:
        index = checksum.read_table(place / INDEX)
        facts = checksum.read_facts(place / INDEX)
        self._place, self._path = place, place / facts["pixels"]
        self._files = Files(rows, folder)
        self._relpaths = packed(rows.relpath)
        found = index.set_index("relpath").reindex(rows.relpath).fillna(-1)  # -1: not in the cache
        self._places_N4 = found[["offset", "height", "width", "crc"]].to_numpy(np.int64)
        self._check_size(facts["bytes"])
        self._memory: np.ndarray | None = None

    def read(self, row: int) -> np.ndarray:
        """uint8 RGB, HWC, read-only. Raises CorruptError when the pixels are not those written."""
        offset, height, width, crc = self._places_N4[row].tolist()
        if offset < 0:
            return self._files.read(row)
        if self._memory is None:  # not before the fork, and not in a pickle
            self._memory = np.memmap(self._path, np.uint8, "r")
        flat = self._memory[offset : offset + height * width * CHANNELS]
        if zlib.crc32(flat.data) != crc:
            name = self._relpaths[row].decode()
            raise CorruptError(f"{self._path} is damaged at {name}; delete the folder {self._place} and run again.")
        return np.asarray(flat).reshape(height, width, CHANNELS)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_memory": None}

    def _check_size(self, expected: int) -> None:
        size = self._path.stat().st_size if self._path.exists() else 0
        if size != expected:
            raise CorruptError(
                f"{self._path} has {size:,} bytes, not {expected:,}; delete the folder {self._place} and run again."
            )


def prepare(rows: pd.DataFrame, folder: Path, place: Path, threads: int = 1) -> None:
    """See that `place` holds the pixels of `rows` (relpath, sha256, width, height); a cache of other files goes.

    Raises SpaceError before anything is written when they do not fit on the disk.
    """
    key = _key(rows)
    if (place / INDEX).exists() and checksum.read_facts(place / INDEX)["key"] == key:
        return
    size = int((rows.width.astype(np.int64) * rows.height).sum()) * CHANNELS
    _check_space(size, place)
    path = place / f"{key[:16]}.pixels"
    entries: list[Entry] = []
    atomic.write_chunks(path, _pixels(rows, folder, threads, entries), size)
    index = pd.DataFrame(entries, columns=list(Entry._fields)).astype({"crc": "uint32"})
    checksum.write_table(place / INDEX, index, {"key": key, "pixels": path.name, "bytes": path.stat().st_size})
    for stale in set(place.glob("*.pixels")) - {path}:
        stale.unlink()


def _pixels(rows: pd.DataFrame, folder: Path, threads: int, entries: list[Entry]) -> Iterator[memoryview]:
    """Row after row; `entries` learns where each lies. What cannot be read is left out."""
    files, offset = Files(rows, folder), 0
    relpaths = rows.relpath.tolist()
    with ThreadPoolExecutor(max(threads, 1)) as pool, console.progress("decode into the cache", len(rows)) as meter:
        for start in range(0, len(rows), CHUNK):
            chunk = range(start, min(start + CHUNK, len(rows)))
            for row, image_HWC in zip(chunk, pool.map(partial(_read, files), chunk), strict=True):
                if image_HWC is not None:
                    height, width = image_HWC.shape[:2]
                    entries.append(Entry(relpaths[row], offset, height, width, zlib.crc32(image_HWC.data)))
                    offset += image_HWC.nbytes
                    yield image_HWC.data
            meter.advance(len(chunk))


def _read(files: Files, row: int) -> np.ndarray | None:
    try:
        return files.read(row)
    except (Defect, OSError):
        return None


def _key(rows: pd.DataFrame) -> str:
    lines = map("\t".join, zip(rows.relpath, rows.sha256, strict=True))
    return digest.of_bytes("\n".join([str(FORMAT), *lines]).encode())


def _check_space(size: int, place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(place).free
    if size > free:
        raise SpaceError(
            f"The decoded images need {size:,} bytes in {place}, where {free:,} are free; "
            'free some, or set data.cache = "none".'
        )
