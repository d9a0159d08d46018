"""A competition folder into a manifest: every label row and every file accounted for, every image decoded once.

The work is split by files: what was measured of a file holds as long as its path, size and time of change are the same.
Measurements are kept in sealed parts while the scan runs, so a killed scan goes on from its last part, and taken over
from the old manifest afterwards, so a second scan only touches what changed.
"""

import os
import signal
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from ffdi.base import atomic, console, digest, lock, seal
from ffdi.base.errors import FfdiError, Paused
from ffdi.base.paths import Places
from ffdi.base.stop import Stop
from ffdi.data import features, files, hashes, jpeg, manifest
from ffdi.data.decode import Decoded, Defect, decode
from ffdi.spec.competition import Competition

RULES = 1  # of decoding and measuring; raised when they change, so that old measurements are made anew
PART = 20_000  # images a part: what a kill can cost, some 20 s of two cores
CHUNK = 200  # images a task
WORTH = 2_000  # images a worker, below which its start costs more than it saves
MAX_BYTES = 256_000_000  # a file; beyond it nothing is read
UNREADABLE = "unreadable"  # the file is there, and the system refuses to read it
KEY = ["relpath", "bytes", "mtime_ns"]
MEASURED = [name for name in manifest.COLUMNS if name not in ("id", "split", "target", *KEY)]
_SUFFIXES = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "JPEG"),
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    **dict.fromkeys((".ppm", ".pgm", ".pbm", ".pnm"), "PPM"),
    **{".png": "PNG", ".gif": "GIF", ".webp": "WEBP", ".bmp": "BMP"},
}


def scan(
    competition: Competition, folder: Path, places: Places, workers: int, stop: Stop | None = None
) -> pd.DataFrame:
    """Make or renew `places.manifest` and return it, with up to `workers` processes.

    Raises UserError for a bad table, a missing folder or another scan at work, Paused when `stop` asks; what was
    measured until then is kept.
    """
    parts = places.work / "scan"
    with lock.exclusive(parts):
        atomic.sweep(parts)
        listing = files.listing(competition, folder)
        rows, left = _take_over(listing.rows, _known(places, parts))
        if len(left):
            _measure(folder, left, parts, workers, stop)
            rows, _ = _take_over(listing.rows, _known(places, parts))
        made = manifest.check(rows)
        facts = {"competition": competition.name, "rules": RULES, "counts": _counts(made), **listing.facts}
        if not _is_there(places, made, facts):
            manifest.write(places, made, facts)
        for part in _parts(parts):
            part.unlink()
    _warn(facts)
    return made


def examine(folder: Path, relpath: str) -> dict[str, Any]:
    """What MEASURED holds of one file, its perceptual hashes aside; and its thumbnail for those, or None."""
    try:
        path = folder / relpath
        data = path.read_bytes() if path.stat().st_size <= MAX_BYTES else None
    except OSError:
        return _refused(UNREADABLE)
    if data is None:
        return _refused("too_large")
    try:
        image = decode(data)
    except Defect as defect:
        found = _refused(defect.name, width=defect.width, height=defect.height)
    else:
        found = _accepted(image, Path(relpath).suffix.lower())
    return {**found, "sha256": digest.of_bytes(data), "jpeg_q": jpeg.quality(data)}


def _accepted(image: Decoded, suffix: str) -> dict[str, Any]:
    grey = cv2.cvtColor(image.image_HWC, cv2.COLOR_RGB2GRAY)
    status, defect = image.status, image.defect
    if _SUFFIXES.get(suffix, image.format) != image.format:
        status = "repaired" if status == "ok" else status
        defect = f"{defect}+extension".lstrip("+")
    return {
        **{"width": image.width, "height": image.height, "mode": image.mode, "status": status, "defect": defect},
        **features.measure(image.image_HWC, grey)._asdict(),
        "thumb": hashes.thumb(grey),
    }


def _refused(name: str, width: int = 0, height: int = 0) -> dict[str, Any]:
    return {
        **{"width": width, "height": height, "mode": "", "status": "quarantined", "defect": name},
        **features.NONE._asdict(),
        **{"thumb": None, "sha256": "", "jpeg_q": -1},
    }


def _known(places: Places, parts: Path) -> pd.DataFrame:
    """What was measured before, by the same rules; the latest of each path. Raises CorruptError."""
    frames = [pd.DataFrame({name: pd.Series(dtype=manifest.COLUMNS[name]) for name in [*KEY, *MEASURED]})]
    for source in [places.manifest, *_parts(parts)]:
        if source.exists() and seal.read_facts(source).get("rules") == RULES:
            frame = seal.read_table(source, [*KEY, *MEASURED])
            # What could not be read at the last scan is tried again at the next.
            frames.append(frame[frame["defect"] != UNREADABLE] if source == places.manifest else frame)
    known = pd.concat(frames, ignore_index=True)
    return known.drop_duplicates("relpath", keep="last", ignore_index=True)


