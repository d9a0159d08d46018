"""A set of fakes made of the contest's originals beforehand: images, table and manifest in a folder of their own.

An image is a function of (seed, number, bytes of originals), so any number of processes, killed and started again,
writes the same bytes; versions of the libraries that decode, draw and encode are part of the wish. The folder holds

    wish.json        what was asked for, of which originals and with which versions: enough to make the set again
    images/          the fakes, each in format and quality of an original drawn for it, in the size of its source
    forged.txt       their table, as the contest writes its own
    forged.parquet   a row a fake: family, key, source, partner, and what a scan measures, sha256 of the file included

N fakes, M originals.
"""

import shutil
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ffdi.config.competition import Competition
from ffdi.config.forge import Family, ForgedSet
from ffdi.core import atomic, checksum, console, digest, keys, lock
from ffdi.core.errors import FfdiError, Paused, UserError
from ffdi.core.keys import Draws
from ffdi.core.layout import inside
from ffdi.core.stop import Stop
from ffdi.data import encode, forge, manifest, measurement, processes
from ffdi.data.decode import Defect, decode
from ffdi.data.extra import MANIFEST, SPLIT, read

TABLE, WISH = "forged.txt", "wish.json"
RULES = 1  # of forging and encoding; raised when they change, so that no set mixes two
CHUNK = 50  # images a task, and what a kill can cost
WORTH = 200  # images a worker, below which its start costs more than it saves
LIBRARIES = ("numpy", "opencv-python-headless", "opencv-python", "pillow", "simplejpeg")
MADE = ["id", "relpath", "family", "key", "source_split", "source", "partner_split", "partner"]
COLUMNS = [*MADE, "split", "target", "bytes", *measurement.MEASURED]


class Task(NamedTuple):
    """Fakes to make (id, family, key, source, others, donor) and the originals that this takes, by place."""

    part: int
    wanted: pd.DataFrame
    originals: pd.DataFrame


def originals(rows: pd.DataFrame, fit: tuple[str, ...]) -> pd.DataFrame:
    """What fakes are made of: sound RGB originals of the fit splits, by split and id."""
    usable = rows["split"].isin(fit) & (rows["target"] == 0) & (rows["status"] == "ok") & (rows["mode"] == "RGB")
    return rows[usable].sort_values(["split", "id"], ignore_index=True)


def make(
    wish: ForgedSet,
    competition: Competition,
    sources: pd.DataFrame,
    images: Path,
    out: Path,
    workers: int,
    stop: Stop | None = None,
) -> pd.DataFrame:
    """Make or finish the set in `out` of `sources` (as `originals` gives them) and return its manifest.

    Raises UserError if `out` holds something else, if there are fewer than two originals, or if one is no longer what
    was scanned; Paused when `stop` asks: the same command goes on.
    """
    if len(sources) < 2:
        raise UserError("Fakes are made of originals, and fewer than two of the fit splits are sound; scan the folder.")
    asked = facts(wish, competition, sources)
    with lock.exclusive(out):
        _claim(out, asked)
        atomic.sweep(out)
        if not (out / MANIFEST).exists():
            wanted = planned(wish, sources, digest.of_json(asked))
            _forge(out, images, sources, wanted, workers, stop)
            _finish(out, competition, asked)
        shutil.rmtree(out / "parts", ignore_errors=True)
    return read(out)


def facts(wish: ForgedSet, competition: Competition, sources: pd.DataFrame) -> dict[str, Any]:
    """All that the bytes of the set depend on."""
    return {
        "rules": RULES,
        "forge": wish.model_dump(mode="json"),
        "competition": competition.name,
        "originals": manifest.digest(sources),
        "versions": {name: found for name in LIBRARIES if (found := _version(name))},
    }


