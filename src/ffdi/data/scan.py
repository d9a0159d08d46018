"""Read a competition folder into a manifest: every label row and every file accounted for, every image decoded once.

What was measured of a file holds as long as its path, size and time of change are the same. Measurements are kept in
checksummed parts while the scan runs, so a killed scan goes on from its last part, and taken over from the old manifest
afterwards, so a second scan only reads what changed.
"""

from collections.abc import Generator
from functools import partial
from pathlib import Path

import pandas as pd

from ffdi.cluster import run as nodes
from ffdi.cluster import session
from ffdi.cluster.check import check
from ffdi.config.competition import Competition
from ffdi.core import atomic, checksum, console, lock
from ffdi.core.errors import UserError
from ffdi.core.layout import Workspace
from ffdi.core.stand_ins import BY_START
from ffdi.core.stop import Stop
from ffdi.data import files, manifest, measurement, processes
from ffdi.data.decode import FORMATS
from ffdi.data.measurement import KEY, MEASURED, UNREADABLE

PART = 20_000  # images a part: what a kill can cost, some 20 s of two cores
CHUNK = 200  # images a task
MIN_IMAGES_PER_WORKER = 2_000  # below which its start costs more than it saves
CAUSES = {  # by defect: what the files are, and what to do
    "missing": "not in the folder; put them there, or take their rows out of the table",
    "outside": "links that lead out of the competition folder; put the files themselves there",
    "not_a_file": "folders or devices; put images there",
    UNREADABLE: "files that the system does not let you read; give yourself access and run again",
    **{one.name: f"{one.what}; {one.remedy}" for one in BY_START.values()},
    "not_image": f"of no format that is read ({', '.join(FORMATS)}); convert them, or download them again",
    **dict.fromkeys(("corrupt", "truncated", "empty", "zeros"), "damaged or cut off; copy or download them again"),
    "too_large": "too large to decode; shrink them",
    "aspect": "a strip rather than a face; crop them",
    "tiny": "too small to show anything; take larger ones",
    "unscaled": "numbers without a known range; save them with 8 or 16 bits",
    "double_width": "twice as wide as high, as two images in one; cut them apart",
    "plain": "of one colour, without anything to see; they are not trained on",
}


def scan(
    competition: Competition,
    folder: Path,
    places: Workspace,
    workers: int,
    stop: Stop | None = None,
    cluster: str = "",
) -> pd.DataFrame:
    """Make or renew `places.manifest` and return it.

    Args:
        competition: What the folder looks like.
        folder: The competition folder.
        places: Where the manifest goes.
        workers: Processes at most.
        stop: Asked between two tasks.
        cluster: The address of a Ray cluster that measures in place of the workers.

    Raises:
        UserError: a table is bad, a folder is missing, no image of a split can be used, or another scan is at work.
        Paused: `stop` asks; what was measured until then is kept.
    """
    parts, left_over = places.scan, f"{atomic.TEMP_PREFIX}*"
    with lock.exclusive(parts):
        for orphan in [*parts.glob(left_over), *places.work.glob(left_over)]:  # nothing of another verb's folder
            orphan.unlink(missing_ok=True)
        listed, notes = files.listing(competition, folder)
        rows, left = _take_over(listed, _known(places, parts))
        if len(left):
            measure = partial(measurement.measure, folder)
            chunks = (left[KEY].iloc[start : start + CHUNK] for start in range(0, len(left), CHUNK))
            if cluster:
                with session.connected(cluster):
                    check(parts, [folder])
                    _keep(nodes.unordered(measure, chunks, stop or Stop()), parts, len(left), stop)
            else:
                helpers = min(workers, len(left) // MIN_IMAGES_PER_WORKER)
                _keep(processes.unordered(measure, chunks, helpers), parts, len(left), stop)
            rows, _ = _take_over(listed, _known(places, parts))
        made = manifest.typed(rows)
        facts = {"competition": competition.name, "rules": measurement.RULES}
        if not (places.manifest.exists() and checksum.read_facts(places.manifest) == facts
                and manifest.read(places).equals(made)):  # fmt: skip
            checksum.write_table(places.manifest, made, facts)
        for part in _parts(parts):
            part.unlink()
    for sentence in notes:
        console.warn(sentence)
    for (split, defect), rows in made[made["defect"] != ""].groupby(["split", "defect"], sort=False):
        console.warn(f"{split}: {_told(rows, str(defect))}.")
    _require_images(made)
    return made


def _known(places: Workspace, parts: Path) -> pd.DataFrame:
    """Return what was measured before by the same rules, the latest of each path. Raises CorruptError."""
    frames = [pd.DataFrame({name: pd.Series(dtype=manifest.COLUMNS[name]) for name in [*KEY, *MEASURED]})]
    for source in [places.manifest, *_parts(parts)]:
        if source.exists() and checksum.read_facts(source).get("rules") == measurement.RULES:
            frame = checksum.read_table(source, [*KEY, *MEASURED])
            # What could not be read at the last scan is tried again at the next.
            frames.append(frame[frame["defect"] != UNREADABLE] if source == places.manifest else frame)
    return pd.concat(frames, ignore_index=True).drop_duplicates("relpath", keep="last", ignore_index=True)


def _take_over(rows: pd.DataFrame, known: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows with measurements, in order, and the rows whose file has yet to be measured."""
    is_file = (rows["defect"] == "").to_numpy()
    place = pd.Index(known["relpath"]).get_indexer(pd.Index(rows["relpath"]))
    same = is_file & (place >= 0)
    for name in ("bytes", "mtime_ns"):
        same[same] = known[name].to_numpy()[place[same]] == rows[name].to_numpy()[same]
    measured = known[MEASURED].iloc[place[same]].set_axis(rows.index[same])
    absent = measurement.refused(rows["defect"][~is_file])
    found = rows.drop(columns="defect").join(pd.concat([measured, absent]) if len(absent) else measured, how="inner")
    return found, rows[is_file & ~same]


def _keep(measured: Generator[pd.DataFrame, None, None], parts: Path, total: int, stop: Stop | None) -> None:
    """Write parts until nothing is left. Whatever ends it early, what was measured is written first."""
    done: list[pd.DataFrame] = []
    try:
        for frame in processes.until_stopped(measured, "scan", total, stop):
            done.append(frame)
            if sum(map(len, done)) >= PART:
                _write_part(parts, done)
    finally:
        _write_part(parts, done)


def _write_part(parts: Path, done: list[pd.DataFrame]) -> None:
    if done:
        number = max((int(part.stem.removeprefix("part-")) for part in _parts(parts)), default=0) + 1
        checksum.write_table(parts / f"part-{number:05d}.parquet", pd.concat(done), {"rules": measurement.RULES})
        done.clear()


def _parts(parts: Path) -> list[Path]:
    return sorted(parts.glob("part-*.parquet"))


def _told(rows: pd.DataFrame, defect: str) -> str:
    """Return how many of the rows have a defect, one of them, the cause and what to do."""
    found = rows[rows["defect"] == defect]
    cause = next((f": {CAUSES[part]}" for part in defect.split("+") if part in CAUSES), "")
    return f"{len(found):,} images are {defect!r}, such as {found['relpath'].iloc[0]!r}{cause}"


def _require_images(made: pd.DataFrame) -> None:
    """Raise UserError for a split of which nothing can be used, with its commonest cause."""
    for split, rows in made.groupby("split", sort=False):
        if (rows["status"] == "quarantined").all():
            told = _told(rows, str(rows["defect"].mode()[0]))
            raise UserError(f"Not one of the {len(rows):,} images of split {split!r} can be used. {told}.")
