"""Sets of fakes made of the contest's originals beforehand: write one, read it, give its rows to a training.

An image is a function of (seed, number, bytes of originals), so any number of processes, killed and started again,
writes the same bytes. The folder of a set holds

    forged.json      the options, originals and versions of libraries it was made with
    images/          the fakes, each in format and quality of an original drawn for it, in the size of its source
    forged.parquet   a row a fake: family, key, source, partner, and what a scan measures, sha256 of the file included

Fakes enter neither manifest nor fold table, so folds, held-out scores and test stay what they are without them. A fake
takes the group and fold of its source; a model that holds out the fold of its source or of its partner does not see it.
"""

import io
import shutil
from collections.abc import Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import PIL
from PIL import Image, JpegImagePlugin

from ffdi.config.forge import ForgedSet
from ffdi.core import atomic, checksum, digest, keys, lock
from ffdi.core.errors import UserError
from ffdi.core.keys import Draws
from ffdi.core.layout import inside
from ffdi.core.stop import Stop
from ffdi.data import forge, manifest, measurement, processes
from ffdi.data.decode import decode

SPLIT = "forged"
MANIFEST, OPTIONS = "forged.parquet", "forged.json"
RULES = 2  # of forging and encoding; raised when they change, so that no set mixes two
CHUNK = 50  # images a task, and what a kill can cost
MIN_IMAGES_PER_WORKER = 200  # below which its start costs more than it saves
MADE = ["id", "relpath", "family", "key", "source_split", "source", "partner_split", "partner"]
COLUMNS = [*MADE, "split", "target", "bytes", *measurement.MEASURED]


def originals(rows: pd.DataFrame, splits: tuple[str, ...]) -> pd.DataFrame:
    """Return what fakes are made of: sound RGB originals of these splits, by split and id."""
    usable = rows["split"].isin(splits) & (rows["target"] == 0) & (rows["status"] == "ok") & (rows["mode"] == "RGB")
    return rows[usable].sort_values(["split", "id"], ignore_index=True)


def make(
    options: ForgedSet,
    competition: str,
    sources: pd.DataFrame,
    images: Path,
    out: Path,
    workers: int,
    stop: Stop | None = None,
) -> pd.DataFrame:
    """Make or finish the set in `out` and return its manifest.

    Args:
        options: The recipe's [forge].
        competition: Its name.
        sources: As `originals` gives them.
        images: The competition folder.
        out: A folder of its own.
        workers: Processes at most.
        stop: Asked between two tasks.

    Raises:
        UserError: `out` holds something else, there are fewer than two originals, or one is not what was scanned.
        Paused: `stop` asks; the same command goes on.
    """
    if len(sources) < 2:
        raise UserError("Fakes are made of originals, and fewer than two of data.train_splits are sound RGB images.")
    facts = {
        "rules": RULES,
        "forge": options.model_dump(mode="json"),
        "competition": competition,
        "originals": manifest.digest(sources),
        "versions": {"numpy": np.__version__, "opencv": cv2.__version__, "pillow": PIL.__version__},
    }
    with lock.exclusive(out):
        _claim(out, facts)
        atomic.sweep(out)
        if not (out / MANIFEST).exists():
            _forge(out, images, sources, planned(options, sources, digest.of_json(facts)), workers, stop)
            made = pd.concat([checksum.read_table(part) for part in _parts(out)])
            made = made.sort_values("id", ignore_index=True)  # the order says nothing of how one was made
            checksum.write_table(out / MANIFEST, made, facts)
        shutil.rmtree(out / "parts", ignore_errors=True)
    return read(out)