def _take_over(rows: pd.DataFrame, known: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(rows with measurements, rows whose file has yet to be measured). The order of the rows stays."""
    is_file = (rows["defect"] == "").to_numpy()
    place = pd.Index(known["relpath"]).get_indexer(pd.Index(rows["relpath"]))
    same = is_file & (place >= 0)
    for name in ("bytes", "mtime_ns"):
        same[same] = known[name].to_numpy()[place[same]] == rows[name].to_numpy()[same]
    listed = rows.drop(columns="defect")
    measured = known[MEASURED].iloc[place[same]].set_axis(rows.index[same])
    absent = pd.DataFrame([_hashed(_refused(name), 0, "") for name in rows["defect"][~is_file]], rows.index[~is_file])
    found = listed.join(pd.concat([measured, absent]) if len(absent) else measured, how="inner")
    return found, rows[is_file & ~same]


def _measure(folder: Path, left: pd.DataFrame, parts: Path, workers: int, stop: Stop | None) -> None:
    """Write parts until nothing is left. Whatever ends it early, what was measured is written first."""
    done: list[pd.DataFrame] = []
    chunks = (left[KEY].iloc[start : start + CHUNK] for start in range(0, len(left), CHUNK))
    helpers = min(workers, len(left) // WORTH)
    with console.progress("scan", len(left)) as meter, closing(_examined(folder, chunks, helpers)) as examined:
        try:
            for frame in examined:
                done.append(frame)
                meter.advance(len(frame))
                if sum(map(len, done)) >= PART:
                    _write_part(parts, done)
                if stop is not None and stop.requested:
                    raise Paused(f"Scan stopped ({stop.reason}); the same command goes on from {meter.done:,} images.")
        except BrokenProcessPool as error:
            raise FfdiError(
                "A scan worker was killed, for lack of memory perhaps; run again with fewer workers, it goes on."
            ) from error
        finally:
            _write_part(parts, done)


def _examined(folder: Path, chunks: Iterator[pd.DataFrame], workers: int) -> Generator[pd.DataFrame, None, None]:
    """The chunks with their measurements, in whatever order they are done."""
    if workers < 2:
        yield from (_examine_chunk(folder, chunk) for chunk in chunks)
        return
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin_worker, (os.getpid(),))
    try:
        waiting = {pool.submit(_examine_chunk, folder, chunk) for chunk in islice(chunks, 2 * workers)}
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            waiting |= {pool.submit(_examine_chunk, folder, chunk) for chunk in islice(chunks, len(done))}
            yield from (future.result() for future in done)
    finally:
        pool.shutdown(cancel_futures=True)


def _begin_worker(parent: int) -> None:
    """Work on one core, leave the keyboard to the parent, and leave when it is gone: a killed scan leaves nobody."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=watch, daemon=True).start()


def _examine_chunk(folder: Path, chunk: pd.DataFrame) -> pd.DataFrame:
    found = [examine(folder, relpath) for relpath in chunk["relpath"]]
    short, long = hashes.hash_thumbs(item["thumb"] for item in found if item["thumb"] is not None)
    pairs = iter(zip(short.tolist(), hashes.to_hex(long), strict=True))
    records = [_hashed(item, *(next(pairs) if item["thumb"] is not None else (0, ""))) for item in found]
    return chunk.join(pd.DataFrame(records, chunk.index).astype({name: manifest.COLUMNS[name] for name in MEASURED}))


def _hashed(found: Mapping[str, Any], phash: int, phash256: str) -> dict[str, Any]:
    kept = {name: found[name] for name in found if name != "thumb"}
    return {**kept, "phash": np.uint64(phash), "phash256": phash256}


def _write_part(parts: Path, done: list[pd.DataFrame]) -> None:
    if done:
        number = max((int(part.stem.removeprefix("part-")) for part in _parts(parts)), default=0) + 1
        seal.write_table(parts / f"part-{number:05d}.parquet", pd.concat(done), {"rules": RULES})
        done.clear()


def _parts(parts: Path) -> list[Path]:
    return sorted(parts.glob("part-*.parquet"))


def _is_there(places: Places, made: pd.DataFrame, facts: Mapping[str, Any]) -> bool:
    return places.manifest.exists() and seal.read_facts(places.manifest) == facts and manifest.read(places).equals(made)


def _counts(made: pd.DataFrame) -> dict[str, Any]:
    """By split: rows of each status and of each defect."""
    groups = made.groupby("split", sort=False)
    return {
        str(split): {
            "status": rows["status"].value_counts().sort_index().to_dict(),
            "defect": rows["defect"][rows["defect"] != ""].value_counts().sort_index().to_dict(),
        }
        for split, rows in groups
    }


def _warn(facts: Mapping[str, Any]) -> None:
    for note in facts["notes"]:
        console.warn(note)
    for split, spare in facts["unlisted"].items():
        if spare["count"]:
            console.warn(f"{split}: {spare['count']:,} files have no row in the table, such as {spare['first'][0]!r}.")
    for split, counts in facts["counts"].items():
        for defect, number in counts["defect"].items():
            console.warn(f"{split}: {number:,} images are {defect!r}; see the manifest.")
