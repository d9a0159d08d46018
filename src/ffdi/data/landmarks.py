"""The table of landmarks: five points of every face that is trained on, found once and kept by the sha256 of its file.

For recipes that say data.landmarks = "detector". Points that were found hold as long as the file and the detector are
the same; they are kept in sealed parts while the search runs, so a killed one goes on from its last part.

N rows; points as data.detector gives them, NaN where no face was found.
"""

from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ffdi.config.recipe import Data
from ffdi.core import atomic, checksum, console, digest, lock
from ffdi.core.errors import FfdiError, Paused, UserError
from ffdi.core.layout import Workspace, inside
from ffdi.core.stop import Stop
from ffdi.data import detector, processes
from ffdi.data.decode import Defect, decode
from ffdi.data.extra import SPLIT

POINTS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")
COORDINATES = [f"{point}_{axis}" for point in POINTS for axis in "xy"]
FOUND = ["sha256", "found", *COORDINATES]
COLUMNS = ["id", "split", *FOUND]
FACTS = {"detector": detector.IDENTITY}
PART = 2_000  # images a part: what a kill can cost, a minute of one core
CHUNK = 50  # images a task
WORTH = 400  # images a worker, below which its start costs more than it saves


def require(data: Data, places: Workspace) -> None:
    """Before a long scan. Raises UserError, with the command that installs it, if the recipe wants a detector and there
    is neither one nor a table that may do without."""
    if data.landmarks == "detector" and not places.landmarks.exists():
        detector.require()


def make(
    data: Data, rows: pd.DataFrame, folder: Path, places: Workspace, workers: int, stop: Stop | None = None
) -> None:
    """Make or renew `places.landmarks` for the usable rows of a manifest that are fitted, if the recipe wants it.

    Rows of other splits whose points are known stay in it. Raises UserError if the detector is needed and not
    installed, Paused when `stop` asks; what was found until then is kept.
    """
    if data.landmarks == "template":
        return
    usable, parts = rows[rows["status"] != "quarantined"], places.work / "landmarks"
    with lock.exclusive(parts):
        atomic.sweep(parts)
        known = _known(places, parts)
        wanted = usable[usable["split"].isin(data.fit) & ~usable["sha256"].isin(known["sha256"])]
        if len(wanted):
            detector.require()
            _find(folder, wanted.drop_duplicates("sha256"), parts, workers, stop)
            known = _known(places, parts)
        made = usable[["id", "split", "sha256"]].merge(known, on="sha256")[COLUMNS]
        if not _is_there(places, made):
            checksum.write_table(places.landmarks, made, FACTS)
        for part in _parts(parts):
            part.unlink()
    found = made["found"][made["split"].isin(data.fit)]
    console.say(f"landmarks: found in {found.sum():,} of {len(found):,} images; the rest take the template")


def read(path: Path, rows: pd.DataFrame) -> np.ndarray:
    """Points of these rows (split, sha256), float32 [N, 5, 2]. Those of data.extra are not looked for: they have none.

    Raises UserError if there is no table, or if it lacks one of the rows.
    """
    if not path.exists():
        raise UserError(f"{path} does not exist; run `ffdi scan` first, with the same recipe.")
    known = _of(path).drop_duplicates("sha256").set_index("sha256")
    place_N = known.index.get_indexer(pd.Index(rows["sha256"]))
    lacking = rows[(place_N < 0) & (rows["split"] != SPLIT).to_numpy()]
    if len(lacking):
        raise UserError(f"{path} lacks {lacking['id'].iloc[0]}; run `ffdi scan` again, with the same recipe.")
    points_N52 = known[COORDINATES].to_numpy(np.float32)[place_N].reshape(-1, len(POINTS), 2)
    points_N52[place_N < 0] = np.nan
    return points_N52


def digest_of(points_N52: np.ndarray) -> str:
    """Of the points themselves, in their order."""
    return digest.of_bytes(np.ascontiguousarray(points_N52, "<f4").tobytes())


def _find(folder: Path, wanted: pd.DataFrame, parts: Path, workers: int, stop: Stop | None) -> None:
    """Write parts until nothing is left. Whatever ends it early, what was found is written first."""
    done: list[pd.DataFrame] = []
    helpers = min(workers, len(wanted) // WORTH)
    results = processes.unordered(partial(_points, folder), _chunks(wanted), helpers)
    with console.progress("landmarks", len(wanted)) as meter, closing(results):
        try:
            for frame in results:
                done.append(frame)
                meter.advance(len(frame))
                if sum(map(len, done)) >= PART:
                    _write_part(parts, done)
                if stop is not None and stop.requested and meter.done < len(wanted):
                    raise Paused(
                        f"The search for landmarks stopped ({stop.reason}); the same command goes on from "
                        f"{meter.done:,} images."
                    )
        except BrokenProcessPool as error:
            raise FfdiError("A worker was killed, for lack of memory perhaps; run again, it goes on.") from error
        finally:
            _write_part(parts, done)


def _chunks(wanted: pd.DataFrame) -> Iterator[pd.DataFrame]:
    columns = wanted[["id", "relpath", "sha256"]]
    return (columns.iloc[start : start + CHUNK] for start in range(0, len(columns), CHUNK))


def _points(folder: Path, wanted: pd.DataFrame) -> pd.DataFrame:
    """FOUND of some files (id, relpath, sha256)."""
    find = detector.detector()
    nowhere = np.full((len(POINTS), 2), np.nan, np.float32)
    found = [find(_decoded(folder, row)) for row in wanted.itertuples()]
    points_N52 = np.array([nowhere if points_52 is None else points_52 for points_52 in found], np.float32)
    frame = pd.DataFrame(points_N52.reshape(len(found), -1), columns=COORDINATES)
    return frame.assign(sha256=wanted["sha256"].to_numpy(), found=[one is not None for one in found])[FOUND]


def _decoded(folder: Path, row: Any) -> np.ndarray:
    try:
        data = inside(folder, row.relpath).read_bytes()
        if digest.of_bytes(data) != row.sha256:
            raise UserError(f"{row.id} is not the file that was scanned; run `ffdi scan` again.")
        return decode(data).image_HWC
    except (OSError, Defect) as error:
        raise UserError(f"{row.id} cannot be read ({error}); run `ffdi scan` again, which sets it aside.") from error


def _known(places: Workspace, parts: Path) -> pd.DataFrame:
    """FOUND of every file that this detector has looked at. Raises CorruptError."""
    frames = [_of(path)[FOUND] for path in [places.landmarks, *_parts(parts)] if path.exists()]
    empty = pd.DataFrame(columns=FOUND).astype({"found": bool, **dict.fromkeys(COORDINATES, np.float32)})
    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled or [empty]).drop_duplicates("sha256", ignore_index=True)


def _of(path: Path) -> pd.DataFrame:
    """A table or part; without rows if another detector made it."""
    frame = checksum.read_table(path)
    return frame if checksum.read_facts(path) == FACTS else frame.head(0)


def _is_there(places: Workspace, made: pd.DataFrame) -> bool:
    return (
        places.landmarks.exists()
        and checksum.read_facts(places.landmarks) == FACTS
        and checksum.read_table(places.landmarks).equals(made)
    )


def _write_part(parts: Path, done: list[pd.DataFrame]) -> None:
    if done:
        number = max((int(part.stem.removeprefix("part-")) for part in _parts(parts)), default=0) + 1
        checksum.write_table(parts / f"part-{number:05d}.parquet", pd.concat(done), FACTS)
        done.clear()


def _parts(parts: Path) -> list[Path]:
    return sorted(parts.glob("part-*.parquet"))
