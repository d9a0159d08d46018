"""A competition folder into a manifest: every label row and every file accounted for, every image decoded once.

The work is split by files: what was measured of a file holds as long as its path, size and time of change are the same.
Measurements are kept in sealed parts while the scan runs, so a killed scan goes on from its last part, and taken over
from the old manifest afterwards, so a second scan only touches what changed.
"""

from collections.abc import Mapping
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from ffdi.config.competition import Competition
from ffdi.core import atomic, checksum, console, lock
from ffdi.core.errors import FfdiError, Paused
from ffdi.core.layout import Workspace
from ffdi.core.stop import Stop
from ffdi.data import files, manifest, measurement, processes
from ffdi.data.measurement import KEY, MEASURED, UNREADABLE

PART = 20_000  # images a part: what a kill can cost, some 20 s of two cores
CHUNK = 200  # images a task
WORTH = 2_000  # images a worker, below which its start costs more than it saves


def scan(
    competition: Competition, folder: Path, places: Workspace, workers: int, stop: Stop | None = None
) -> pd.DataFrame:
    """Make or renew `places.manifest` and return it, with up to `workers` processes.

    Raises UserError for a bad table, a missing folder or another scan at work, Paused when `stop` asks; what was
    measured until then is kept.
    """
    parts = places.work / "scan"
    with lock.exclusive(parts):
        _sweep(places, parts)
        listing = files.listing(competition, folder)
        rows, left = _take_over(listing.rows, _known(places, parts))
        if len(left):
            _measure(folder, left, parts, workers, stop)
            rows, _ = _take_over(listing.rows, _known(places, parts))
        made = manifest.typed(rows)
        facts = {"competition": competition.name, "rules": measurement.RULES, "counts": _counts(made), **listing.facts}
        if not _is_there(places, made, facts):
            manifest.write(places, made, facts)
        for part in _parts(parts):
            part.unlink()
    _warn(facts)
    return made


def _known(places: Workspace, parts: Path) -> pd.DataFrame:
    """What was measured before, by the same rules; the latest of each path. Raises CorruptError."""
    frames = [pd.DataFrame({name: pd.Series(dtype=manifest.COLUMNS[name]) for name in [*KEY, *MEASURED]})]
    for source in [places.manifest, *_parts(parts)]:
        if source.exists() and checksum.read_facts(source).get("rules") == measurement.RULES:
            frame = checksum.read_table(source, [*KEY, *MEASURED])
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
    absent = measurement.refused(rows["defect"][~is_file])
    found = listed.join(pd.concat([measured, absent]) if len(absent) else measured, how="inner")
    return found, rows[is_file & ~same]


def _measure(folder: Path, left: pd.DataFrame, parts: Path, workers: int, stop: Stop | None) -> None:
    """Write parts until nothing is left. Whatever ends it early, what was measured is written first."""
    done: list[pd.DataFrame] = []
    chunks = (left[KEY].iloc[start : start + CHUNK] for start in range(0, len(left), CHUNK))
    helpers = min(workers, len(left) // WORTH)
    results = processes.unordered(partial(measurement.measure, folder), chunks, helpers)
    with console.progress("scan", len(left)) as meter, closing(results):
        try:
            for frame in results:
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


def _sweep(places: Workspace, parts: Path) -> None:
    """Remove what a killed scan left half-written; of the other verbs' folders nothing is touched."""
    atomic.sweep(parts)
    for orphan in places.work.glob(atomic.TEMP_PREFIX + "*"):
        orphan.unlink(missing_ok=True)


def _write_part(parts: Path, done: list[pd.DataFrame]) -> None:
    if done:
        number = max((int(part.stem.removeprefix("part-")) for part in _parts(parts)), default=0) + 1
        checksum.write_table(parts / f"part-{number:05d}.parquet", pd.concat(done), {"rules": measurement.RULES})
        done.clear()


def _parts(parts: Path) -> list[Path]:
    return sorted(parts.glob("part-*.parquet"))


def _is_there(places: Workspace, made: pd.DataFrame, facts: Mapping[str, Any]) -> bool:
    return (
        places.manifest.exists()
        and checksum.read_facts(places.manifest) == facts
        and manifest.read(places).equals(made)
    )


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