def planned(options: ForgedSet, sources: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the plan of a set of fakes, one row each.

    Args:
        options: Which families, how many fakes, and the seed.
        sources: The manifest's rows of the real images.
        name: Digest of what the set is made from; the ids are made of it.

    Returns:
        id, family, key, source, others and donor; the last three are places in `sources`.
    """
    count, rounds = len(sources), -(-options.images // len(sources))
    order_N = np.concatenate([keys.rng(options.seed, "sources", each).permutation(count) for each in range(rounds)])
    lossy = (sources["jpeg_q"] > 0).to_numpy()
    rows = []
    for number, source in enumerate(order_N[: options.images].tolist()):
        key = keys.key(options.seed, "forged", number)
        family = forge.family(options, key)
        draw, donor = Draws(key, "others"), Draws(key, "donor").integer(0, count - 1)
        drawn = [draw.integer(0, count - 2) for _ in range(forge.CANDIDATES.get(family, 0))]
        others = [place + (place >= source) for place in drawn]  # any original but the source
        suffix = ".jpg" if lossy[donor] else ".png"
        rows.append((digest.of_json([name, number])[:32] + suffix, family, key, source, others, donor))
    return pd.DataFrame(rows, columns=["id", "family", "key", "source", "others", "donor"])


def read(folder: Path) -> pd.DataFrame:
    """Return the manifest of a finished set. Raises UserError if it is not finished or lacks images."""
    if not (folder / MANIFEST).exists():
        raise UserError(f"{folder} holds no finished set of fakes; run `ffdi forge --out {folder}` first.")
    made = checksum.read_table(folder / MANIFEST)
    for relpath, size in zip(made["relpath"], made["bytes"], strict=True):
        path = inside(folder, relpath)
        if not path.is_file() or path.stat().st_size != size:
            raise UserError(f"{path} is missing or not as it was written; delete {folder} and run `ffdi forge` again.")
    return made


def extra(folders: Sequence[str], fit: pd.DataFrame) -> pd.DataFrame:
    """Return the fakes of some folders as rows beside `fit` (id, split, group, fold).

    Returns:
        The columns of `fit`, with an absolute relpath, and `beside`, the fold of the partner. Fakes of images that are
        not in `fit` are left out.

    Raises:
        UserError: a folder holds no finished set, or none of these images, or is named twice.
    """
    found = pd.concat([_rows_of(Path(folder).expanduser(), fit) for folder in folders], ignore_index=True)
    repeated = found["id"][found["id"].duplicated()]
    if len(repeated):
        raise UserError(f"{repeated.iloc[0]} stands in several folders of data.extra; name each set of fakes once.")
    return found


def encode_like(image_HWC: np.ndarray, donor: bytes) -> bytes:
    """Return uint8 RGB as a JPEG saved as the RGB JPEG `donor` was; as PNG if `donor` is none, which has no quality.

    A set of fakes saved as PNG, or all at one quality, is told from originals by its files alone (see data.audit). So
    each takes over quantisation tables, colour sampling and scan order of an original's file.
    """
    picture, buffer = Image.fromarray(image_HWC), io.BytesIO()
    with Image.open(io.BytesIO(donor)) as model:
        if isinstance(model, JpegImagePlugin.JpegImageFile):
            sampling, progressive = JpegImagePlugin.get_sampling(model), "progression" in model.info
            tables = model.quantization
            picture.save(buffer, "JPEG", qtables=tables, subsampling=sampling, progressive=progressive)
        else:
            picture.save(buffer, "PNG")
    return buffer.getvalue()


def _claim(out: Path, facts: dict[str, Any]) -> None:
    """Make `out` the place of this set, or see that it is."""
    path = out / OPTIONS
    if not path.exists():
        if any(entry.name != ".lock" and not entry.name.startswith(atomic.TEMP_PREFIX) for entry in out.iterdir()):
            raise UserError(f"{out} holds other files; name a new folder for the fakes with --out.")
        checksum.write_json(path, facts)
    elif checksum.read_json(path) != facts:
        raise UserError(
            f"{out} holds fakes of other originals, of another [forge] or by other versions; delete it, or name a "
            "new folder with --out."
        )


def _forge(
    out: Path, images: Path, sources: pd.DataFrame, wanted: pd.DataFrame, workers: int, stop: Stop | None
) -> None:
    """Write images and parts until nothing is left."""
    done = {int(part.stem) for part in _parts(out)}
    left = [number for number in range(-(-len(wanted) // CHUNK)) if number not in done]
    chunks = ((number, wanted.iloc[number * CHUNK : (number + 1) * CHUNK]) for number in left)
    tasks = ((number, chunk, sources.loc[_read_by(chunk)]) for number, chunk in chunks)  # all sources are too many
    helpers = min(workers, len(left) * CHUNK // MIN_IMAGES_PER_WORKER)
    results = processes.unordered(partial(_make, images, out), tasks, helpers)
    there = sum(min(CHUNK, len(wanted) - number * CHUNK) for number in done)
    for _ in processes.until_stopped(results, "forge", len(wanted), stop, there):
        pass  # a task has written what it made


def _read_by(chunk: pd.DataFrame) -> list[int]:
    """Return the places in the sources of all originals that some rows of a plan read."""
    return sorted({*chunk["source"], *chunk["donor"], *chain.from_iterable(chunk["others"])})


def _make(images: Path, out: Path, task: tuple[int, pd.DataFrame, pd.DataFrame]) -> pd.DataFrame:
    """Write the images of a task, and then its part: their rows of the manifest, which are returned."""
    number, wanted, sources = task
    rows = [_make_one(images, out, sources, row) for row in wanted.itertuples()]
    made = pd.DataFrame(rows, columns=[*MADE, "bytes"]).assign(split=SPLIT, target=np.int8(1), mtime_ns=0)
    measured = measurement.measure(out, made[measurement.KEY]).drop(columns=measurement.KEY)
    part = made.join(measured)[COLUMNS]
    checksum.write_table(out / "parts" / f"{number:06d}.parquet", part)
    return part


def _make_one(images: Path, out: Path, sources: pd.DataFrame, row: Any) -> tuple[Any, ...]:
    source, donor = sources.loc[row.source], sources.loc[row.donor]
    image, *others = (decode(_bytes(images, sources.loc[place])).image_HWC for place in (row.source, *row.others))
    taken = forge.most_like(image, others) if others else None
    partner = ("", "") if taken is None else tuple(sources.loc[row.others[taken], ["split", "id"]])
    fake = forge.forge(image, [] if taken is None else [others[taken]], row.family, row.key)
    data, relpath = encode_like(fake, _bytes(images, donor)), f"images/{row.id}"
    atomic.write_bytes(out / relpath, data)
    return row.id, relpath, row.family, row.key, source["split"], source["id"], *partner, len(data)


def _bytes(images: Path, row: pd.Series) -> bytes:
    path = inside(images, row["relpath"])
    data = path.read_bytes() if path.is_file() else b""
    if digest.of_bytes(data) != row["sha256"]:
        raise UserError(f"{row['id']} is not the file that was scanned; run `ffdi folds` again.")
    return data


def _parts(out: Path) -> list[Path]:
    return sorted((out / "parts").glob("*.parquet"))


def _rows_of(folder: Path, fit: pd.DataFrame) -> pd.DataFrame:
    made, places = read(folder), fit.set_index(["split", "id"])[["group", "fold"]]
    source = places.reindex(pd.MultiIndex.from_frame(made[["source_split", "source"]])).reset_index(drop=True)
    partner = places.reindex(pd.MultiIndex.from_frame(made[["partner_split", "partner"]])).reset_index(drop=True)
    beside = partner["fold"].where(made["partner"] != "", source["fold"])
    known = source["fold"].notna() & beside.notna()
    if not known.any():
        raise UserError(
            f"The fakes in {folder} were made of other images than those of data.train_splits; forge them again."
        )
    rows = made[["id", "split", "target", "status", "sha256", "phash"]].join(source)
    rows = rows.assign(relpath=f"{folder.resolve()}/" + made["relpath"], beside=beside)
    return rows[known].astype({"group": "int64", "fold": "int16", "beside": "int16"})