def planned(wish: ForgedSet, sources: pd.DataFrame, name: str) -> pd.DataFrame:
    """id, family, key, source, others, donor of each fake; the last three are places in `sources`."""
    count, rounds = len(sources), -(-wish.images // len(sources))
    order_N = np.concatenate([keys.rng(wish.seed, "sources", each).permutation(count) for each in range(rounds)])
    lossy = (sources["jpeg_q"] > 0).to_numpy()
    rows = [_wanted(number, int(order_N[number]), wish, lossy, name) for number in range(wish.images)]
    return pd.DataFrame(rows, columns=["id", "family", "key", "source", "others", "donor"])


def _wanted(number: int, source: int, wish: ForgedSet, lossy: np.ndarray, name: str) -> tuple[Any, ...]:
    key = keys.key(wish.seed, "forged", number)
    family = forge.family(wish, key)
    draw, donor = Draws(key, "others"), Draws(key, "donor").integer(0, len(lossy) - 1)
    drawn = [draw.integer(0, len(lossy) - 2) for _ in range(forge.CANDIDATES.get(family, 0))]
    others = [place + (place >= source) for place in drawn]  # anybody but the source
    suffix = ".jpg" if lossy[donor] else ".png"
    return digest.of_json([name, number])[:32] + suffix, family, key, source, others, donor


def _claim(out: Path, asked: dict[str, Any]) -> None:
    """Make `out` the place of this set, or see that it is."""
    path = out / WISH
    if not path.exists():
        if any(entry.name != ".lock" and not entry.name.startswith(atomic.TEMP_PREFIX) for entry in out.iterdir()):
            raise UserError(f"{out} holds other files; name a new folder for the fakes.")
        checksum.write_json(path, asked)
    elif checksum.read_json(path) != asked:
        raise UserError(
            f"{out} holds fakes of other originals, of another [forge] or by other versions; name a new folder."
        )


def _forge(
    out: Path,
    images: Path,
    sources: pd.DataFrame,
    wanted: pd.DataFrame,
    workers: int,
    stop: Stop | None,
) -> None:
    """Write images and parts until nothing is left."""
    have = {int(part.stem) for part in _parts(out)}
    left = [number for number in range(-(-len(wanted) // CHUNK)) if number not in have]
    helpers = min(workers, len(left) * CHUNK // WORTH)
    results = processes.unordered(partial(_make, images, out), _tasks(left, wanted, sources), helpers)
    with console.progress("forge", len(wanted)) as meter, closing(results):
        meter.skip(sum(min(CHUNK, len(wanted) - number * CHUNK) for number in have))
        try:
            for part, frame in results:
                checksum.write_table(out / "parts" / f"{part:06d}.parquet", frame)
                meter.advance(len(frame))
                if stop is not None and stop.requested and meter.done < len(wanted):
                    raise Paused(
                        f"Forging stopped ({stop.reason}); the same command goes on from {meter.done:,} fakes."
                    )
        except BrokenProcessPool as error:
            raise FfdiError("A worker was killed, for lack of memory perhaps; run again, it goes on.") from error


def _finish(out: Path, competition: Competition, asked: dict[str, Any]) -> None:
    """Table, then manifest: it is there once all else is. By id, so that the order tells nothing."""
    made = pd.concat([checksum.read_table(part) for part in _parts(out)]).sort_values("id", ignore_index=True)
    lines = [f"{competition.id_column},{competition.target_column}", *(f"{name},1" for name in made["id"])]
    atomic.write_text(out / TABLE, "\n".join(lines) + "\n")
    checksum.write_table(out / MANIFEST, made, asked)


def _tasks(parts: list[int], wanted: pd.DataFrame, sources: pd.DataFrame) -> Iterator[Task]:
    for part in parts:
        rows = wanted.iloc[part * CHUNK : (part + 1) * CHUNK]
        needed = {*rows["source"], *rows["donor"], *(place for places in rows["others"] for place in places)}
        places = sorted(needed)
        yield Task(part, rows, sources.loc[places, ["id", "split", "relpath", "sha256"]])


def _make(images: Path, out: Path, task: Task) -> tuple[int, pd.DataFrame]:
    """The images of a task written, and (number of the part, their rows of the manifest)."""
    known = {place: row for place, row in zip(task.originals.index, task.originals.itertuples(), strict=True)}
    rows = [_make_one(images, out, row, known) for row in task.wanted.itertuples()]
    made = pd.DataFrame(rows, columns=[*MADE, "bytes"]).assign(split=SPLIT, target=np.int8(1), mtime_ns=0)
    measured = measurement.measure(out, made[measurement.KEY]).drop(columns=measurement.KEY)
    return task.part, made.join(measured)[COLUMNS]


def _make_one(images: Path, out: Path, row: Any, known: dict[int, Any]) -> tuple[Any, ...]:
    source = known[row.source]
    image = _decoded(images, source)
    others = [_decoded(images, known[place]) for place in row.others]
    taken = forge.most_like(image, others) if others else None
    partner = None if taken is None else known[row.others[taken]]
    family: Family = row.family
    fake = forge.forge(image, others, family, row.key)
    data = encode.like(fake, _bytes(images, known[row.donor]))
    relpath = f"images/{row.id}"
    atomic.write_bytes(out / relpath, data)
    beside = ("", "") if partner is None else (partner.split, partner.id)
    return row.id, relpath, family, row.key, source.split, source.id, *beside, len(data)


def _decoded(images: Path, row: Any) -> np.ndarray:
    try:
        return decode(_bytes(images, row)).image_HWC
    except Defect as defect:
        raise UserError(f"{row.id} cannot be read ({defect}); run `ffdi folds` again, which sets it aside.") from defect


def _bytes(images: Path, row: Any) -> bytes:
    try:
        data = inside(images, row.relpath).read_bytes()
    except OSError as error:
        raise UserError(f"{row.id} cannot be read ({error.strerror}); run `ffdi folds` again.") from error
    if digest.of_bytes(data) != row.sha256:
        raise UserError(f"{row.id} is not the file that was scanned; run `ffdi folds` again.")
    return data


def _parts(out: Path) -> list[Path]:
    return sorted((out / "parts").glob("*.parquet"))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def beside(made: pd.DataFrame, sources: pd.DataFrame) -> pd.DataFrame:
    """Fakes and their originals in one table of one split, as data.audit compares them."""
    return pd.concat([sources.assign(split=SPLIT), made], ignore_index=True)
