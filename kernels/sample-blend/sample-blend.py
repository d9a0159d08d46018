# sample-blend: attached outputs of train kernels in, submission.csv out.
#
# Made by `ffdi kernels build` from the sources of the kit; edit SETTINGS, and nothing below it.
# Paste it into a cell of a Kaggle notebook, or push it as a script; internet stays off.
# Output: submission.csv, run.json (which run it was, with what).
# Sources: 69 files, digest e576bf3d6a0daa2a5e11aceb6f30066f0f553f0a71d5438e760b5c6db3cf410a.
# MIT License, Copyright (c) 2026 the ffdi authors.

SETTINGS = {
    # What is blended: the recipe that the runs were trained with.
    "recipe": r'''# The embedded sample: portraits of people who do not exist, original and manipulated. Minutes on two CPU cores.
name = "sample"
competition = "multi-ffdi-phase2"

[folds]
scheme = "group"  # original and twin of one person never part
k = 3
embedding = "tf_efficientnet_lite0"  # finds the twins that the hashes miss (recall 0.93 -> 1.00)

[defaults]
epochs = 7
batch_size = 8  # of few images many small steps: OOF of lite1 0.88 -> 0.93 against 16, in the same time
lr = 1e-3
image_size = 112
ema_decay = 0  # 240 steps are too few for an average of weights
views = ["identity", "hflip"]

# In so few steps every kind of damage costs more than it teaches: OOF AUC 0.95 with the flip alone, 0.90 with the
# default policy (two folds, eight epochs).
[defaults.augment]
crop = false
colour = false
blur = false
resize = false
noise = false
jpeg = false

[[member]]
name = "lite0"
model = "tf_efficientnet_lite0"

# A fold model sees 270 images, this one all 406: nothing can be held out to judge it by, but it is the better one (graded
# test 0.956 +- 0.005 against 0.932 +- 0.009, three seeds each). In the blend it has the mean weight of the others.
[[member]]
name = "lite0_all"
model = "tf_efficientnet_lite0"
fold = "all"
seed = 2

[[member]]
name = "lite0_96"
model = "tf_efficientnet_lite0"
image_size = 96
epochs = 5
seed = 1
''',
    # Outputs of train kernels that are attached, "owner/slug" each; empty: all that are attached.
    "outputs": [],
    # Dataset with wheels of what the image lacks, "owner/slug"; empty: the one that is attached, if any; "none":
    # take no wheels.
    "wheelhouse": "",
    # Name of this run, repeated in run.json; a push puts one in.
    "run": "",
}

KIND = "blend"
DIGEST = "e576bf3d6a0daa2a5e11aceb6f30066f0f553f0a71d5438e760b5c6db3cf410a"
SOURCES = {}


# ======================================================================================================================
# empty files
# ======================================================================================================================
SOURCES |= dict.fromkeys([
    "ffdi/__init__.py",
    "ffdi/base/__init__.py",
    "ffdi/blend/__init__.py",
    "ffdi/bundle/__init__.py",
    "ffdi/data/__init__.py",
    "ffdi/score/__init__.py",
    "ffdi/spec/__init__.py",
    "ffdi/submit/__init__.py"
], "")


# ======================================================================================================================
# ffdi/base/atomic.py
# ======================================================================================================================
SOURCES["ffdi/base/atomic.py"] = r'''"""Writes that happen whole or not at all: temp file, fsync, rename, fsync of the folder.

A plain `open("wb")` left 31 torn files in 100 kills; this order left none (own measurement, 8 MiB file, SIGKILL).
What a kill can leave is an orphan temp file, which `sweep` removes at the next start.
"""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from ffdi.base.errors import SpaceError, UserError

TEMP_PREFIX = ".ffdi-tmp-"


def write_bytes(path: Path, data: bytes) -> None:
    """Put `data` under `path`, replacing what was there in one step.

    Raises SpaceError when the disk is full, UserError when the place cannot be written; the old file stays intact.
    """
    write_chunks(path, (data,), len(data))


def write_chunks(path: Path, chunks: Iterable[bytes | memoryview], size: int) -> None:
    """As `write_bytes` for what does not fit into memory; `size` is what a message about space will name.

    Whatever `chunks` raises, other than OSError, is passed on, and nothing is left behind.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _write_temporary(path.parent, chunks)
        try:
            os.replace(temporary, path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise _explained(error, path, size) from error


def write_text(path: Path, text: str) -> None:
    """As `write_bytes`, UTF-8 with LF line ends."""
    write_bytes(path, text.encode())


def sweep(folder: Path) -> int:
    """Remove orphan temp files below `folder`; returns how many. Call it only where no writer is at work."""
    orphans = list(folder.rglob(TEMP_PREFIX + "*")) if folder.is_dir() else []
    for orphan in orphans:
        orphan.unlink(missing_ok=True)
    return len(orphans)


def _write_temporary(folder: Path, chunks: Iterable[bytes | memoryview]) -> Path:
    descriptor, name = tempfile.mkstemp(prefix=TEMP_PREFIX, dir=folder)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(chunks)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _explained(error: OSError, path: Path, size: int) -> UserError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        free = shutil.disk_usage(_existing(path.parent)).free
        return SpaceError(
            f"No space to write {path}: {size:,} bytes needed, {free:,} free; free some and run the same command again."
        )
    return UserError(f"Cannot write {path}: {error.strerror}; make the place writable and run again.")


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder
'''


# ======================================================================================================================
# ffdi/base/code.py
# ======================================================================================================================
SOURCES["ffdi/base/code.py"] = r'''"""Which code made an artefact: a digest of the package's own sources, so no git is needed to tell."""

from functools import cache
from pathlib import Path

from ffdi.base import digest

PACKAGE = Path(__file__).resolve().parents[1]


@cache
def code_digest() -> str:
    """64 hex digits over every `.py` file of the package, by name and content."""
    sources = {
        str(path.relative_to(PACKAGE)): digest.of_file(path)
        for path in sorted(PACKAGE.rglob("*.py"))
        if "sample" not in path.relative_to(PACKAGE).parts
    }
    return digest.of_json(sources)
'''


# ======================================================================================================================
# ffdi/base/compiled.py
# ======================================================================================================================
SOURCES["ffdi/base/compiled.py"] = r'''"""Loops over arrays as machine code, kept on disk. Import it late: the compiler takes half a second."""

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(loop: Callable[..., Any]) -> Callable[..., Any]:
    """`loop`, which may divide by zero as numpy does, and leaves other threads alone while it runs."""
    try:
        return njit(nogil=True, cache=True, error_model="numpy")(loop)
    except RuntimeError:  # neither the package nor the home can be written: compile anew in every process
        return njit(nogil=True, error_model="numpy")(loop)
'''


# ======================================================================================================================
# ffdi/base/console.py
# ======================================================================================================================
SOURCES["ffdi/base/console.py"] = r'''"""What people see: lines, tables and progress. Rich on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

PLAIN_SECONDS = 5.0  # between two plain progress lines


_state = {"several": False}


def one_of_several() -> None:
    """This process shares the terminal with others like it: plain lines, since two bars would overwrite each other."""
    _state["several"] = True


def _console(error: bool = False) -> Console:
    # Made anew: tests and notebooks exchange sys.stdout under us.
    stream = sys.stderr if error else sys.stdout
    return Console(file=stream, highlight=False, soft_wrap=True, width=None if stream.isatty() else 140)


def say(text: str) -> None:
    _console().print(text, markup=False)


def warn(text: str) -> None:
    _console(error=True).print(f"warning: {text}", markup=False, style="yellow")


def fail(text: str) -> None:
    _console(error=True).print(f"error: {text}", markup=False, style="bold red")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under headings; cells are shown as given (format numbers before)."""
    shown = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    for index, column in enumerate(columns):
        shown.add_column(column, justify="left" if index == 0 else "right")
    for row in rows:
        shown.add_row(*[Text(str(cell)) for cell in row])
    _console().print(shown)


class Meter:
    """Counts `n` of `total` and tells rate and time left."""

    def __init__(self, label: str, total: int, unit: str) -> None:
        self.label, self.total, self.unit = label, total, unit
        self.done = self._skipped = 0
        self.started = self._told = time.monotonic()

    def advance(self, n: int = 1) -> None:
        self.done += n
        if time.monotonic() - self._told >= PLAIN_SECONDS and self.done < self.total:
            self.tell()

    def skip(self, n: int) -> None:
        """`n` were done by an earlier run: they count as done, not for the rate."""
        self.done = self._skipped = n

    def tell(self) -> None:
        self._told = time.monotonic()
        elapsed = max(self._told - self.started, 1e-9)
        rate = max(self.done - self._skipped, 1e-9) / elapsed
        left = f", {(self.total - self.done) / rate:.0f} s left" if self._skipped < self.done < self.total else ""
        say(
            f"{self.label}: {self.done:,}/{self.total:,} {self.unit}, {rate:,.1f} {self.unit}/s, "
            f"{elapsed:.0f} s so far{left}"
        )


class _Bar(Meter):
    def __init__(self, label: str, total: int, unit: str, progress: Progress) -> None:
        super().__init__(label, total, unit)
        self._progress = progress
        self._task = progress.add_task(label, total=total)

    def advance(self, n: int = 1) -> None:
        self.done += n
        self._progress.advance(self._task, n)

    def skip(self, n: int) -> None:
        super().skip(n)
        self._progress.update(self._task, completed=n)


class _Rate(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.1f} {self.unit}/s" if task.speed else f"- {self.unit}/s")


@contextmanager
def progress(label: str, total: int, unit: str = "images") -> Iterator[Meter]:
    """`with progress("decode", n) as meter: meter.advance(k)`; a last plain line states total and rate."""
    if sys.stdout.isatty() and not _state["several"]:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(unit),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=_console()) as shown:
            yield _Bar(label, total, unit, shown)
        return
    meter = Meter(label, total, unit)
    yield meter
    if meter.done > meter._skipped:
        meter.tell()
'''


# ======================================================================================================================
# ffdi/base/digest.py
# ======================================================================================================================
SOURCES["ffdi/base/digest.py"] = r'''"""sha256 of bytes, files and plain values: the identity of everything the kit reads or writes."""

import hashlib
import json
from pathlib import Path
from typing import Any


def of_bytes(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def of_json(value: Any) -> str:
    """Digest of a value made of dicts, lists, strings, numbers, booleans and None; key order does not matter.

    Raises ValueError for NaN and infinity, which JSON does not have.
    """
    return of_bytes(canonical(value).encode())


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
'''


# ======================================================================================================================
# ffdi/base/errors.py
# ======================================================================================================================
SOURCES["ffdi/base/errors.py"] = r'''"""The few exceptions of the kit: what went wrong, where, and what to do, in one sentence."""


class FfdiError(Exception):
    """Anything the kit refuses or cannot do. `exit_code` is what the command line returns."""

    exit_code = 1


class UserError(FfdiError):
    """A mistake in what was given (file, row, key). The message names the place and the remedy."""

    exit_code = 2


class CorruptError(UserError):
    """An artefact whose bytes are not those that were written."""


class SpaceError(UserError):
    """The disk is full: the message says how much was needed and how much is free."""


class LockedError(UserError):
    """Another living process works on the same run folder."""


class Paused(FfdiError):
    """Stopped by a deadline or a signal with everything saved; running again goes on (exit 75, EX_TEMPFAIL)."""

    exit_code = 75
'''


# ======================================================================================================================
# ffdi/base/keys.py
# ======================================================================================================================
SOURCES["ffdi/base/keys.py"] = r'''"""Randomness without state: a number derived from names.

Order, augmentation, dropout and mixup are functions of (seed, epoch, step, id). So a checkpoint holds no generator,
a resumed run draws what the uninterrupted one would have drawn, and the number of workers changes nothing.
"""

from collections.abc import Sequence
from hashlib import blake2b
from struct import Struct
from typing import TypeVar

import numpy as np

Option = TypeVar("Option")
_WORDS = Struct("<8Q").unpack  # a blake2b digest as eight 64-bit words


def key(*parts: int | str) -> int:
    """A 63-bit integer that depends on every part and on their order; equal for equal parts on every machine."""
    for part in parts:
        if type(part) not in (int, str):  # numpy's 3 is written as Python's "3": another key, silently
            raise TypeError(f"a key is made of int and str, not {type(part).__name__}")
    text = "\x1f".join([f"{'i' if isinstance(part, int) else 's'}{part}" for part in parts])
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def rng(*parts: int | str) -> np.random.Generator:
    """A generator of its own for these parts: PCG64 seeded by their key."""
    return np.random.Generator(np.random.PCG64(key(*parts)))


class Draws:
    """A handful of uniform numbers for (key, name), read from their hash word by word, without end.

    To begin costs 3 us where `rng` takes 16, which an image with ten possible operations would feel. For arrays: `rng`.
    """

    __slots__ = ("_source", "_words")

    def __init__(self, key: int, name: str) -> None:
        self._source = key.to_bytes(8, "little") + name.encode()
        self._words = list(_WORDS(blake2b(self._source).digest()))

    def unit(self) -> float:
        """The next number in [0, 1)."""
        if not self._words:
            self._source += b"+"
            self._words = list(_WORDS(blake2b(self._source).digest()))
        return (self._words.pop() >> 11) * 2.0**-53

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * self.unit()

    def integer(self, low: int, high: int) -> int:
        """From low to high, both included."""
        return low + int(self.unit() * (high - low + 1))

    def pick(self, options: Sequence[Option]) -> Option:
        return options[self.integer(0, len(options) - 1)]
'''


# ======================================================================================================================
# ffdi/base/paths.py
# ======================================================================================================================
SOURCES["ffdi/base/paths.py"] = r'''"""Where artefacts live, and a join that cannot leave its root."""

from dataclasses import dataclass
from pathlib import Path

from ffdi.base.errors import UserError


def inside(root: Path, relative: str) -> Path:
    """`root / relative`, refused (UserError) when the result, links resolved, is not below `root`."""
    if "\0" in relative:
        raise UserError(f"The name {relative!r} holds a NUL byte; remove that row.")
    path = (root / relative).resolve()
    if not path.is_relative_to(root.resolve()):
        raise UserError(
            f"The name {relative!r} leads outside {root}; only files below the competition folder are read."
        )
    return path


@dataclass(frozen=True)
class Places:
    """The artefacts of one competition folder (`work`) and the submissions beside them."""

    work: Path
    submissions: Path

    @property
    def manifest(self) -> Path:
        return self.work / "manifest.parquet"

    @property
    def landmarks(self) -> Path:
        return self.work / "landmarks.parquet"

    @property
    def runs(self) -> Path:
        return self.work / "runs"

    @property
    def cache(self) -> Path:
        return self.work / "cache"

    def folds(self, scheme: str) -> Path:
        return self.work / "folds" / f"{scheme}.parquet"

    def run(self, member: str, spec8: str) -> Path:
        return self.runs / f"{member}-{spec8}"

    def fold(self, member: str, spec8: str, fold: int | str) -> Path:
        return self.run(member, spec8) / f"fold{fold}"

    def report(self, verb: str) -> Path:
        return self.work / "reports" / f"{verb}.html"
'''


# ======================================================================================================================
# ffdi/base/seal.py
# ======================================================================================================================
SOURCES["ffdi/base/seal.py"] = r'''"""Artefacts that carry the sha256 of their own bytes.

The 64 digits stand inside the file (a JSON value, a parquet footer entry, a safetensors header entry) and count as
zeros while the hash is made. So one rename commits content and checksum together, any reader of the format still
opens the file, and every single bit is covered: safetensors alone loads 500 of 500 flipped payloads silently, parquet
332 of 400 (own measurement).
"""

import hashlib
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ffdi.base import atomic
from ffdi.base.errors import CorruptError, UserError

MARK = b"ffdi-sha256:"
BLANK = "0" * 64
_SEAL = re.compile(MARK + rb"([0-9a-f]{64})")


def seal(data: bytes) -> bytes:
    """Fill in the one blank seal of `data`."""
    match = _only_seal(data, "new artefact")
    return data[: match.start(1)] + _hash(data, match).encode() + data[match.end(1) :]


def read(path: Path) -> bytes:
    """The bytes of a sealed file. Raises UserError if it is missing, CorruptError if one bit is not as written."""
    data = _bytes_of(path)
    match = _only_seal(data, str(path))
    if _hash(data, match).encode() != match.group(1):
        raise CorruptError(f"{path} is damaged: its bytes do not match its seal; delete it and run the verb again.")
    return data


def digest(path: Path) -> str:
    """The identity of a sealed file: its seal, verified."""
    return _only_seal(read(path), str(path)).group(1).decode()


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    body = {**value, "seal": MARK.decode() + BLANK}
    text = json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    atomic.write_bytes(path, seal(text.encode()))


def read_json(path: Path) -> dict[str, Any]:
    value = json.loads(read(path))
    del value["seal"]
    return value


def write_table(path: Path, frame: pd.DataFrame, facts: Mapping[str, Any] | None = None) -> None:
    """A frame (its index is dropped) as parquet, with `facts` (JSON values) in the footer."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    # Only the columns: pandas' own metadata would carry its version into the digest.
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    metadata = {"facts": json.dumps(dict(facts or {}), sort_keys=True), "seal": MARK.decode() + BLANK}
    buffer = io.BytesIO()
    # Without the stored Arrow schema, which would repeat the blank seal in base64.
    with pq.ParquetWriter(buffer, table.schema, compression="zstd", store_schema=False) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(metadata)
    atomic.write_bytes(path, seal(buffer.getvalue()))


def read_table(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    import pyarrow.parquet as pq

    return pq.read_table(io.BytesIO(read(path)), columns=columns, use_threads=False).to_pandas()


def read_facts(path: Path) -> dict[str, Any]:
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(io.BytesIO(read(path))).metadata
    return json.loads(metadata[b"facts"])


def write_tensors(path: Path, tensors: Mapping[str, np.ndarray], facts: Mapping[str, Any] | None = None) -> None:
    """Named arrays as safetensors, with `facts` (JSON values) in the header."""
    from safetensors.numpy import save

    # One entry: with two, safetensors writes them in a random order.
    body = {"facts": dict(facts or {}), "seal": MARK.decode() + BLANK}
    metadata = {"ffdi": json.dumps(body, sort_keys=True)}
    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    atomic.write_bytes(path, seal(save(arrays, metadata)))


def read_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """(arrays by name, facts); the arrays are writable copies."""
    from safetensors.numpy import load

    data = read(path)
    size = int.from_bytes(data[:8], "little")
    facts = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["ffdi"])["facts"]
    return {name: array.copy() for name, array in load(data).items()}, facts


def _hash(data: bytes, match: re.Match[bytes]) -> str:
    digest = hashlib.sha256(memoryview(data)[: match.start(1)])
    digest.update(BLANK.encode())
    digest.update(memoryview(data)[match.end(1) :])
    return digest.hexdigest()


def _only_seal(data: bytes, name: str) -> re.Match[bytes]:
    matches = list(_SEAL.finditer(data))
    if len(matches) != 1:
        raise CorruptError(f"{name} is damaged: {len(matches)} seals in it, not one; delete it and run the verb again.")
    return matches[0]


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist; run the verb that writes it first.") from error
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}.") from error
'''


# ======================================================================================================================
# ffdi/blend/apply.py
# ======================================================================================================================
SOURCES["ffdi/blend/apply.py"] = r'''"""The blend of a team on its held-out, validation and test rows.

Shapes: M members, N rows.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ffdi.blend.evidence import gather, held_out
from ffdi.blend.features import Array, ranks
from ffdi.blend.members import Team, canonical
from ffdi.blend.methods import Method, combine, over_models
from ffdi.score.ranks import rank_within

BLEND = "blend"  # the column of the blend, beside one column a member


@dataclass(frozen=True)
class Blended:
    """Frames sorted by id, each with a column a member and the column `blend`; weights (sum 1) by member.

    `oof`: id, split, relpath, target, fold, then ranks inside folds: of the members that held rows out, and of the
    blend (missing if none of them has a weight). `val`, `test`: id, relpath, target, imputed, then the members'
    features and the blend in (0, 1), where an unreadable image has the `prior`: a middle score of the held-out rows.
    """

    oof: pd.DataFrame
    val: pd.DataFrame
    test: pd.DataFrame
    weights: dict[str, float]
    prior: float


def apply(
    team: Team, method: Method, given: Mapping[str, float] | None = None, fit: Collection[str] = ("oof",)
) -> Blended:
    """Blend by `method`; weights `given` by member (from the recipe) take the place of those it would find.

    `fit`: the rows that weights learn from, as `evidence.gather` knows them.
    """
    team = canonical(team)
    names = [member.name for member in team.members]
    held = held_out(team)
    weights = _shares(given or _found(team, method, fit), names)
    oof, prior = team.oof, 0.5
    if held.names:
        folds_N = team.oof["fold"].to_numpy(np.int64)
        oof = oof.assign(**dict(zip(held.names, ranks(held.logits_HN, folds_N), strict=True)))
        shares = _shares(weights, held.names)
        if shares:
            blend_N = combine(method.features(held.logits_HN, folds_N), np.array(list(shares.values())))
            oof[BLEND] = rank_within(blend_N, folds_N)
            prior = float(method.squash(np.median(blend_N, keepdims=True))[0])
    val = unseen(team.val, {member.name: member.val_KV for member in team.members}, method, weights, prior)
    test = unseen(team.test, {member.name: member.test_KT for member in team.members}, method, weights, prior)
    return Blended(oof, val, test, weights, prior)


def _found(team: Team, method: Method, fit: Collection[str]) -> dict[str, float]:
    """Weights by member. No row tells what a member is worth that held none out: it gets the mean weight."""
    names = [member.name for member in team.members]
    if all(member.oof_N is None for member in team.members):
        return dict.fromkeys(names, 1.0)
    known = gather(team, fit)
    rows_N = known.learns_N
    found_H = method.weigh(known.features(method)[:, rows_N], known.target_N[rows_N])
    found = dict(zip(known.held.names, found_H.tolist(), strict=True))
    return {name: found.get(name, 1 / len(found)) for name in names}


def unseen(
    rows: pd.DataFrame, logits: Mapping[str, Array], method: Method, weights: Mapping[str, float], prior: float
) -> pd.DataFrame:
    """Rows that no member was trained on. The unreadable ones stand outside: they move nobody's rank."""
    seen_N = ~rows["imputed"].to_numpy(bool)
    features = {name: np.full(len(rows), prior) for name in logits}
    blend_N = np.full(len(rows), prior)
    if seen_N.any():
        for name, logits_KN in logits.items():
            features[name][seen_N] = over_models(method, logits_KN[:, seen_N])
        seen_MN = np.stack([features[name][seen_N] for name in weights])
        blend_N[seen_N] = method.squash(combine(seen_MN, np.array(list(weights.values()))))
    return rows.assign(**features, **{BLEND: blend_N})


def _shares(weights: Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    """Weights of these members scaled to sum 1; empty if none is positive."""
    total = sum(weights.get(name, 0.0) for name in names)
    return {name: weights.get(name, 0.0) / total for name in names} if total > 0 else {}
'''


# ======================================================================================================================
# ffdi/blend/budget.py
# ======================================================================================================================
SOURCES["ffdi/blend/budget.py"] = r'''"""How many members a blend needs: grown under a budget of minutes or parameters, and dropped one by one; equal weights.

The order is learned by AUC; each point of a curve is scored nested, with orders that the other folds taught.

Shapes: M members that held rows out, N rows, B budgets.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ffdi.base.errors import UserError
from ffdi.blend.cost import Cost
from ffdi.blend.evidence import held_out
from ffdi.blend.features import Array, Folds, ranks
from ffdi.blend.judge import Judge
from ffdi.blend.members import Team, canonical
from ffdi.blend.weights import Target
from ffdi.score.interval import Interval, around, placements
from ffdi.score.ranks import rank_within

Order = list[int]
Learn = Callable[[Array, Target], Order]


@dataclass(frozen=True)
class Point:
    """`members`: by the order that all rows teach; `costs`: theirs, by unit; `nested`: what so many are worth."""

    members: tuple[str, ...]
    costs: dict[str, float]
    nested: Interval


@dataclass(frozen=True)
class Budget:
    """`grown` from one member on, as far as the limits let them; `dropped` from all of them down to one.

    `costs`: the unit to draw first. `left_out`: members that held rows out and do not fit; empty if all do.
    """

    costs: tuple[Cost, ...]
    grown: tuple[Point, ...]
    dropped: tuple[Point, ...]
    left_out: tuple[str, ...]


def budget(team: Team, costs: Sequence[Cost]) -> Budget:
    """Of at least two members that held rows out; members that held none out stay, and their cost is taken first.

    Raises UserError if nothing fits.
    """
    team = canonical(team)
    held = held_out(team)
    kept = [member.name for member in team.members if member.name not in held.names]
    costs_BM = np.array([[cost.by_member[name] for name in held.names] for cost in costs], dtype=float)
    limits_B = np.array([np.inf if cost.limit is None else cost.limit - cost.of(kept) for cost in costs])
    refuse_empty(costs, held.names, costs_BM, limits_B)
    folds_N, target_N = team.oof["fold"].to_numpy(np.int64), team.oof["target"].to_numpy(np.int8)
    group_N = np.unique(team.oof["group"], return_inverse=True)[1] if "group" in team.oof else None
    features_MN = ranks(held.logits_HN, folds_N)

    def points(learn: Learn) -> tuple[Point, ...]:
        order = learn(features_MN, target_N)
        scores_SN = _nested(features_MN, target_N, folds_N, learn, len(order))
        nested = [around(placements(target_N, rank_within(score_N, folds_N), group_N)) for score_N in scores_SN]
        chosen = [[held.names[place] for place in sorted(order[: size + 1])] for size in range(len(order))]
        return tuple(
            Point(tuple(names), {cost.unit: cost.of(names) for cost in costs}, interval)
            for names, interval in zip(chosen, nested, strict=True)
        )

    grown = points(lambda features, target: grow(features, target, costs_BM, limits_B))
    left_out = tuple(name for name in held.names if name not in grown[-1].members)
    return Budget(tuple(costs), grown, points(keep)[::-1], left_out)


def refuse_empty(costs: Sequence[Cost], names: Sequence[str], costs_BM: Array, limits_B: Array) -> None:
    """Raises UserError if no member fits all limits."""
    if (costs_BM <= limits_B[:, None]).all(axis=0).any():
        return
    tight = int(np.argmax(costs_BM.min(axis=1) - limits_B))
    cheapest = int(np.argmin(costs_BM[tight]))
    raise UserError(
        f"No member fits into {costs[tight].limit:g} {costs[tight].unit}: the cheapest, {names[cheapest]}, takes "
        f"{costs_BM[tight, cheapest]:.4g} of the {max(limits_B[tight], 0):.4g} that are left; raise the limit."
    )


def grow(features_MN: Array, target_N: Target, costs_BM: Array, limits_B: Array) -> Order:
    """Members in the order in which they raise the AUC of the mean most (or lower it least), while budgets last."""
    judge = Judge(features_MN, target_N, looks=len(features_MN))
    base_N, spent_B = np.zeros_like(judge.grid_MN[0]), np.zeros(len(limits_B))
    order: Order = []
    while True:
        fitting = np.flatnonzero((spent_B[:, None] + costs_BM <= limits_B[:, None]).all(axis=0)).tolist()
        moves = [(place, 1, 1) for place in fitting if place not in order]
        if not moves:
            return order
        move, _ = judge.best(base_N, moves, full=len(order) + 1)
        base_N = judge.blend(base_N, move)
        order.append(move[0])
        spent_B = spent_B + costs_BM[:, move[0]]


def keep(features_MN: Array, target_N: Target) -> Order:
    """Members in the order of their worth: the last is the one that the blend of all misses least, and so on."""
    judge = Judge(features_MN, target_N, looks=len(features_MN))
    left = list(range(len(features_MN)))
    base_N, dropped = judge.grid_MN.sum(axis=0, dtype=np.int32), []
    while len(left) > 1:
        move, _ = judge.best(base_N, [(place, 1, -1) for place in left], full=len(left))
        base_N = judge.blend(base_N, move)
        left.remove(move[0])
        dropped.append(move[0])
    return [*left, *dropped[::-1]]


def _nested(features_MN: Array, target_N: Target, folds_N: Folds, learn: Learn, sizes: int) -> Array:
    """[S, N] by number of members, less one. An order that ends early, for want of budget, stays at its last blend."""
    score_SN = np.empty((sizes, len(target_N)))
    for fold in np.unique(folds_N):
        inside_N = folds_N == fold
        order = learn(features_MN[:, ~inside_N], target_N[~inside_N])
        for size in range(sizes):
            score_SN[size, inside_N] = features_MN[sorted(order[: size + 1])][:, inside_N].mean(axis=0)
    return score_SN
'''


# ======================================================================================================================
# ffdi/blend/card.py
# ======================================================================================================================
SOURCES["ffdi/blend/card.py"] = r'''"""The card of a blend: what went in, what it is worth, and the lie that pooled raw scores would have told.

Shapes: N rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ffdi.base import digest
from ffdi.base.code import code_digest
from ffdi.blend.apply import BLEND, Blended, held_out
from ffdi.blend.budget import Budget
from ffdi.blend.choice import Choice
from ffdi.blend.forecast import Forecast
from ffdi.blend.honest import table as honest_table
from ffdi.blend.members import Predictions, Team
from ffdi.blend.methods import Method, combine
from ffdi.score.auc import auc, tpr_at_fpr
from ffdi.score.interval import around, placements
from ffdi.spec.recipe import Recipe

FALSE_ALARMS = (1e-2, 5e-3, 1e-3)
# Say where and how fast, or what was tried; not what comes out.
SPEED_ONLY: Any = {"data": {"folder", "cache", "workers"}, "search": True, "forge": True}


def recipe_digest(recipe: Recipe) -> str:
    """64 hex digits over everything in the recipe that can change a score."""
    return digest.of_json(recipe.model_dump(mode="json", exclude=SPEED_ONLY))


def card(
    recipe: Recipe,
    choice: Choice,
    outlook: Forecast | None,
    team: Team,
    blended: Blended,
    found: Budget | None,
    left_out: Sequence[str],
    manifest: str,
    folds: str,
) -> dict[str, Any]:
    """All but the file that is sent and its date, which `submit.folder` adds. `manifest`, `folds`: digests.

    `left_out`: members that have no weight because the budget `found` does not let them in.
    """
    method = choice.method
    return {
        "recipe": {"name": recipe.name, "digest": recipe_digest(recipe)},
        "competition": recipe.competition,
        "method": method.name,
        "why": choice.why,
        "honest": [] if choice.found is None else honest_table(choice.found).to_dict("records"),
        "forecast": None if outlook is None else asdict(outlook) | {"board": outlook.board.model_dump()},
        "budget": None if found is None else _budget(found, left_out),
        "manifest": manifest,
        "folds": {**recipe.folds.model_dump(mode="json"), "digest": folds},
        "code": code_digest(),
        "rows": _rows(blended),
        "members": [_member(recipe, member, blended) for member in team.members],
        "blend": {**_worth(blended, BLEND), "auc_raw": _raw_blend(method, team, blended)},
    }


def inputs(card: Mapping[str, Any]) -> str:
    """Digest of what decides the submission: recipe, data, folds, code and the members' files, not their scores."""
    files = [[member["name"], member["spec"], member["files"]] for member in card["members"]]
    left_out = (card["budget"] or {}).get("left_out", [])  # the speed of a machine has a say in it
    return digest.of_json([card[name] for name in ("recipe", "manifest", "folds", "code")] + files + left_out)


def _budget(found: Budget, left_out: Sequence[str]) -> dict[str, Any]:
    return {
        "limits": {cost.unit: cost.limit for cost in found.costs if cost.limit is not None},
        "costs": {cost.unit: dict(cost.by_member) for cost in found.costs},
        "left_out": list(left_out),
        "nested": asdict(found.grown[-1].nested) if left_out else None,
    }


def _rows(blended: Blended) -> dict[str, int]:
    return {
        "oof": len(blended.oof),
        "oof_fake": int((blended.oof["target"] == 1).sum()),
        "val": len(blended.val),
        "test": len(blended.test),
        "test_imputed": int(blended.test["imputed"].sum()),
    }


def _member(recipe: Recipe, member: Predictions, blended: Blended) -> dict[str, Any]:
    spec = next(spec for spec in recipe.member if spec.name == member.name)
    raw = None if member.oof_N is None else _auc(blended.oof["target"], member.oof_N)
    return {
        "name": member.name,
        "model": spec.model,
        "spec": member.spec,
        "views": list(spec.views),
        "weight": blended.weights[member.name],
        **_worth(blended, member.name),
        "auc_raw": raw,
        "files": member.files,
    }


def _worth(blended: Blended, name: str) -> dict[str, Any]:
    """What one column scores: in every fold, on all held-out rows by ranks inside folds, and on the validation set."""
    val = blended.val[~blended.val["imputed"].astype(bool)]
    worth: dict[str, Any] = {"auc_val": _auc(val["target"], val[name])}
    if name not in blended.oof:
        return {**worth, "auc": None, "folds": {}, "fold_mean": None, "fold_sd": None, "tpr": {}}
    target_N, score_N = blended.oof["target"].to_numpy(), blended.oof[name].to_numpy()
    group_N = np.unique(blended.oof["group"], return_inverse=True)[1] if "group" in blended.oof else None
    by_fold = {str(fold): _auc(rows["target"], rows[name]) for fold, rows in blended.oof.groupby("fold")}
    known = [value for value in by_fold.values() if value is not None]
    return {
        **worth,
        "auc": asdict(around(placements(target_N, score_N, group_N))),
        "folds": by_fold,
        "fold_mean": float(np.mean(known)) if known else None,
        "fold_sd": float(np.std(known, ddof=1)) if len(known) > 1 else None,
        "tpr": {str(fpr): tpr_at_fpr(target_N, score_N, fpr) for fpr in FALSE_ALARMS},
    }


def _raw_blend(method: Method, team: Team, blended: Blended) -> float | None:
    """AUC of the same blend as if one model had scored all held-out rows: what pooling raw scores shows."""
    held = held_out(team)
    if BLEND not in blended.oof:
        return None
    features_HN = method.features(held.logits_HN, np.zeros(len(blended.oof), np.int64))
    weights_H = np.array([blended.weights[name] for name in held.names])
    return _auc(blended.oof["target"], combine(features_HN, weights_H))


def _auc(target: ArrayLike, score: ArrayLike) -> float | None:
    """None where the labels are unknown or of one class only."""
    return auc(target, score) if set(np.unique(np.asarray(target)).tolist()) == {0, 1} else None


def tables(card: Mapping[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(members, folds) as people read them. members: name, weight, auc, low, high, mean, sd, auc_raw, val_auc, tpr_*;
    folds: name, fold, auc. The last row of members, and the last folds, are the blend's."""
    lines = [*card["members"], {"name": BLEND, "weight": np.nan, **card["blend"]}]
    members = pd.DataFrame([_line(line) for line in lines])
    spread = [
        {"name": line["name"], "fold": fold, "auc": value} for line in lines for fold, value in line["folds"].items()
    ]
    return members, pd.DataFrame(spread, columns=["name", "fold", "auc"]).astype({"auc": float})


def _line(line: Mapping[str, Any]) -> dict[str, Any]:
    interval = line["auc"] or {"value": np.nan, "low": np.nan, "high": np.nan}
    numbers = {"mean": "fold_mean", "sd": "fold_sd", "auc_raw": "auc_raw", "val_auc": "auc_val"}
    return {
        "name": line["name"],
        "weight": line["weight"],
        "auc": interval["value"],
        "low": interval["low"],
        "high": interval["high"],
        **{name: np.nan if line[key] is None else line[key] for name, key in numbers.items()},
        **{f"tpr_{fpr}": value for fpr, value in line["tpr"].items()},
    }
'''


# ======================================================================================================================
# ffdi/blend/choice.py
# ======================================================================================================================
SOURCES["ffdi/blend/choice.py"] = r'''"""Which method blends, why, and what each would be worth: the recipe's wish held against the honest table."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ffdi.blend.evidence import Evidence, gather
from ffdi.blend.features import Array
from ffdi.blend.honest import AUTO, YARDSTICK, Honest, honest
from ffdi.blend.members import Team
from ffdi.blend.methods import METHODS, Method
from ffdi.blend.weights import Target, shares
from ffdi.spec.recipe import Blend

GIVEN = "given_weights"  # the row of the recipe's own weights
UNSEEN = "every member was fitted on all rows, so no held-out row tells methods apart."


@dataclass(frozen=True)
class Choice:
    """`why`: a sentence. `found` is None where no held-out row can tell methods apart. `row`: what the blend is worth
    stands there; for "auto" that is the row of the choice itself, which flatters nobody."""

    method: Method
    why: str
    found: Honest | None
    row: str

    @property
    def nested_N(self) -> Array | None:
        """Honest scores of the blend on the rows of the canonical team, if there are any."""
        return None if self.found is None else self.found.scores.get(self.row)


def decide(wish: Blend, team: Team) -> Choice:
    """Weights in the recipe win, then its method; "auto" takes equal ranks, or what beats them beyond noise."""
    method = METHODS[YARDSTICK if wish.method == AUTO else wish.method]
    if all(member.oof_N is None for member in team.members):
        return Choice(method, f"{method.name}: {UNSEEN}", None, method.name)
    known = gather(team, wish.fit)
    blind = _blind(known)
    if blind:
        return Choice(method, f"{method.name}: {blind}", None, method.name)
    given = None if method.races else method
    if wish.weights:
        given = _given(wish.weights, method, known.held.names)
    found = honest(team, given=given, fit=wish.fit, drawn=wish.interval == "bootstrap")
    if wish.weights:
        return Choice(method, f"The recipe gives the weights; without them {_verdict(found)}", found, GIVEN)
    if wish.method == AUTO:
        return Choice(METHODS[found.choice], f"auto: {_verdict(found)}", found, AUTO)
    return Choice(method, f"The recipe names {method.name}; left to itself {_verdict(found)}", found, method.name)


def _blind(known: Evidence) -> str:
    """Why the table cannot be made, as the end of a sentence; empty if it can."""
    if len(known.held.names) == 1:
        return "one member alone held rows out, so there is nothing to weigh."
    for part in np.unique(known.part_N[: known.oof]).tolist():
        if min(np.bincount(known.target_N[known.learns_N & (known.part_N != part)], minlength=2)) < 2:
            return f"the rows but those of part {part} lack a class, so weights cannot be learned there."
    return ""


def _given(weights: Mapping[str, float], method: Method, names: list[str]) -> Method | None:
    """The recipe's weights as a method that looks at no target; None if they leave no held-out member any weight."""
    weights_M = np.array([weights.get(name, 0.0) for name in names])
    if weights_M.sum() <= 0:
        return None

    def weigh(features_MN: Array, target_N: Target) -> Array:
        return shares(weights_M)

    return Method(GIVEN, method.features, weigh, method.squash)


def _verdict(found: Honest) -> str:
    if found.choice == YARDSTICK:
        return f"{YARDSTICK} is taken, since no other method beats it beyond noise."
    gain = found.estimates[found.choice].gain
    return (
        f"{found.choice} is taken, the simplest that beats {YARDSTICK} beyond noise; nested it gains {gain.value:+.4f} "
        f"over {YARDSTICK} ({gain.low:+.4f} to {gain.high:+.4f})."
    )
'''


# ======================================================================================================================
# ffdi/blend/cost.py
# ======================================================================================================================
SOURCES["ffdi/blend/cost.py"] = r'''"""What members cost: minutes of kernel time by the speed their folds were measured at, and parameters.

The minutes are those of the machine that predicted last; train on the kernel's own GPU to have its minutes.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ffdi.base import seal
from ffdi.base.errors import UserError
from ffdi.data.job import Job
from ffdi.spec.competition import Competition
from ffdi.spec.recipe import Recipe

MINUTES, PARAMETERS, MEMBERS = "minutes", "parameters", "members"
SPEED = "speed.json"  # what `train.pace` leaves in the folder of a fold
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")  # stored beside parameters, not counted as such
BESIDE = "golden/"  # what a weights file holds besides the network


@dataclass(frozen=True)
class Cost:
    """`limit`: of all members together, None if nothing limits them."""

    unit: str
    by_member: Mapping[str, float]
    limit: float | None = None

    def of(self, names: Iterable[str]) -> float:
        return math.fsum(self.by_member[name] for name in names)


def costs(recipe: Recipe, competition: Competition, jobs: list[Job]) -> tuple[Cost, ...]:
    """What is known of all members, the unit to draw first; if nothing is, a member costs 1.

    Raises UserError if the recipe limits minutes and a fold left no speed.
    """
    names = {job.member.name for job in jobs}
    spent, weights = minutes(jobs), parameters(jobs)
    limit = recipe.blend.max_minutes
    if limit is not None and names - set(spent):
        slow = next(job for job in jobs if job.member.name not in spent)
        raise UserError(
            f"blend.max_minutes needs the speed of every member, and {slow.member.name} left none in "
            f"{slow.folder.parent}; delete done.json in its folds and run `ffdi predict`, which measures it."
        )
    found = [
        Cost(MINUTES, spent, limit),
        Cost(PARAMETERS, weights, recipe.max_params or competition.max_params),
    ]
    known = tuple(cost for cost in found if set(cost.by_member) == names)
    return known or (Cost(MEMBERS, dict.fromkeys(sorted(names), 1)),)


def minutes(jobs: Iterable[Job]) -> dict[str, float]:
    """To predict the test images under all views with every fold model, of each member whose folds left their speed."""
    found: dict[str, float] = {}
    unknown = set()
    for job in jobs:
        path = job.folder / SPEED
        if not path.exists():
            unknown.add(job.member.name)
            continue
        rate = seal.read_json(path)["images_per_second"]
        found[job.member.name] = found.get(job.member.name, 0.0) + len(job.test) / rate / 60
    return {name: value for name, value in found.items() if name not in unknown}


def parameters(jobs: Iterable[Job]) -> dict[str, float]:
    """Of each member whose first fold left its weights here, from the names and shapes that head the file."""
    found: dict[str, float] = {}
    for job in jobs:
        path = job.folder / "weights.safetensors"
        if job.member.name not in found and path.exists():
            found[job.member.name] = _count(path)
    return found


def _count(path: Path) -> int:
    with path.open("rb") as file:
        heads = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(
        math.prod(head["shape"])
        for name, head in heads.items()
        if name != "__metadata__" and not name.startswith(BESIDE) and not name.endswith(BUFFERS)
    )
'''


# ======================================================================================================================
# ffdi/blend/evidence.py
# ======================================================================================================================
SOURCES["ffdi/blend/evidence.py"] = r'''"""The rows that tell members apart, which of them weights may learn from, and which are left out together.

A row that a fold model held out has one logit a member; a validation row was held out by all fold models and has the
mean of their features. Ranks are made for each model file by itself: inside its fold, and before that mean. So a
member trained again with another seed is another member, with ranks of its own.

Shapes: H members that held rows out, N rows: out-of-fold rows first, then readable validation rows with a label.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ffdi.base.errors import UserError
from ffdi.base.keys import rng
from ffdi.blend.features import Array, Folds
from ffdi.blend.members import Team, canonical
from ffdi.blend.methods import Method, over_models
from ffdi.blend.weights import Target
from ffdi.score.auc import auc
from ffdi.score.interval import Interval, Placements, bootstrap, placements

PARTS = 5  # outer parts where the folds cannot be
VAL = -1  # the fold, and the outer part, of validation rows


@dataclass(frozen=True)
class HeldOut:
    """Members that held rows out, and their logits there."""

    names: list[str]
    logits_HN: Array


@dataclass(frozen=True)
class Evidence:
    """`oof`: how many of the rows are out-of-fold. `part_N`: rows that weights forget together. `learns_N`: whether
    weights may learn from a row at all. `group_N`: 0, 1, ... of the out-of-fold rows, None if they are not grouped."""

    held: HeldOut
    val_HKN: list[Array]
    oof: int
    fold_N: Folds
    part_N: Folds
    target_N: Target
    learns_N: NDArray[np.bool_]
    group_N: NDArray[np.int64] | None

    def features(self, method: Method) -> Array:
        """[H, N]"""
        oof_HN = method.features(self.held.logits_HN, self.fold_N[: self.oof])
        if self.oof == len(self.fold_N):
            return oof_HN
        return np.hstack([oof_HN, [over_models(method, logits_KN) for logits_KN in self.val_HKN]])

    def thinned(self, most: int) -> tuple["Evidence", NDArray[np.bool_]]:
        """About so many out-of-fold rows in whole groups, and all validation rows; and which rows these are."""
        group_N = np.arange(self.oof) if self.group_N is None else self.group_N
        drawn_G = rng("thinned", most).random(int(group_N.max(initial=0)) + 1) * self.oof < most
        kept_N = np.append(drawn_G[group_N], np.ones(len(self.fold_N) - self.oof, bool))
        held = HeldOut(self.held.names, self.held.logits_HN[:, kept_N[: self.oof]])
        oof = int(drawn_G[group_N].sum())
        fewer = None if self.group_N is None else np.unique(group_N[kept_N[: self.oof]], return_inverse=True)[1]
        kept = Evidence(
            held, self.val_HKN, oof, self.fold_N[kept_N], self.part_N[kept_N], self.target_N[kept_N],
            self.learns_N[kept_N], fewer,
        )  # fmt: skip
        return kept, kept_N

    @property
    def teachers(self) -> frozenset[int]:
        """The parts that weights learn from."""
        return frozenset(np.unique(self.part_N[self.learns_N]).tolist())

    def taught(self, *parts: int) -> list[int]:
        """The parts but these for which others are left to learn from."""
        left = self.teachers - set(parts)
        return [part for part in np.unique(self.part_N).tolist() if part not in parts and left - {part}]

    def enough(self, *parts: int) -> bool:
        """Whether, without these parts, others can be judged by weights that still others teach."""
        taught = [part for part in self.taught(*parts) if part != VAL]
        rests = [self.learns_N & ~np.isin(self.part_N, [part, *parts]) for part in taught]
        rests.append(np.isin(self.part_N, taught))
        return len(taught) > 0 and all(min(np.bincount(self.target_N[rest_N], minlength=2)) > 1 for rest_N in rests)

    def auc(self, score_N: Array) -> float:
        """Of the out-of-fold rows."""
        return auc(self.target_N[: self.oof], score_N[: self.oof])

    def auc_val(self, score_N: Array) -> float | None:
        target_N, score_N = self.target_N[self.oof :], score_N[self.oof :]
        return None if np.isnan(score_N).any() or len(np.unique(target_N)) < 2 else auc(target_N, score_N)

    def placed(self, score_N: Array) -> Placements:
        """Of the out-of-fold rows that have a score."""
        scored_N = ~np.isnan(score_N[: self.oof])
        group_N = None if self.group_N is None else self.group_N[scored_N]
        return placements(self.target_N[: self.oof][scored_N], score_N[: self.oof][scored_N], group_N)

    def drawn(self, mine_N: Array, theirs_N: Array, level: float) -> Interval:
        """Of the gain on the out-of-fold rows."""
        rows = slice(self.oof)
        return bootstrap(self.target_N[rows], mine_N[rows], theirs_N[rows], self.group_N, level)


def held_out(team: Team) -> HeldOut:
    found = {member.name: member.oof_N for member in team.members if member.oof_N is not None}
    return HeldOut(list(found), np.array(list(found.values())))


def gather(team: Team, fit: Collection[str] = ("oof",)) -> Evidence:
    """`fit`: whether weights learn from "oof" rows, "val" rows or both; all are scored. At least one member held rows
    out. Raises UserError if weights are to learn from validation rows and there are none with a label."""
    team = canonical(team)
    held = held_out(team)
    labelled_V = np.zeros(len(team.val), bool)
    if len(team.val):
        labelled_V = (team.val["target"].to_numpy() >= 0) & ~team.val["imputed"].to_numpy(bool)
    if "val" in fit and not labelled_V.any():
        raise UserError('blend.fit names "val", but no validation row with a label is held out; leave "oof" alone.')
    rows, known = len(team.oof), int(labelled_V.sum())
    target_V = team.val["target"].to_numpy(np.int8)[labelled_V] if known else np.empty(0, np.int8)
    return Evidence(
        held,
        [member.val_KV[:, labelled_V] for member in team.members if member.oof_N is not None],
        rows,
        np.append(team.oof["fold"].to_numpy(np.int64), np.full(known, VAL)),
        np.append(outer_parts(team.oof), np.full(known, VAL)),
        np.append(team.oof["target"].to_numpy(np.int8), target_V),
        np.repeat(["oof" in fit, "val" in fit], [rows, known]),
        np.unique(team.oof["group"], return_inverse=True)[1] if "group" in team.oof else None,
    )


def outer_parts(rows: pd.DataFrame) -> Folds:
    """The part of each row: its fold, if there are several and each holds its clusters and near-duplicates whole.

    Else these are dealt, the largest first. `rows`: fold, and as far as known group and cluster (-1: in none).
    """
    fold_N = rows["fold"].to_numpy(np.int64)
    if "group" not in rows:
        return fold_N
    group_N = np.unique(rows["group"], return_inverse=True)[1]
    cluster_N = rows["cluster"].to_numpy(np.int64) if "cluster" in rows else np.full(len(rows), -1)
    block_N = np.where(cluster_N >= 0, group_N.max(initial=0) + 1 + cluster_N, group_N)
    block_N, size_B = np.unique(block_N, return_inverse=True, return_counts=True)[1:]
    pairs = np.unique(np.stack([block_N, fold_N]), axis=1)
    if pairs.shape[1] == len(size_B) and len(np.unique(fold_N)) > 1:
        return fold_N
    part_B = np.empty(len(size_B), np.int64)
    part_B[np.argsort(-size_B, kind="stable")] = np.arange(len(size_B)) % PARTS
    return part_B[block_N]
'''


# ======================================================================================================================
# ffdi/blend/features.py
# ======================================================================================================================
SOURCES["ffdi/blend/features.py"] = r'''"""What of a member enters a blend: its logits, probabilities, or ranks inside folds.

Shapes: M members, N rows. `folds_N` says which rows one model scored; rows of one test set have one fold.
"""

import numpy as np
from numpy.typing import NDArray

from ffdi.score.ranks import rank_within

Array = NDArray[np.float64]
Folds = NDArray[np.int64]
POWER = 3.0  # of the power mean: what a member is surest is fake counts more than what it is surest is real


def logits(logits_MN: Array, folds_N: Folds) -> Array:
    """As they are, scales of members and folds with them."""
    return logits_MN


def probabilities(logits_MN: Array, folds_N: Folds) -> Array:
    return sigmoid(logits_MN)


def ranks(logits_MN: Array, folds_N: Folds) -> Array:
    """Ranks in (0, 1) of every member inside every fold.

    Fold models differ in scale: pooled as they are, five equally good ones of AUC .857 showed .781 (own simulation).
    """
    return np.stack([rank_within(logits_N, folds_N) for logits_N in logits_MN])


def rank_powers(logits_MN: Array, folds_N: Folds) -> Array:
    return ranks(logits_MN, folds_N) ** POWER


def rank_logits(logits_MN: Array, folds_N: Folds) -> Array:
    """Ranks on the logit scale, where evidence of members adds up."""
    rank_MN = ranks(logits_MN, folds_N)
    return np.log(rank_MN) - np.log1p(-rank_MN)


def same(score_N: Array) -> Array:
    return score_N


def root(score_N: Array) -> Array:
    return score_N ** (1 / POWER)


def sigmoid(score: Array) -> Array:
    """1 / (1 + exp(-x)) without overflow."""
    small = np.exp(-np.abs(score))
    return np.where(score >= 0, 1, small) / (1 + small)
'''


# ======================================================================================================================
# ffdi/blend/forecast.py
# ======================================================================================================================
SOURCES["ffdi/blend/forecast.py"] = r'''"""What the board may show, told from held-out scores; it knows forgeries like those held out and no others.

Two things are uncertain: which rows were held out, and which the board holds. Intervals add up the variances of both,
with near-duplicates as one. Who beats whom is drawn: each draw takes the held-out groups again, then a public and a
private board from them, groups whole, for all candidates at once.

Shapes: S candidates, N rows, P fakes, R reals, C strata, D draws.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ffdi.base.keys import rng
from ffdi.blend.features import Array
from ffdi.blend.gap import Gap, lowest
from ffdi.blend.strata import Draws, Indices, Strata, covariance, pulls, strata
from ffdi.blend.weights import Target
from ffdi.score.interval import Interval, on_logits, quantile, tail
from ffdi.score.ranks import rank
from ffdi.spec.competition import Board

DRAWS = 1000
FEW = 2048  # rows of a board up to which it is drawn row by row; above, the mean of its rows is normal
FEW_HELD = 1 << 14  # held-out rows up to which that is done
ALIKE = 0.99  # rank correlation from which a second submission would be the first one again
LEVEL = 0.90
BOARDS = ("public", "private")
UNKNOWN = (
    "The forecast cannot know forgeries of kinds that were not held out: on a board that has them the AUC may fall far "
    "below its interval, and the order of candidates may change."
)


@dataclass(frozen=True)
class Outlook:
    """AUC of one candidate on either board; the chance that it beats the best there; its rank correlation with it.

    `lowest`: by board, the lower limit if its forgeries are of unseen kinds; empty where that cost is not known.
    """

    public: Interval
    private: Interval
    chance: float
    likeness: float
    lowest: dict[str, float]


@dataclass(frozen=True)
class Forecast:
    """`beats`: the chance that the first beats the second on the private board.

    `smallest`: by name of the rows, the AUC gain over the best that noise cannot explain (95 %, two-sided).
    """

    board: Board
    level: float
    groups: int  # of near-duplicates, single images among them, that the held-out rows make
    outlooks: dict[str, Outlook]
    best: str
    second: str | None
    beats: dict[str, dict[str, float]]
    smallest: dict[str, float]
    gap: Gap


def forecast(
    scores: Mapping[str, Array],
    target_N: Target,
    best: str,
    board: Board,
    *,
    group_N: ArrayLike | None = None,
    source_N: ArrayLike | None = None,
    sent: str | None = None,
    gap: Gap | None = None,
    level: float = LEVEL,
    draws: int = DRAWS,
) -> Forecast:
    """`scores`: held-out scores by candidate, `best` among them, the one that is sent. `level`: of the intervals.

    `sent`: the name of what is sent, if the scores of `best` pay for its choice. It meets the others, which paid for
    none, in the place of `best`, and is no candidate itself.
    `group_N`: a label that near-duplicates share. `source_N`: of each row, where the board has a mix of sources.
    `second` is the candidate with which the better of two does best on the private board, among those that rank
    images otherwise than `best`; None if all rank them alike. Raises UserError as `strata` does.
    """
    rows = strata(target_N, group_N, source_N, board.mix)
    found = [pulls(score_N, rows) for score_N in scores.values()]
    value_S, pulls_SN = np.array([value for value, _ in found]), np.stack([pull_N for _, pull_N in found])
    sizes = {name: rows.sizes(*_classes(getattr(board, f"{name}_rows"), board.fake_share)) for name in BOARDS}
    spreads = {name: covariance(pulls_SN, rows, size_C) for name, size_C in {"held_out": None, **sizes}.items()}
    if sum(size_C.sum() for size_C in sizes.values()) <= len(BOARDS) * FEW and len(target_N) <= FEW_HELD:
        aucs = _by_rows(np.array(list(scores.values())), rows, sizes, draws)
    else:
        aucs = _by_normal(value_S, spreads, draws)
    place = {name: number for number, name in enumerate(scores)}
    fights = {name: sent or best if name == best else name for name in scores if name == best or name != sent}
    private = {name: aucs["private"][:, place[fights[name]]] for name in fights}
    own_N = rank(scores[fights[best]])
    likeness = {name: float(np.corrcoef(rank(scores[fight]), own_N)[0, 1]) for name, fight in fights.items()}
    second = _second(private, likeness, best)
    rival = second or min(likeness, key=lambda name: likeness[name])
    gap = gap or Gap(None, "")
    outlooks = {}
    for name in fights:
        spans = {kind: _interval(value_S[place[name]], place[name], spreads, kind, rows, level) for kind in BOARDS}
        lows = {kind: lowest(span, gap.lost, level) for kind, span in spans.items()} if gap.lost else {}
        chance = _chance(private[name], private[best])
        outlooks[name] = Outlook(spans["public"], spans["private"], chance, likeness[name], lows)
    smallest = {} if rival == best else _smallest(place[fights[best]], place[rival], spreads)
    beats = {name: {other: _chance(mine_D, private[other]) for other in private} for name, mine_D in private.items()}
    return Forecast(board, level, rows.groups, outlooks, best, second, beats, smallest, gap)


def sentences(found: Forecast) -> list[str]:
    """What to send, what can be told from noise, and what none of this knows."""
    told = []
    best = "what auto chose" if found.best == "auto" else found.best
    if found.second is None:
        told.append(f"Final selections: {best}; no other candidate ranks the images otherwise.")
    else:
        second = found.outlooks[found.second]
        told.append(
            f"Final selections: {best}, and {found.second}, which differs (rank correlation "
            f"{second.likeness:.3f}) and beats it on the private board with a chance of {second.chance:.0%}."
        )
    if found.smallest:
        gains = ", ".join(f"{name.replace('_', '-')} {gain:.4f}" for name, gain in found.smallest.items())
        told.append(f"The smallest gain of such a rival that noise cannot explain (95 %), by rows: {gains}.")
    told.append(UNKNOWN)
    return [*told, found.gap.why] if found.gap.why else told


def _classes(rows: int, fake_share: float) -> tuple[int, int]:
    """(fakes, reals), at least one of each."""
    fakes = min(max(round(rows * fake_share), 1), max(rows - 1, 1))
    return fakes, max(rows - fakes, 1)


def _by_rows(scores_SN: Array, rows: Strata, sizes: Mapping[str, Indices], draws: int) -> dict[str, Array]:
    """AUC of every draw and candidate, [D, S], by board."""
    place_SN = np.stack([np.unique(score_N, return_inverse=True)[1] for score_N in scores_SN])
    place_SN += np.arange(len(place_SN))[:, None] * scores_SN.shape[1]  # each candidate's values apart
    aucs = {name: np.empty((draws, len(scores_SN))) for name in sizes}
    boards = Draws(rows)
    for draw in range(draws):
        generator = rng("forecast", draw)
        groups = boards.again(generator)
        for name, sizes_C in sizes.items():
            drawn = boards.board(groups, sizes_C, generator)
            is_fake = rows.target_N[drawn] == 1
            aucs[name][draw] = _aucs(place_SN[:, drawn[is_fake]], place_SN[:, drawn[~is_fake]], scores_SN.shape)
    return aucs


def _aucs(fakes_SP: Indices, reals_SR: Indices, shape: tuple[int, ...]) -> Array:
    """The exact AUC of each candidate, by counting at every value, ties one half."""
    fakes_SV, reals_SV = (np.bincount(part.ravel(), minlength=math.prod(shape)) for part in (fakes_SP, reals_SR))
    fakes_SV, reals_SV = fakes_SV.reshape(shape), reals_SV.reshape(shape)
    twice_S = (fakes_SV * (2 * reals_SV.cumsum(axis=1) - reals_SV)).sum(axis=1)
    return twice_S / (2 * fakes_SP.shape[1] * reals_SR.shape[1])


def _by_normal(value_S: Array, spreads: Mapping[str, Array], draws: int) -> dict[str, Array]:
    """The same for large boards: an AUC is a mean over rows of their placements, and such means are normal."""
    truth_DS = value_S + _noise(spreads["held_out"], draws, "truth")
    return {name: np.clip(truth_DS + _noise(spreads[name], draws, name), 0, 1) for name in BOARDS}


def _noise(covariance_SS: Array, draws: int, name: str) -> Array:
    """Normal draws [D, S]. By eigenvalues: candidates that are copies make the covariance singular."""
    values, vectors = np.linalg.eigh(covariance_SS)
    plain_DS = rng("forecast", name).normal(size=(draws, len(values)))
    return (plain_DS * np.sqrt(np.maximum(values, 0))) @ vectors.T


def _interval(
    value: float, place: int, spreads: Mapping[str, Array], kind: str, rows: Strata, level: float
) -> Interval:
    """Around the held-out AUC, on the logit scale, by the variance of the held-out rows plus that of the board's.

    Nominal 90 % held 89.9 % of 4,000 simulated boards; quantiles of 1,000 draws held 88.1 % of 2,000, because a lucky
    held-out AUC comes with too small a spread. At 0 and 1 the variance says nothing: as `score.interval.delong`.
    """
    se = math.sqrt(spreads["held_out"][place, place] + spreads[kind][place, place])
    if value in (0.0, 1.0):
        reach = tail(level) ** (1 / rows.fewest)
        return Interval(value, reach if value else 0.0, 1.0 if value else 1 - reach, se)
    return on_logits(float(value), se, level)


def _chance(mine_D: Array, theirs_D: Array) -> float:
    """That mine is higher; a tie counts one half."""
    return float(np.mean(mine_D > theirs_D) + np.mean(mine_D == theirs_D) / 2)


def _second(private: Mapping[str, Array], likeness: Mapping[str, float], best: str) -> str | None:
    others = [name for name in private if name != best and likeness[name] < ALIKE]
    return max(others, key=lambda name: np.maximum(private[name], private[best]).mean(), default=None)


def _smallest(best: int, rival: int, spreads: Mapping[str, Array]) -> dict[str, float]:
    """For a rival that ranks like this one."""
    apart = np.zeros(len(spreads["held_out"]))
    apart[[rival, best]] = 1, -1
    return {
        name: quantile(0.95) * math.sqrt(max(float(apart @ spread @ apart), 0.0)) for name, spread in spreads.items()
    }
'''


# ======================================================================================================================
# ffdi/blend/gap.py
# ======================================================================================================================
SOURCES["ffdi/blend/gap.py"] = r'''"""What unseen forgeries cost: AUC on folds that leave clusters of fakes out whole, against ordinary folds.

Both folds judge the same members, each trained under either, on the same images and the same pairs of them.

Shapes: N rows.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ffdi.base import seal
from ffdi.base.errors import FfdiError
from ffdi.base.paths import Places
from ffdi.blend.features import ranks
from ffdi.blend.members import Team, read_team
from ffdi.data.job import Job, plan
from ffdi.score.auc import auc
from ffdi.score.interval import Interval, on_logits, tail
from ffdi.spec.competition import Competition
from ffdi.spec.recipe import Recipe

CLUSTER = "cluster"  # the scheme of folds that leaves clusters out
NOT_KNOWN = "How much unseen forgeries cost is not known: "
REMEDY = f'to measure it, train the same members in a recipe that says folds.scheme = "{CLUSTER}".'
INSIDE = 1e-6  # an AUC this close to 0 or 1 has no logit to speak of


@dataclass(frozen=True)
class Gap:
    """`lost`: AUC that clusters left out whole cost, 95 %, None where it is not measured. `why`: a sentence or two."""

    lost: Interval | None
    why: str


def measure(recipe: Recipe, competition: Competition, manifest: pd.DataFrame, places: Places, team: Team) -> Gap:
    """From whatever stands on disk beside the runs of `team`. Damaged or stale runs are named, not fatal."""
    if recipe.folds.scheme == CLUSTER:
        return Gap(
            None, "Whole clusters of fakes were held out, so this is the forecast for forgeries of unseen kinds."
        )
    path = places.folds(CLUSTER)
    if not path.exists():
        return Gap(None, f"{NOT_KNOWN}no folds that leave clusters out are here; {REMEDY}")
    try:
        jobs = _finished(_jobs(recipe, competition, manifest, places, path), team)
        if not jobs:
            return Gap(None, f"{NOT_KNOWN}no member is finished under folds that leave clusters out; {REMEDY}")
        return compare(team, read_team(jobs))
    except FfdiError as error:
        return Gap(None, f"{NOT_KNOWN}{error}")


def compare(ours: Team, theirs: Team) -> Gap:
    """`ours` under ordinary folds, `theirs` the same members, or some of them, under folds of clusters.

    The equal-weight rank mean of both is scored inside every fold of clusters. Clusters, not images, are what there is
    little of, so the interval is Student's over those folds.
    """
    names = [member.name for member in theirs.members]
    mine = _scored(ours, names).rename(columns={"score": "ordinary"}).drop(columns="fold")
    both = mine.merge(_scored(theirs, names).drop(columns="target"), on="id")
    folds = [fold for _, fold in both.groupby("fold") if fold["target"].nunique() == 2]
    if len(folds) < 2:
        return Gap(None, f"{NOT_KNOWN}fewer than two folds of clusters hold both classes.")
    aucs_K2 = np.array([[auc(fold["target"], fold[name]) for name in ("ordinary", "score")] for fold in folds])
    lost = _student(aucs_K2[:, 0] - aucs_K2[:, 1])
    ordinary, cluster = aucs_K2.mean(axis=0)
    cost = (
        f"unseen forgeries cost {lost.value:.4f} (95 %: {lost.low:+.4f} to {lost.high:+.4f}, over {len(folds)} folds)"
    )
    return Gap(
        lost,
        f"Where clusters of fakes are left out whole, {' and '.join(names)} together reach {cluster:.4f} instead of "
        f"{ordinary:.4f}: {cost}. Lower limits for a board of unseen kinds are widened by that.",
    )


def lowest(span: Interval, lost: Interval, level: float) -> float:
    """The lower limit of `span` for a board that holds nothing but unseen kinds; never above its own."""
    value = min(max(span.value - lost.value, INSIDE), 1 - INSIDE)
    return min(span.low, on_logits(value, math.hypot(span.se, lost.se), level).low)


def _jobs(recipe: Recipe, competition: Competition, manifest: pd.DataFrame, places: Places, path: Path) -> list[Job]:
    """Of the recipe's members, had it asked for clusters."""
    table = seal.read_table(path)
    k = int(table["fold"].max()) + 1
    folds = recipe.folds.model_copy(update={"scheme": CLUSTER, "k": k})
    other = recipe.model_copy(update={"folds": folds})
    return plan(other, competition, manifest, table, Path(), places)


def _finished(jobs: list[Job], team: Team) -> list[Job]:
    """Those of members that held rows out under both and have no fold left to do."""
    held = {member.name for member in team.members if member.oof_N is not None}
    waiting = {job.member.name for job in jobs if not (job.folder / "done.json").exists()}
    return [job for job in jobs if job.member.name in held - waiting and job.member.fold == "k"]


def _scored(team: Team, names: list[str]) -> pd.DataFrame:
    """id, target, fold, score: the mean of the members' ranks inside folds."""
    logits_MN = np.array([member.oof_N for member in team.members if member.name in names])
    score_N = ranks(logits_MN, team.oof["fold"].to_numpy(np.int64)).mean(axis=0)
    return team.oof[["id", "target", "fold"]].assign(score=score_N)


def _student(gaps_K: np.ndarray) -> Interval:
    from scipy.special import stdtrit  # here, as it would delay the start of every verb

    value, se = float(gaps_K.mean()), float(gaps_K.std(ddof=1)) / math.sqrt(len(gaps_K))
    half = float(stdtrit(len(gaps_K) - 1, 1 - tail(0.95))) * se
    return Interval(value, max(value - half, -1.0), min(value + half, 1.0), se)
'''


# ======================================================================================================================
# ffdi/blend/histogram.py
# ======================================================================================================================
SOURCES["ffdi/blend/histogram.py"] = r'''"""The compiled inner loops of `judge`: rows counted by bins of a whole number, the fakes first.

A loop that does one thing is vectorised by the compiler, so bins are found block by block and counted after that.

Shapes: N rows, B bins.
"""

import numpy as np

from ffdi.base.compiled import compiled

BLOCK = 4096  # rows whose bins wait to be counted: they stay in the first cache
DIGIT = 10  # bits that one pass of the sort looks at: with 1,024 places to write to the cache keeps up


@compiled
def _place(base_N, grid_N, here, there, shift, bins_N):  # type: ignore[no-untyped-def]
    left, right, down = np.int32(here), np.int32(there), np.int32(shift)
    for row in range(len(base_N)):
        bins_N[row] = np.uint16(np.int32(np.int32(left * base_N[row]) + np.int32(right * grid_N[row])) >> down)


@compiled
def _tally(bins_N, count_B):  # type: ignore[no-untyped-def]
    for place in bins_N:
        count_B[place] += np.int32(1)


@compiled
def count(base_N, grid_N, here, there, shift, bins, fakes):  # type: ignore[no-untyped-def]
    """Pairs (fake, real) with the fake in a higher bin, and pairs in one bin. A bin is 2**shift wide."""
    fakes_B, reals_B = np.zeros(bins, np.int32), np.zeros(bins, np.int32)
    block = np.empty(BLOCK, np.uint16)
    for begin, end, count_B in ((0, fakes, fakes_B), (fakes, len(base_N), reals_B)):
        for start in range(begin, end, BLOCK):
            stop = min(start + BLOCK, end)
            bins_N = block[: stop - start]
            _place(base_N[start:stop], grid_N[start:stop], here, there, shift, bins_N)
            _tally(bins_N, count_B)
    won, tied, below = np.int64(0), np.int64(0), np.int64(0)
    for place in range(bins):
        won += fakes_B[place] * below
        tied += np.int64(fakes_B[place]) * reals_B[place]
        below += reals_B[place]
    return won, tied


@compiled
def settle(base_N, grid_N, here, there, fakes, key_N, moved_N):  # type: ignore[no-untyped-def]
    """Twice the pairs that the fake wins, a tie counted once, by a radix sort: two digits moved, the third counted.

    The lowest bit of a key says whether the row is a fake, so among equals the reals come first.
    `key_N`, `moved_N`: space for that.
    """
    _write_keys(base_N[:fakes], grid_N[:fakes], here, there, 1, key_N[:fakes])
    _write_keys(base_N[fakes:], grid_N[fakes:], here, there, 0, key_N[fakes:])
    _sort_by_digit(key_N, 0, moved_N)
    _sort_by_digit(moved_N, DIGIT, key_N)
    return _twice_won(key_N)


@compiled
def _write_keys(base_N, grid_N, here, there, is_fake, key_N):  # type: ignore[no-untyped-def]
    left, right, low = np.int32(here), np.int32(there), np.uint32(is_fake)
    for row in range(len(key_N)):
        blend = np.int32(np.int32(left * base_N[row]) + np.int32(right * grid_N[row]))
        key_N[row] = np.uint32(np.uint32(blend) << np.uint32(1)) | low


@compiled
def _sort_by_digit(key_N, shift, moved_N):  # type: ignore[no-untyped-def]
    down, mask = np.uint32(shift), np.uint32((1 << DIGIT) - 1)
    next_D = np.zeros((1 << DIGIT) + 1, np.int32)
    for key in key_N:
        next_D[((key >> down) & mask) + np.uint32(1)] += np.int32(1)
    for digit in range(1 << DIGIT):
        next_D[digit + 1] += next_D[digit]
    for key in key_N:
        digit = (key >> down) & mask
        place = next_D[digit]
        moved_N[np.uint32(place)] = key
        next_D[digit] = place + np.int32(1)


@compiled
def _twice_won(key_N):  # type: ignore[no-untyped-def]
    """Of keys that ascend in all but their highest digit, the reals below each fake, by that digit."""
    down, one = np.uint32(2 * DIGIT), np.uint32(1)
    digits = 1 << (32 - 2 * DIGIT)
    below_D = np.zeros(digits + 1, np.int32)  # reals seen below the next row of this digit
    for key in key_N:
        below_D[(key >> down) + one] += np.int32((key & one) ^ one)
    for digit in range(digits):
        below_D[digit + 1] += below_D[digit]
    before_D, last_D = below_D.copy(), np.full(digits, 0xFFFFFFFF, np.uint32)  # reals below the value seen last
    twice = np.int64(0)
    for key in key_N:
        digit, value = key >> down, key >> one
        below = below_D[digit]
        before = before_D[digit] if last_D[digit] == value else below
        before_D[digit], last_D[digit] = before, value
        twice += np.int64(key & one) * (before + below)
        below_D[digit] = below + np.int32((key & one) ^ one)
    return twice
'''


# ======================================================================================================================
# ffdi/blend/honest.py
# ======================================================================================================================
SOURCES["ffdi/blend/honest.py"] = r'''"""What a way to blend is really worth: weights learned on the other outer parts, scored on the one left out.

In-sample, learned weights flatter themselves: on 40 like members and 1,500 rows greedy selection showed .8118, was
worth .7973 nested, and equal weights .8086 (own simulation, 8 repeats). Parts hold near-duplicate groups whole, so a
row that weights are scored on has no twin among the rows they were learned on.

Shapes: M members, N rows.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ffdi.blend.evidence import Evidence, gather
from ffdi.blend.features import Array, Folds
from ffdi.blend.members import Team
from ffdi.blend.methods import RACERS, Method, combine
from ffdi.score.interval import Interval, Placements, apart, around
from ffdi.score.ranks import rank_within

YARDSTICK = "rank_mean"  # equal weights, nothing learned
CHOOSERS = 1 << 17  # rows on which the choice is made anew
AUTO = "auto"  # the row of the choice itself, made anew for every outer part


@dataclass(frozen=True)
class Estimate:
    """AUC of one method over ranks made inside folds. `gain`: nested AUC less that of the equal-weight rank mean.

    `val`: AUC on the validation rows by weights that did not learn from them; None if there are none, or no others.
    """

    method: str
    in_sample: float
    nested: Interval
    gain: Interval
    val: float | None = None

    @property
    def optimism(self) -> float:
        return self.in_sample - self.nested.value


@dataclass(frozen=True)
class Honest:
    """Estimates by method and of "auto", the choice, and the scores they rest on: nested ranks inside folds."""

    estimates: dict[str, Estimate]
    choice: str
    scores: dict[str, Array]


@dataclass(frozen=True)
class Lessons:
    """Weights of one method by the parts that they did not learn from; each lesson is learned once.

    Features are made beforehand: ranks inside a fold know nothing of other folds.
    """

    method: Method
    known: Evidence
    features_MN: Array
    learned: dict[frozenset[int], Array] = field(default_factory=dict)

    def without(self, *parts: int) -> Array:
        known = self.known
        left_out = frozenset(parts) & known.teachers if self.method.learns else frozenset()
        if left_out not in self.learned:
            rows_N = known.learns_N & ~np.isin(known.part_N, list(left_out))
            self.learned[left_out] = self.method.weigh(self.features_MN[:, rows_N], known.target_N[rows_N])
        return self.learned[left_out]

    def in_sample(self) -> Array:
        return _ranked(combine(self.features_MN, self.without()), self.known.fold_N)

    def nested(self, *parts: int) -> Array:
        """Ranks inside folds of the blend in which no part is weighted by what it taught, nor by what `parts` did.

        NaN for rows of `parts` and for those that nothing is left to learn for.
        """
        score_N = np.full(len(self.known.part_N), np.nan)
        for part in self.known.taught(*parts):
            inside_N = self.known.part_N == part
            score_N[inside_N] = combine(self.features_MN[:, inside_N], self.without(part, *parts))
        return _ranked(score_N, self.known.fold_N)


def honest(
    team: Team,
    methods: Mapping[str, Method] = RACERS,
    level: float = 0.95,
    given: Method | None = None,
    fit: Collection[str] = ("oof",),
    drawn: bool = False,
) -> Honest:
    """Score every method, nested over outer parts; `methods` from the simplest on, the yardstick among them.

    `level`: of the intervals. A method is beaten if another's paired interval lies above it at this level, shared out
    (Bonferroni) among the others. `given` is scored beside them and never chosen: it is named, or its weights are.
    `fit`: the rows that weights learn from, as `evidence.gather` knows them. `drawn`: gains by the bootstrap.
    """
    known = gather(team, fit)
    makers = {method.features: known.features(method) for method in methods.values()}
    lessons = {name: Lessons(method, known, makers[method.features]) for name, method in methods.items()}
    if given is not None:
        lessons[given.name] = Lessons(given, known, makers.get(given.features, known.features(given)))
    nested = {name: lesson.nested() for name, lesson in lessons.items()}
    in_sample = {name: known.auc(lesson.in_sample()) for name, lesson in lessons.items()}
    placed = {name: known.placed(score_N) for name, score_N in nested.items()}
    choice = choose({name: placed[name] for name in methods}, level)
    nested[AUTO] = chosen_anew({name: lessons[name] for name in methods}, nested, level)
    placed[AUTO], in_sample[AUTO] = known.placed(nested[AUTO]), in_sample[choice]
    estimates = {
        name: Estimate(
            name,
            in_sample[name],
            around(mine, level),
            known.drawn(nested[name], nested[YARDSTICK], level) if drawn else apart(mine - placed[YARDSTICK], level),
            known.auc_val(nested[name]),
        )
        for name, mine in placed.items()
    }
    return Honest(estimates, choice, {name: score_N[: known.oof] for name, score_N in nested.items()})


def chosen_anew(lessons: Mapping[str, Lessons], nested: Mapping[str, Array], level: float) -> Array:
    """Nested ranks of the choice itself: for each outer part it is made on the others alone, nested among those.

    Of very many rows the choice is made on some: what it is worth is told rather too low, since noise tells less apart.
    """
    known = next(iter(lessons.values())).known
    few, kept_N = known.thinned(CHOOSERS)
    judged = {name: Lessons(one.method, few, one.features_MN[:, kept_N]) for name, one in lessons.items()}
    score_N = np.full(len(known.part_N), np.nan)
    for part in known.taught():
        name = YARDSTICK
        if few.enough(part):
            name = choose({name: few.placed(lesson.nested(part)) for name, lesson in judged.items()}, level)
        inside_N = known.part_N == part
        score_N[inside_N] = nested[name][inside_N]
    return _ranked(score_N, known.fold_N)


def _ranked(score_N: Array, fold_N: Folds) -> Array:
    """Ranks inside folds of what is not NaN."""
    scored_N = ~np.isnan(score_N)
    ranked_N = np.full(len(score_N), np.nan)
    ranked_N[scored_N] = rank_within(score_N[scored_N], fold_N[scored_N])
    return ranked_N


def choose(placed: Mapping[str, Placements], level: float = 0.95) -> str:
    """The first (simplest) method, unless others beat its nested scores beyond noise: then the first of those that none
    of them beats. A method that is merely too noisy to be beaten does not pass for good."""
    shared = 1 - (1 - level) / max(len(placed) - 1, 1)

    def beats(one: str, other: str) -> bool:
        return one != other and apart(placed[one] - placed[other], shared).low > 0

    first = next(iter(placed))
    pool = [name for name in placed if beats(name, first)] or [first]
    unbeaten = (name for name in pool if not any(beats(other, name) for other in pool))
    # A circle of beaten methods cannot be ruled out on paper: then the highest.
    return next(unbeaten, max(pool, key=lambda name: placed[name].value))


def table(found: Honest) -> pd.DataFrame:
    """A row a method: method, in_sample, nested, low, high, optimism, gain, gain_low, gain_high, val, chosen."""
    return pd.DataFrame(
        [
            {
                "method": one.method,
                "in_sample": one.in_sample,
                "nested": one.nested.value,
                "low": one.nested.low,
                "high": one.nested.high,
                "optimism": one.optimism,
                "gain": one.gain.value,
                "gain_low": one.gain.low,
                "gain_high": one.gain.high,
                "val": one.val,
                "chosen": one.method == found.choice,
            }
            for one in found.estimates.values()
        ]
    )
'''


# ======================================================================================================================
# ffdi/blend/judge.py
# ======================================================================================================================
SOURCES["ffdi/blend/judge.py"] = r'''"""Compares candidate blends by AUC, exactly, and yet computes few AUCs.

Features become whole numbers, so sums are exact. Every candidate is first judged by a histogram: only the pairs inside
one bin are uncertain, so its AUC lies between losing and winning them all. Candidates whose upper limit reaches the
best lower one are judged by finer bins, then computed exactly, and only if there are several. So every pick is that of
the exact search.

Shapes: M members, N rows (fakes first), B bins.
"""

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ffdi.base.errors import UserError
from ffdi.blend.features import Array
from ffdi.score.auc import auc, classes

Target = NDArray[np.int8]
Grid = NDArray[np.int32]
Counts = NDArray[np.int32]
Move = tuple[int, int, int]  # member, and the whole numbers that base and member are multiplied with
Limits = tuple[float, float]  # of an AUC; equal if it is known exactly
Found = TypeVar("Found")
Item = TypeVar("Item")
GRID = 1 << 24  # steps between 0 and 1: finer than the ranks of 8 million rows
MOST = 127  # ones that a blend may add up to: more would overflow 31 bits
COARSE, FINE = 13, 16  # bits of the bins: histograms that fit in the first cache and in the second
PAYS = 0.8  # share of the rivals that finer bins may leave open: to look costs a fifth of an exact value
FEW = 1 << 12  # rows
BLOCK = 1 << 15  # rows a step of the plain loop: temporaries stay in the cache
COMPILED_FROM = 1 << 26  # features to look at, from which a compiled loop pays for loading the compiler


class _Space(threading.local):
    """Two rows of keys a thread, kept: the page faults of fresh ones would cost a third of the sort."""

    keys_2N = np.empty((2, 0), np.uint32)

    def take(self, length: int) -> NDArray[np.uint32]:
        if self.keys_2N.shape[1] < length:
            self.keys_2N = np.empty((2, length), np.uint32)
        return self.keys_2N[:, :length]


_SPACE = _Space()


class Judge:
    """Ranks candidates `here * base + there * feature` by AUC. Features must lie in [0, 1].

    `looks`: how many times about every feature will be looked at; many are worth the compiled loops, which run on
    all cores.
    """

    def __init__(self, features_MN: Array, target_N: Target, looks: int = 1) -> None:
        is_fake_N = classes(target_N, features_MN[0])
        self.compiled = looks * features_MN.size >= COMPILED_FROM
        self.threads = ThreadPoolExecutor(os.cpu_count()) if self.compiled else None  # compiled loops hold no lock
        order_N = np.concatenate([np.flatnonzero(is_fake_N), np.flatnonzero(~is_fake_N)])
        self.fakes = int(is_fake_N.sum())
        self.target_N = is_fake_N[order_N]
        self.pairs = self.fakes * (len(order_N) - self.fakes)
        self.grid_MN = np.empty(features_MN.shape, np.int32)
        self._each(range(len(features_MN)), lambda member: self._enter(member, features_MN[member], order_N))

    def _enter(self, member: int, features_N: Array, order_N: NDArray[np.intp]) -> None:
        if not (features_N.min() >= 0 and features_N.max() <= 1):
            raise UserError("A search for weights needs features between 0 and 1; give ranks or probabilities.")
        scaled_N = features_N * GRID
        np.rint(scaled_N, out=scaled_N)
        np.take(scaled_N.astype(np.int32), order_N, out=self.grid_MN[member])

    def blend(self, base_N: Grid, move: Move) -> Grid:
        member, here, there = move
        return here * base_N + there * self.grid_MN[member]

    def best(self, base_N: Grid, moves: Sequence[Move], full: int) -> tuple[Move, Limits]:
        """The move of highest AUC, the first of equals. `full`: ones that a whole blend may add up to."""
        if full > MOST:
            raise UserError(f"A search blends at most {MOST} members at once, but {full} were asked for.")
        limits = self._all_limits(base_N, moves, full, COARSE if self.compiled else FINE)
        rivals = _rivals(limits)
        if self.compiled and len(rivals) > 1 and _finer_pays([limits[place] for place in rivals]):
            finer = self._all_limits(base_N, [moves[place] for place in rivals], full, FINE)
            for place, limit in zip(rivals, finer, strict=True):
                limits[place] = limit
        place, value = first_best(limits, lambda asked: self.exact(base_N, [moves[place] for place in asked]))
        return moves[place], value

    def _all_limits(self, base_N: Grid, moves: Sequence[Move], full: int, bits: int) -> list[Limits]:
        return self._each(moves, lambda move: self.limits(base_N, move, full, bits))

    def limits(self, base_N: Grid, move: Move, full: int, bits: int = FINE) -> Limits:
        """Between which values the AUC of a move lies. Of few rows it is computed: that costs less than the bins."""
        if len(self.target_N) <= FEW:
            value = auc(self.target_N, self.blend(base_N, move))
            return value, value
        member, here, there = move
        count = _loops().count if self.compiled else _count_plainly
        won, tied = count(base_N, self.grid_MN[member], here, there, *_bins(full, bits), self.fakes)
        return won / self.pairs, (won + tied) / self.pairs

    def exact(self, base_N: Grid, moves: Sequence[Move]) -> list[float]:
        """The AUC of each move."""
        return self._each(moves, lambda move: self._exact(base_N, move))

    def worth(self, counts_M: Counts) -> float:
        """AUC of the blend of members, each taken so many times; of at most MOST in all."""
        total_N = np.zeros_like(self.grid_MN[0])
        for member in np.flatnonzero(counts_M):
            total_N += counts_M[member] * self.grid_MN[member]
        return self._exact(total_N, (0, 1, 0))

    def _exact(self, base_N: Grid, move: Move) -> float:
        if not self.compiled:
            return auc(self.target_N, self.blend(base_N, move))
        member, here, there = move
        keys_2N = _SPACE.take(len(base_N))
        twice = _loops().settle(base_N, self.grid_MN[member], here, there, self.fakes, keys_2N[0], keys_2N[1])
        return twice / (2 * self.pairs)

    def _each(self, items: Iterable[Item], work: Callable[[Item], Found]) -> list[Found]:
        return [work(item) for item in items] if self.threads is None else list(self.threads.map(work, items))


def _bins(full: int, bits: int) -> tuple[int, int]:
    """(shift, count) of bins 2**shift wide, at most 2**bits of them, that hold every whole number up to full."""
    top = full * GRID
    shift = max(top.bit_length() - bits, 0)
    return shift, (top >> shift) + 1


def _rivals(limits: Sequence[Limits]) -> list[int]:
    """Places that may hold the highest value, the most promising first: its exact value closes most of the others."""
    floor = max(low for low, _ in limits)
    rivals = [place for place, (_, high) in enumerate(limits) if high >= floor]
    return sorted(rivals, key=lambda place: (-limits[place][1], place))


def _finer_pays(limits: Sequence[Limits]) -> bool:
    """Whether finer bins will close some of these. The middle of the coarse limits is nearly the exact value."""
    margin = max(high - low for low, high in limits) / 2 ** (FINE - COARSE)
    middles = [(low + high) / 2 for low, high in limits]
    return sum(middle >= max(middles) - margin for middle in middles) < PAYS * len(limits)


def first_best(limits: Sequence[Limits], exact: Callable[[list[int]], Sequence[float]]) -> tuple[int, Limits]:
    """The first place of the highest value, asking for exact values only where the limits leave it open."""
    rivals = _rivals(limits)
    if len(rivals) == 1:
        return rivals[0], limits[rivals[0]]
    won, value, cores = -1, -1.0, os.cpu_count() or 1
    while rivals and limits[rivals[0]][1] >= value:
        now, rivals = rivals[:cores], rivals[cores:]
        asked = [place for place in now if limits[place][0] < limits[place][1]]
        known = dict(zip(asked, exact(asked), strict=True))
        for place in now:
            mine = known.get(place, limits[place][0])
            if mine > value or (mine == value and place < won):
                won, value = place, mine
    return won, (value, value)


def _count_plainly(
    base_N: Grid, grid_N: Grid, here: int, there: int, shift: int, bins: int, fakes: int
) -> tuple[int, int]:
    """Pairs (fake, real) with the fake in a higher bin, and pairs in one bin."""
    fakes_B, reals_B = np.zeros(bins, np.int64), np.zeros(bins, np.int64)
    for begin, end, count_B in ((0, fakes, fakes_B), (fakes, len(base_N), reals_B)):
        for start in range(begin, end, BLOCK):
            part = slice(start, min(start + BLOCK, end))
            places = (here * base_N[part] + there * grid_N[part]) >> shift
            count_B += np.bincount(places, minlength=bins)
    return int(fakes_B @ (np.cumsum(reals_B) - reals_B)), int(fakes_B @ reals_B)


def _loops() -> ModuleType:
    """Loaded when first needed: the import alone takes half a second."""
    from ffdi.blend import histogram

    return histogram
'''


# ======================================================================================================================
# ffdi/blend/members.py
# ======================================================================================================================
SOURCES["ffdi/blend/members.py"] = r'''"""What the members of a blend predicted, read from their finished runs and joined by id.

Shapes: N held-out rows, V validation rows, T test rows, K fold models, W views.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ffdi.base import seal
from ffdi.base.errors import CorruptError, UserError
from ffdi.data.job import Job
from ffdi.spec.views import side

Logits = NDArray[np.float64]
AGAIN = "run `ffdi train` with this recipe"


@dataclass(frozen=True)
class Predictions:
    """Logits of one member, mean over its views; rows in the order of the team's frames.

    `oof_N` is None for a member that was fitted on all rows: it held none out.
    """

    name: str
    spec: str  # 64 hex digits: the identity of its run
    oof_N: Logits | None
    val_KV: Logits
    test_KT: Logits
    files: dict[str, str]  # digests of what was read, by fold and file


@dataclass(frozen=True)
class Team:
    """Members sorted by name, and the rows they speak of, sorted by id.

    `oof`: id, split, relpath, target, fold, and as the fold table has them group and cluster. `val`, `test`: id,
    relpath, target (-1 unknown), imputed (unreadable).
    """

    members: tuple[Predictions, ...]
    oof: pd.DataFrame
    val: pd.DataFrame
    test: pd.DataFrame


def read_team(jobs: Iterable[Job]) -> Team:
    """Every fold of every member. Raises UserError naming the member and fold that is unfinished or stale."""
    ordered = sorted(jobs, key=lambda job: (job.member.name, str(job.fold)))
    _refuse_other_folds(ordered)
    by_name = [list(folds) for _, folds in groupby(ordered, key=lambda job: job.member.name)]
    members = tuple(_read_member(folds) for folds in by_name)
    folded = next((folds for folds in by_name if folds[0].member.fold == "k"), [])
    return Team(members, _oof_rows(folded), _held_rows(ordered[0], "val"), _held_rows(ordered[0], "test"))


@dataclass(frozen=True)
class Viewed:
    """Logits of one member by view on its held-out rows, which are sorted by id. `costs_W`: pixels, a plain view 1."""

    name: str
    views: tuple[str, ...]
    costs_W: tuple[float, ...]
    logits_NW: Logits
    folds_N: NDArray[np.int64]
    target_N: NDArray[np.int8]


def read_views(jobs: Iterable[Job]) -> Iterator[Viewed]:
    """Members with several views that held rows out, one at a time: all at once would not fit into memory."""
    ordered = sorted(jobs, key=lambda job: (job.member.name, str(job.fold)))
    for name, group in groupby(ordered, key=lambda job: job.member.name):
        folds = list(group)
        views = tuple(sorted(folds[0].member.views))
        if len(views) < 2 or folds[0].member.fold != "k":
            continue
        parts = [_read_logits(job, _read_done(job), "oof", pd.Index(job.oof["id"])) for job in folds]
        rows = pd.concat([job.oof[["id", "fold", "target"]] for job in folds])
        order_N = rows["id"].to_numpy(object).argsort(kind="stable")
        yield Viewed(
            name,
            views,
            tuple((side(folds[0].size, view) / folds[0].size) ** 2 for view in views),
            np.concatenate(parts)[order_N],
            rows["fold"].to_numpy(np.int64)[order_N],
            rows["target"].to_numpy(np.int8)[order_N],
        )


def canonical(team: Team) -> Team:
    """Members by name and rows by id, so that no order in which they came can change a bit of a sum."""
    placed = {name: _ascending(getattr(team, name)["id"]) for name in ("oof", "val", "test")}
    members = [
        replace(
            member,
            oof_N=None if member.oof_N is None else member.oof_N[placed["oof"]],
            val_KV=member.val_KV[:, placed["val"]],
            test_KT=member.test_KT[:, placed["test"]],
        )
        for member in sorted(team.members, key=lambda member: member.name)
    ]
    frames = {name: getattr(team, name).iloc[order].reset_index(drop=True) for name, order in placed.items()}
    return Team(tuple(members), **frames)


def _ascending(ids: pd.Series) -> NDArray[np.intp] | slice:
    return slice(None) if ids.is_monotonic_increasing else ids.to_numpy(object).argsort(kind="stable")


def _refuse_other_folds(jobs: list[Job]) -> None:
    """Rows that one member held out another may have been trained on, or on their twins, under other folds.

    One table for all is how groups prove that no member leaks into the weights of another.
    """
    for job in jobs:
        if job.folds != jobs[0].folds:
            raise UserError(
                f"{job.member.name} was trained on other folds than {jobs[0].member.name}: what one held out, the "
                "other may have seen; blend members of one fold table."
            )


def _read_member(jobs: list[Job]) -> Predictions:
    done = [_read_done(job) for job in jobs]
    return Predictions(
        name=jobs[0].member.name,
        spec=jobs[0].spec,
        oof_N=_oof(jobs, done) if jobs[0].member.fold == "k" else None,
        val_KV=_held(jobs, done, "val"),
        test_KT=_held(jobs, done, "test"),
        files={
            f"fold{job.fold}/{name}": digest
            for job, facts in zip(jobs, done, strict=True)
            for name, digest in sorted(facts["files"].items())
        },
    )


def _oof(jobs: list[Job], done: list[dict[str, Any]]) -> Logits:
    """Each image's logit by the one fold model that did not see it."""
    ids = pd.concat([job.oof["id"] for job in jobs])
    twice = ids[ids.duplicated()]
    if len(twice):
        raise UserError(
            f"{jobs[0].member.name}: the id {twice.iloc[0]} is held out twice ({len(twice)} such ids); "
            "rename images that two fitted splits name alike, or take one split out of data.fit."
        )
    frames = []
    for job, facts in zip(jobs, done, strict=True):
        logit = _read_table(job, facts, "oof", pd.Index(job.oof["id"]))
        frames.append(pd.DataFrame({"id": job.oof["id"], "logit": logit}))
    return _sorted(pd.concat(frames))["logit"].to_numpy()


def _held(jobs: list[Job], done: list[dict[str, Any]], name: str) -> Logits:
    ids = pd.Index(_sorted(getattr(jobs[0], name))["id"])
    if not len(ids):
        return np.empty((len(jobs), 0))
    return np.stack([_read_table(job, facts, name, ids) for job, facts in zip(jobs, done, strict=True)])


def _read_done(job: Job) -> dict[str, Any]:
    path = job.folder / "done.json"
    if not path.exists():
        raise UserError(f"{job.label} is not finished: {path} does not exist; {AGAIN}.{_elsewhere(job)}")
    done = seal.read_json(path)
    for name, wanted in job.identity.items():
        if done.get(name) != wanted:
            raise UserError(
                f"{job.label} was made with another {name}: {path} says {done.get(name)}, this recipe has {wanted}; "
                f"delete {job.folder} and {AGAIN}."
            )
    return done


def _elsewhere(job: Job) -> str:
    """What is known of the same fold under another fold table: those rows are not held out here."""
    for path in sorted(job.folder.parent.parent.glob(f"{job.member.name}-????????/{job.folder.name}/done.json")):
        if seal.read_json(path).get("folds") != job.folds:
            return f" {path.parent} was trained on other folds, so it may have seen what is held out here."
    return ""


def _read_table(job: Job, done: dict[str, Any], name: str, ids: pd.Index) -> Logits:
    """Mean logit over the member's views for every id, in their order."""
    return _read_logits(job, done, name, ids).mean(axis=1)


def _read_logits(job: Job, done: dict[str, Any], name: str, ids: pd.Index) -> Logits:
    """Logits by (id, view), views in the order of their names."""
    path = job.folder / f"{name}.parquet"
    if done["asked"].get(name) != job.asked[name]:
        raise UserError(f"{job.label}: {path} is not what the recipe asks for (images, views, size); {AGAIN}.")
    if seal.digest(path) != done["files"].get(path.name):
        raise CorruptError(f"{path} is not the file that {job.folder / 'done.json'} names; delete both and {AGAIN}.")
    frame = seal.read_table(path, ["id", "view", "logit"])
    return _join(frame, ids, job.member.views, f"{job.label}: {path}")


def _join(frame: pd.DataFrame, ids: pd.Index, views: tuple[str, ...], where: str) -> Logits:
    """Logits by (id, view), views in the order of their names. Refuses a missing, doubled, strange or NaN entry."""
    names = sorted(views)
    row_R = ids.get_indexer(pd.Index(frame["id"]))
    view_R = pd.Index(names).get_indexer(pd.Index(frame["view"]))
    _refuse(frame["id"][(row_R < 0) | (view_R < 0)], "is not among the rows and views of this recipe", where)
    cell_R = row_R * len(names) + view_R
    count_C = np.bincount(cell_R, minlength=len(ids) * len(names))
    _refuse(frame["id"][count_C[cell_R] > 1], "stands there more than once", where)
    _refuse(ids[np.flatnonzero(count_C == 0) // len(names)].to_series(), "is missing", where)
    _refuse(frame["id"][~np.isfinite(frame["logit"].to_numpy())], "has a logit that is NaN or infinite", where)
    logits_C = np.empty(len(count_C))
    logits_C[cell_R] = frame["logit"]
    return logits_C.reshape(len(ids), len(names))


def _refuse(bad: pd.Series, fault: str, where: str) -> None:
    if len(bad):
        raise UserError(f"{where}: the id {bad.iloc[0]} {fault} ({bad.nunique()} such ids); {AGAIN}.")


def _oof_rows(jobs: list[Job]) -> pd.DataFrame:
    columns = ["id", "split", "relpath", "target", "fold"]
    if not jobs:
        return pd.DataFrame(columns=columns)
    columns += [name for name in ("group", "cluster") if name in jobs[0].fit]
    held = jobs[0].fit["fold"].isin([job.fold for job in jobs])
    return _sorted(jobs[0].fit.loc[held, columns])


def _held_rows(job: Job, name: str) -> pd.DataFrame:
    """What decodes was predicted, whatever the scan set aside (two frames in one): it has logits like the rest."""
    rows = _sorted(getattr(job, name))
    if not len(rows):
        return rows[["id", "relpath", "target"]].assign(imputed=False)
    told = seal.read_table(job.folder / f"{name}.parquet", ["id", "imputed"])
    return rows[["id", "relpath", "target"]].assign(imputed=rows["id"].isin(told["id"][told["imputed"]]).to_numpy())


def _sorted(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.sort_values("id", kind="stable").reset_index(drop=True)
'''


# ======================================================================================================================
# ffdi/blend/methods.py
# ======================================================================================================================
SOURCES["ffdi/blend/methods.py"] = r'''"""Ways to make one score of many. All have one shape: features of each member, weights for them, a weighted sum.

    features_MN = method.features(logits_MN, folds_N)     what of a member enters: its ranks, for example
    weights_M   = method.weigh(features_MN, target_N)     not negative, sum 1; learned on held-out rows only
    score_N     = method.squash(combine(features_MN, weights_M))     in (0, 1)

Callers hand members over sorted by name and rows sorted by id, so that no order of files can change a bit.

Shapes: M members, N rows, K fold models.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ffdi.blend import features as inputs
from ffdi.blend import weights
from ffdi.blend.features import Array, Folds
from ffdi.blend.search import climb, greedy
from ffdi.blend.trials import optuna
from ffdi.blend.weights import Target


@dataclass(frozen=True)
class Method:
    """`learns`: whether the weights look at the targets, and so flatter themselves on the rows they were learned on.

    `races`: whether "auto" may take it, or only a recipe that names it.
    """

    name: str
    features: Callable[[Array, Folds], Array]
    weigh: Callable[[Array, Target], Array]
    squash: Callable[[Array], Array] = inputs.same
    learns: bool = False
    races: bool = True


# From the simplest on: where the scores cannot tell two apart, the earlier one is taken.
METHODS = {
    method.name: method
    for method in (
        Method("rank_mean", inputs.ranks, weights.equal),
        Method("logit_mean", inputs.logits, weights.equal, inputs.sigmoid),
        Method("probability_mean", inputs.probabilities, weights.equal),
        Method("power_mean", inputs.rank_powers, weights.equal, inputs.root),
        Method("best_single", inputs.ranks, weights.best, learns=True),
        Method("weighted_rank_mean", inputs.ranks, weights.by_auc, learns=True),
        Method("stack", inputs.rank_logits, weights.stack, inputs.sigmoid, learns=True),
        Method("hill_climb", inputs.ranks, climb, learns=True),
        Method("greedy", inputs.ranks, greedy, learns=True),
        Method("optuna", inputs.ranks, optuna, learns=True, races=False),
    )
}
RACERS = {name: method for name, method in METHODS.items() if method.races}


def combine(features_MN: Array, weights_M: Array) -> Array:
    """The weighted mean over members, summed in their order, which BLAS would not promise."""
    total_N = np.zeros(features_MN.shape[1])
    for features_N, weight in zip(features_MN, weights_M, strict=True):
        total_N += weight * features_N
    return total_N


def over_models(method: Method, logits_KN: Array) -> Array:
    """Features of one member on rows that no fold held out: those of each fold model, then their mean."""
    nowhere_N = np.zeros(logits_KN.shape[1], np.int64)
    return combine(method.features(logits_KN, nowhere_N), np.full(len(logits_KN), 1 / len(logits_KN)))
'''


# ======================================================================================================================
# ffdi/blend/result.py
# ======================================================================================================================
SOURCES["ffdi/blend/result.py"] = r'''"""The whole verb as one function: finished runs in, blend and card out; it writes and prints nothing."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ffdi.base import seal
from ffdi.base.errors import UserError
from ffdi.base.paths import Places
from ffdi.blend.apply import BLEND, Blended, apply
from ffdi.blend.budget import Budget, budget
from ffdi.blend.card import card, tables
from ffdi.blend.choice import Choice, decide
from ffdi.blend.cost import Cost, costs
from ffdi.blend.features import Array
from ffdi.blend.forecast import Forecast, forecast
from ffdi.blend.gap import Gap, measure
from ffdi.blend.honest import AUTO
from ffdi.blend.members import Team, canonical, read_team, read_views
from ffdi.blend.views import MemberViews
from ffdi.blend.views import judge as judge_views
from ffdi.data import manifest as manifests
from ffdi.data.job import digest_of, plan
from ffdi.score.auc import auc
from ffdi.spec.competition import Board, Competition
from ffdi.spec.recipe import Blend, Recipe

ALONE = 3  # members that the forecast looks at by themselves
COLUMNS = {
    "id",
    "split",
    "relpath",
    "target",
    "fold",
    "group",
    "cluster",
    "imputed",
    BLEND,
}  # what a member may not be called


@dataclass(frozen=True)
class BlendResult:
    """`members` and `folds` are the tables of `card.tables`; `choice` says which method blends and why.

    `outlook`: what the board may show, None if no row was held out or its size is not known. `views`: what the views
    of each member buy, of those that held rows out under more than one. `budget`: how many members it takes, and who
    is left out for it.

    `submission`: id column and prediction column, float64 in [0, 1], in the order of the competition's own list.
    `reference`: mean logit by test id, with which a submission that is not turned round correlates.
    """

    card: dict[str, Any]
    members: pd.DataFrame
    folds: pd.DataFrame
    choice: Choice
    outlook: Forecast | None
    views: tuple[MemberViews, ...]
    budget: Budget | None
    blended: Blended
    submission: pd.DataFrame
    reference: pd.Series
    warnings: tuple[str, ...]


def blend(recipe: Recipe, competition: Competition, places: Places) -> BlendResult:
    """Blend the finished runs of `recipe`. Raises UserError naming the member and fold that is unfinished or stale."""
    taken = sorted(COLUMNS & {member.name for member in recipe.member})
    if taken:
        raise UserError(f"A member may not be called {taken[0]!r}, a column of the blend's tables; rename it.")
    manifest = manifests.read(places)
    fold_path = places.folds(recipe.folds.scheme)
    table = seal.read_table(fold_path)
    jobs = plan(recipe, competition, manifest, table, Path(), places)
    team = canonical(read_team(jobs))
    known = costs(recipe, competition, jobs)
    choice = decide(recipe.blend, team)
    # Weights in the recipe are its own to answer for: limits do not cut them, a warning tells.
    limits = [replace(cost, limit=None) for cost in known] if recipe.blend.weights else known
    found = None if choice.found is None else budget(team, limits)
    left_out = () if found is None else found.left_out
    choice, weights = _within(recipe.blend, team, choice, left_out)
    blended = _honestly(apply(team, choice.method, weights, recipe.blend.fit), choice)
    gap = measure(recipe, competition, manifest, places, team)
    outlook = _outlook(recipe.board or competition.board, choice, blended, left_out, manifest, gap)
    made = card(recipe, choice, outlook, team, blended, found, left_out, manifests.digest(manifest), digest_of(table))
    members, spread = tables(made)
    order = manifest["id"][manifest["split"] == "test"]
    return BlendResult(
        card=made,
        members=members,
        folds=spread,
        choice=choice,
        outlook=outlook,
        views=tuple(judge_views(viewed) for viewed in read_views(jobs)),
        budget=found,
        blended=blended,
        submission=_submission(blended, order, competition),
        reference=_reference(team),
        warnings=(*_warnings(team, blended), *_over(known, blended, left_out, found)),
    )


def _within(wish: Blend, team: Team, choice: Choice, left_out: tuple[str, ...]) -> tuple[Choice, dict[str, float]]:
    """The choice among the members that the budget lets in, and the weights it gives: of the others none."""
    if not left_out:
        return choice, wish.weights
    inside = replace(team, members=tuple(member for member in team.members if member.name not in left_out))
    choice = decide(wish, inside)
    return choice, apply(inside, choice.method, fit=wish.fit).weights


def _honestly(blended: Blended, choice: Choice) -> Blended:
    """Held-out scores of the blend with weights that the rows scored did not teach; the test keeps those of all."""
    nested_N = choice.nested_N
    return blended if nested_N is None else replace(blended, oof=blended.oof.assign(**{BLEND: nested_N}))


def _outlook(
    board: Board | None,
    choice: Choice,
    blended: Blended,
    left_out: tuple[str, ...],
    manifest: pd.DataFrame,
    gap: Gap,
) -> Forecast | None:
    rows = blended.oof
    if board is None or BLEND not in rows:
        return None
    return forecast(
        _candidates(choice, blended, left_out),
        rows["target"].to_numpy(np.int8),
        choice.row,
        board.scaled(len(blended.test)),
        group_N=rows.get("group"),
        source_N=sources(board, rows, manifest) if board.mix else None,
        sent=choice.method.name if choice.row == AUTO else None,
        gap=gap,
    )


def _candidates(choice: Choice, blended: Blended, left_out: tuple[str, ...]) -> dict[str, Array]:
    """Held-out scores of the blend, the other methods and the best members by themselves."""
    target_N = blended.oof["target"].to_numpy(np.int8)
    scores = {choice.row: blended.oof[BLEND].to_numpy()}
    if choice.found is not None:
        # Of the methods, the best single member stands there under its own name, unless it is what blends.
        hidden = {"best_single"} - {choice.method.name}
        scores |= {name: score_N for name, score_N in choice.found.scores.items() if name not in hidden}
        names = [name for name in blended.weights if name in blended.oof and name not in left_out]
        best = sorted(names, key=lambda name: -auc(target_N, blended.oof[name]))[:ALONE]
        scores |= {f"{name} alone": blended.oof[name].to_numpy() for name in best}
    return scores


def sources(board: Board, rows: pd.DataFrame, manifest: pd.DataFrame) -> NDArray[np.str_]:
    """What the board's mix calls the source of each held-out row."""
    if board.mix_by == "folder":
        return rows["id"].str.rpartition("/")[0].to_numpy(str)
    if board.mix_by not in manifest.columns:
        columns = ", ".join(manifest.columns)
        raise UserError(f'board.mix_by = "{board.mix_by}" is no column of the manifest; take "folder" or {columns}.')
    joined = rows[["id", "split"]].merge(manifest[list({"id", "split", board.mix_by})], on=["id", "split"])
    return joined[board.mix_by].to_numpy().astype(str)


def _submission(blended: Blended, order: pd.Series, competition: Competition) -> pd.DataFrame:
    score = blended.test.set_index("id")[BLEND].loc[order]
    return pd.DataFrame({competition.id_column: order.to_numpy(), competition.prediction_column: score.to_numpy()})


def _reference(team: Team) -> pd.Series:
    logits_N = sum(member.test_KT.mean(axis=0) for member in team.members) / len(team.members)
    return pd.Series(logits_N, index=team.test["id"])


def _warnings(team: Team, blended: Blended) -> tuple[str, ...]:
    told = []
    unseen = [member.name for member in team.members if member.oof_N is None]
    if unseen:
        told.append(
            f"{', '.join(unseen)} held no rows out: the OOF scores of the blend are those of the other members."
        )
    imputed = blended.test["id"][blended.test["imputed"].astype(bool)]
    if len(imputed):
        told.append(
            f"{len(imputed)} test images are unreadable, such as {imputed.iloc[0]}; they get the prior, a middle score."
        )
    return tuple(told)


def _over(known: tuple[Cost, ...], blended: Blended, left_out: tuple[str, ...], found: Budget | None) -> Iterator[str]:
    """Who was left out for the budget; and limits that are passed where nobody may be left out."""
    if left_out and found is not None:
        worth = found.grown[-1].nested
        yield (
            f"Left out, for want of budget: {', '.join(left_out)}. Who fits was learned on all held-out rows; learned "
            f"on the other folds, equal weights are worth {worth.value:.4f} ({worth.low:.4f} to {worth.high:.4f}, "
            "nested)."
        )
    weighty = [name for name, weight in blended.weights.items() if weight > 0]
    for cost in known:
        spent = cost.of(weighty)
        if cost.limit is not None and spent > cost.limit:
            yield f"The members with a weight cost {spent:,.4g} {cost.unit}, over the limit of {cost.limit:,.10g}."
'''


# ======================================================================================================================
# ffdi/blend/search.py
# ======================================================================================================================
SOURCES["ffdi/blend/search.py"] = r'''"""Weights found by search over blends: Caruana's greedy selection and hill climbing.

Shapes: M members, N rows.
"""

import numpy as np

from ffdi.base.keys import rng
from ffdi.blend.features import Array
from ffdi.blend.judge import MOST, Judge, Limits, first_best
from ffdi.blend.weights import Target, best, shares

ROUNDS = 25  # members drawn, with replacement (Caruana and others, 2004, section 2)
BAGS = 8  # halves of the pool searched on their own (the same, section 2.3): fewer members that were merely lucky
SMALLEST_BAG = 2
STEPS = 20  # hill climbing moves weight in twentieths
CLIMBS = 50  # moves at most


def greedy(features_MN: Array, target_N: Target, rounds: int = ROUNDS, bags: int = BAGS) -> Array:
    """Counts of a greedy selection with replacement, over random halves of the members, then their mean."""
    members = len(features_MN)
    judge = Judge(features_MN, target_N, looks=rounds * bags)
    pools = [np.arange(members)]
    if bags > 1 and members // 2 >= SMALLEST_BAG:
        pools = [rng("greedy", members, bag).permutation(members)[: members // 2] for bag in range(bags)]
    shares_BM = [shares(_drawn(judge, sorted(pool.tolist()), min(rounds, MOST))) for pool in pools]
    return shares(np.sum(shares_BM, axis=0))


def _drawn(judge: Judge, pool: list[int], rounds: int) -> Array:
    """How often each member was drawn, up to the round of the highest AUC. Ties go to members already in."""
    base_N = np.zeros_like(judge.grid_MN[0])
    counts_RM = np.zeros((rounds + 1, len(judge.grid_MN)), np.int32)
    limits: list[Limits] = []
    for drawn in range(rounds):
        new = counts_RM[drawn, pool] == 0
        members = [member for _, member in sorted(zip(new.tolist(), pool, strict=True))]
        move, value = judge.best(base_N, [(member, 1, 1) for member in members], full=drawn + 1)
        base_N = judge.blend(base_N, move)
        counts_RM[drawn + 1] = counts_RM[drawn]
        counts_RM[drawn + 1, move[0]] += 1
        limits.append(value)
    last, _ = first_best(limits, lambda asked: [judge.worth(counts_RM[drawn + 1]) for drawn in asked])
    return counts_RM[last + 1].astype(float)


def climb(features_MN: Array, target_N: Target) -> Array:
    """From the best member on, the move of weight to one member that raises AUC most, until none does."""
    members = len(features_MN)
    judge = Judge(features_MN, target_N, looks=CLIMBS * STEPS)
    weights_M = best(features_MN, target_N)
    base_N = judge.grid_MN[int(np.argmax(weights_M))]
    stay = (0, STEPS, 0)
    moves = [(member, STEPS - step, step) for member in range(members) for step in range(1, STEPS // 2 + 1)]
    for _ in range(CLIMBS):
        move, _ = judge.best(base_N, [stay, *moves], full=STEPS)
        member, here, there = move
        if move == stay:
            break
        base_N = np.rint(judge.blend(base_N, move) / STEPS).astype(np.int32)
        weights_M = (weights_M * here + np.eye(members)[member] * there) / STEPS
    return shares(weights_M)
'''


# ======================================================================================================================
# ffdi/blend/strata.py
# ======================================================================================================================
SOURCES["ffdi/blend/strata.py"] = r'''"""Held-out rows as a sample of the board: near-duplicates stay together, classes and sources have the board's shares.

Shapes: S candidates, N rows, G groups of near-duplicates, C strata (a class of a source).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ffdi.base.errors import UserError
from ffdi.blend.features import Array
from ffdi.blend.weights import Target
from ffdi.score.interval import placements

NAMED = 5  # sources spelled out in a message
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Strata:
    """`stratum_N`: of each row. `share_C`: of a stratum in its class on the board; either class sums to 1."""

    target_N: Target
    group_N: Indices
    stratum_N: Indices
    share_C: Array
    is_fake_C: NDArray[np.bool_]

    @cached_property
    def rows_C(self) -> Array:
        return np.bincount(self.stratum_N, minlength=len(self.share_C)).astype(float)

    @cached_property
    def groups_C(self) -> Array:
        """Groups with a row in the stratum."""
        pairs = np.unique(self.stratum_N * self.groups + self.group_N)
        return np.bincount(pairs // self.groups, minlength=len(self.share_C)).astype(float)

    @property
    def groups(self) -> int:
        return int(self.group_N.max()) + 1

    @property
    def fewest(self) -> int:
        """Groups of the rarer class."""
        return int(min(self.groups_C[self.is_fake_C].sum(), self.groups_C[~self.is_fake_C].sum()))

    @property
    def mixed(self) -> bool:
        """Whether sources count otherwise than they stand among the rows."""
        return len(self.share_C) > 2

    def sizes(self, fakes: int, reals: int) -> Indices:
        """Rows of each stratum on a board of so many fakes and reals; one at least of each that is there."""
        wanted_C = np.rint(self.share_C * np.where(self.is_fake_C, fakes, reals))
        return np.where(self.share_C > 0, np.maximum(wanted_C, 1), 0).astype(np.int64)


def strata(
    target_N: Target,
    group_N: ArrayLike | None = None,
    source_N: ArrayLike | None = None,
    mix: Mapping[str, float] | None = None,
) -> Strata:
    """`group_N`: any label that near-duplicates share; None: every row stands alone. `mix`: share by source.

    Sources have the shares of the mix in either class, as far as they are in it; rows of other sources count nothing.
    Raises UserError for a source, or a class, without rows.
    """
    target_N = np.asarray(target_N)
    group_N = np.arange(len(target_N)) if group_N is None else np.unique(np.asarray(group_N), return_inverse=True)[1]
    source_N = np.zeros(len(target_N), np.int64) if not mix else _codes(np.asarray(source_N).astype(str), sorted(mix))
    weight_C = np.repeat([*(mix[name] for name in sorted(mix)), 0.0] if mix else [1.0], 2)
    stratum_N = 2 * source_N + (target_N == 1)
    is_fake_C = np.arange(len(weight_C)) % 2 == 1
    there_C = np.bincount(stratum_N, minlength=len(weight_C)) > 0
    return Strata(target_N, group_N, stratum_N, _shares(weight_C * there_C, is_fake_C), is_fake_C)


def _codes(source_N: NDArray[np.str_], names: list[str]) -> Indices:
    """The place of each row's source among the names; behind the last where it is none of them."""
    known = np.unique(source_N)
    unknown = sorted(set(names) - set(known.tolist()))
    if unknown:
        shown = ", ".join(known[:NAMED]) + (" …" if len(known) > NAMED else "")
        raise UserError(f"board.mix names the source {unknown[0]!r}, of which no row was held out; there are {shown}.")
    return np.where(np.isin(source_N, names), np.searchsorted(names, source_N), len(names))


def _shares(weight_C: Array, is_fake_C: NDArray[np.bool_]) -> Array:
    share_C = np.empty(len(weight_C))
    for inside_C, word in ((is_fake_C, "fake"), (~is_fake_C, "original")):
        total = weight_C[inside_C].sum()
        if not total:
            raise UserError(f"board.mix names no source with {word} images that were held out; add one.")
        share_C[inside_C] = weight_C[inside_C] / total
    return share_C


def pulls(score_N: Array, rows: Strata) -> tuple[float, Array]:
    """AUC on the board's shares, and by how much each row pulls it away from its expectation.

    The pulls of independent groups, each summed over the group, have a mean of 0, and their squares add up to the
    variance of the AUC: DeLong's where every row stands alone, Obuchowski's (1997) for rows in groups.
    """
    fake_N = rows.target_N == 1
    weight_N = (rows.share_C / np.maximum(rows.rows_C, 1))[rows.stratum_N]
    placed_N = np.empty(len(score_N))
    if rows.mixed:
        placed_N[fake_N] = _below(score_N[fake_N], score_N[~fake_N], weight_N[~fake_N])
        placed_N[~fake_N] = 1 - _below(score_N[~fake_N], score_N[fake_N], weight_N[fake_N])
        value = float(weight_N[fake_N] @ placed_N[fake_N])
    else:
        placed = placements(rows.target_N, score_N)
        placed_N[fake_N], placed_N[~fake_N] = placed.fakes_P, placed.reals_R
        value = placed.value
    mean_C = np.bincount(rows.stratum_N, placed_N, len(rows.share_C)) / np.maximum(rows.rows_C, 1)
    # As in n - 1: a mean that was taken from the same groups lies too near to them.
    known_C = np.maximum(rows.groups_C, 2)
    factor_N = weight_N * np.sqrt(known_C / (known_C - 1))[rows.stratum_N]
    return value, factor_N * (placed_N - mean_C[rows.stratum_N])


def _below(score_N: Array, others_M: Array, weight_M: Array) -> Array:
    """Weight of the others below each score; ties count one half."""
    order = others_M.argsort()
    sums = np.concatenate([[0.0], weight_M[order].cumsum()])
    left, right = (np.searchsorted(others_M[order], score_N, side) for side in ("left", "right"))
    return (sums[left] + sums[right]) / 2


def covariance(pulls_SN: Array, rows: Strata, sizes_C: Indices | None = None) -> Array:
    """Of the candidates' AUCs [S, S]: over the held-out rows, or over boards with `sizes_C` rows of each stratum.

    A board takes groups whole as long as it wants rows of all their strata: two rows of one group meet there as often
    as the rarer wanted of the two lets them.
    """
    if sizes_C is None:
        sums_SG = _by_group(pulls_SN, rows)
        return sums_SG @ sums_SG.T
    scale_C = rows.rows_C / np.maximum(sizes_C, 1)
    found_SS, before = np.zeros((len(pulls_SN), len(pulls_SN))), 0.0
    for scale in np.unique(scale_C[sizes_C > 0]):
        sums_SG = _by_group(pulls_SN * (scale_C >= scale)[rows.stratum_N], rows)
        found_SS += (scale - before) * (sums_SG @ sums_SG.T)
        before = scale
    return found_SS


def _by_group(values_SN: Array, rows: Strata) -> Array:
    if rows.groups == values_SN.shape[1]:
        return values_SN
    return np.stack([np.bincount(rows.group_N, values_N, rows.groups) for values_N in values_SN])


class Draws:
    """Boards drawn from the rows: groups whole, until each stratum has what it wants."""

    def __init__(self, rows: Strata) -> None:
        self.rows = rows
        self.order_N = rows.group_N.argsort(kind="stable")
        self.size_G = np.bincount(rows.group_N)
        self.begin_G = self.size_G.cumsum() - self.size_G

    def again(self, generator: np.random.Generator) -> Indices:
        """Groups, drawn with replacement until every stratum of the board is among them."""
        wanted_C = self.rows.share_C > 0
        while True:
            groups = generator.integers(0, self.rows.groups, self.rows.groups)
            counts_C = np.bincount(self.rows.stratum_N[self._expand(groups)], minlength=len(wanted_C))
            if (counts_C[wanted_C] > 0).all():
                return groups

    def board(self, groups: Indices, sizes_C: Indices, generator: np.random.Generator) -> Indices:
        """Rows of a board with so many of each stratum, from whole groups among `groups`."""
        wanted_C = sizes_C > 0
        have_C = np.bincount(self.rows.stratum_N[self._expand(groups)], minlength=len(sizes_C))
        need = math.ceil(1.2 * len(groups) * (sizes_C[wanted_C] / have_C[wanted_C]).max()) + 8
        drawn = np.empty(0, np.int64)
        while True:
            drawn = np.concatenate([drawn, groups[generator.integers(0, len(groups), need)]])
            rows_R = self._expand(drawn)
            stratum_R = self.rows.stratum_N[rows_R]
            if (np.bincount(stratum_R, minlength=len(sizes_C)) >= sizes_C).all():
                firsts = [rows_R[stratum_R == code][:size] for code, size in enumerate(sizes_C) if size]
                return np.concatenate(firsts)

    def _expand(self, groups: Indices) -> Indices:
        """The rows of these groups, group after group."""
        size = self.size_G[groups]
        inside = np.arange(size.sum()) - np.repeat(size.cumsum() - size, size)
        return self.order_N[np.repeat(self.begin_G[groups], size) + inside]
'''


# ======================================================================================================================
# ffdi/blend/trials.py
# ======================================================================================================================
SOURCES["ffdi/blend/trials.py"] = r'''"""Weights found by Optuna: shares of whole hundredths, tried and judged by their exact AUC.

Shapes: M members, N rows.
"""

import warnings

import numpy as np

from ffdi.base.keys import key
from ffdi.blend.features import Array
from ffdi.blend.judge import Counts, Judge
from ffdi.blend.weights import Target, shares

TRIALS = 150
PARTS = 100  # that the shares are counted in: the judge adds up whole numbers


def optuna(features_MN: Array, target_N: Target) -> Array:
    """The best trial of a seeded tree of Parzen estimators, equal weights first; of equals the first."""
    import optuna as library

    members = len(features_MN)
    judge = Judge(features_MN, target_N, looks=TRIALS)
    tried: dict[bytes, float] = {}
    quiet, level = library.logging, library.logging.get_verbosity()
    quiet.set_verbosity(quiet.ERROR)
    with warnings.catch_warnings(action="ignore", category=library.exceptions.ExperimentalWarning):
        sampler = library.samplers.TPESampler(seed=key("optuna", members) % 2**32, multivariate=True)
    study = library.create_study(direction="maximize", sampler=sampler)
    study.enqueue_trial({str(member): 0.5 for member in range(members)})

    def worth(trial: library.Trial) -> float:
        draw_M = np.array([trial.suggest_float(str(member), 0, 1) for member in range(members)])
        counts_M = hundredths(-np.log1p(-draw_M * (1 - 1e-9)))  # exponential variables have uniform shares
        if counts_M.tobytes() not in tried:
            tried[counts_M.tobytes()] = judge.worth(counts_M)
        return tried[counts_M.tobytes()]

    study.optimize(worth, n_trials=TRIALS)
    quiet.set_verbosity(level)
    return shares(np.frombuffer(max(tried, key=lambda counts: tried[counts]), np.int32).astype(float))


def hundredths(values_M: Array) -> Counts:
    """Whole hundredths of the sum, in proportion to the values: the largest remainders are rounded up."""
    exact_M = shares(values_M) * PARTS
    counts_M = np.floor(exact_M).astype(np.int32)
    missing = PARTS - int(counts_M.sum())
    counts_M[np.argsort(counts_M - exact_M, kind="stable")[:missing]] += 1
    return counts_M
'''


# ======================================================================================================================
# ffdi/blend/views.py
# ======================================================================================================================
SOURCES["ffdi/blend/views.py"] = r'''"""What test-time views buy and cost, from the logits stored by view: no image is looked at again.

Shapes: N held-out rows, W views.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ffdi.blend.features import Array
from ffdi.blend.members import Viewed
from ffdi.score.auc import auc
from ffdi.score.interval import Interval, Placements, apart, placements
from ffdi.score.ranks import rank_within

PLAIN = "identity"


@dataclass(frozen=True)
class View:
    """`alone`: AUC by itself. `buys`: AUC of all views less that of all the others. `cost`: in plain views."""

    name: str
    cost: float
    alone: float
    buys: Interval


@dataclass(frozen=True)
class MemberViews:
    """`base`: the view that the gains are over, alone. `chosen`: picked on all rows, as one would now.

    `all_gain`: AUC of the mean over all views less that of the base. `nested_gain`: the same for views that were
    picked on the other folds, so that picking does not flatter itself.
    """

    member: str
    views: tuple[View, ...]
    base: str
    base_auc: float
    all_gain: Interval
    nested_gain: Interval
    chosen: tuple[str, ...]

    def cost(self, names: Sequence[str]) -> float:
        """Of predicting these views, in plain views."""
        return sum(view.cost for view in self.views if view.name in names)


def judge(viewed: Viewed, level: float = 0.95) -> MemberViews:
    """`level`: of the intervals."""
    every = list(range(len(viewed.views)))
    base = viewed.views.index(PLAIN) if PLAIN in viewed.views else pick(viewed, viewed.folds_N >= 0)[0]
    alone = [_placed(viewed, [view]) for view in every]
    whole = _placed(viewed, every)
    views = tuple(
        View(
            viewed.views[view],
            viewed.costs_W[view],
            alone[view].value,
            apart(whole - _placed(viewed, [other for other in every if other != view]), level),
        )
        for view in every
    )
    nested = placements(viewed.target_N, rank_within(_nested(viewed), viewed.folds_N))
    return MemberViews(
        viewed.name,
        views,
        viewed.views[base],
        alone[base].value,
        apart(whole - alone[base], level),
        apart(nested - alone[base], level),
        tuple(viewed.views[view] for view in sorted(pick(viewed, viewed.folds_N >= 0))),
    )


def pick(viewed: Viewed, rows_N: np.ndarray) -> list[int]:
    """From the best view on, the view that raises the AUC of the mean logit most, until none does."""
    target_N, folds_N, logits_NW = viewed.target_N[rows_N], viewed.folds_N[rows_N], viewed.logits_NW[rows_N]
    picked: list[int] = []
    highest = -1.0
    while len(picked) < len(viewed.views):
        rest = [view for view in range(len(viewed.views)) if view not in picked]
        aucs = [auc(target_N, rank_within(_mean(logits_NW, [*picked, view]), folds_N)) for view in rest]
        if max(aucs) <= highest:
            break
        highest = max(aucs)
        picked.append(rest[int(np.argmax(aucs))])
    return picked


def _nested(viewed: Viewed) -> Array:
    score_N = np.empty(len(viewed.target_N))
    for fold in np.unique(viewed.folds_N):
        inside_N = viewed.folds_N == fold
        score_N[inside_N] = _mean(viewed.logits_NW[inside_N], pick(viewed, ~inside_N))
    return score_N


def _placed(viewed: Viewed, views: Sequence[int]) -> Placements:
    return placements(viewed.target_N, rank_within(_mean(viewed.logits_NW, views), viewed.folds_N))


def _mean(logits_NW: Array, views: Sequence[int]) -> Array:
    return logits_NW[:, sorted(views)].mean(axis=1)
'''


# ======================================================================================================================
# ffdi/blend/weights.py
# ======================================================================================================================
SOURCES["ffdi/blend/weights.py"] = r'''"""Weights of members, not negative and of sum 1, found in features of held-out rows and their targets.

Shapes: M members, N rows.
"""

import numpy as np
from numpy.typing import NDArray

from ffdi.blend.features import Array
from ffdi.score.auc import auc

Target = NDArray[np.int8]
RIDGE = 1e-3  # of the stack, per row: decides between members that the data cannot tell apart


def equal(features_MN: Array, target_N: Target) -> Array:
    """The weights that no data can mislead."""
    return np.full(len(features_MN), 1 / len(features_MN))


def best(features_MN: Array, target_N: Target) -> Array:
    """All for the member of the highest AUC, the first of them by name."""
    aucs = [auc(target_N, features_N) for features_N in features_MN]
    return np.eye(len(aucs))[int(np.argmax(aucs))]


def by_auc(features_MN: Array, target_N: Target) -> Array:
    """In proportion to AUC above one half: what a member is worth alone. Equal if none is above it."""
    return shares(np.array([max(auc(target_N, features_N) - 0.5, 0.0) for features_N in features_MN]))


def stack(features_MN: Array, target_N: Target) -> Array:
    """Coefficients of a logistic regression that may not be negative; its intercept and their scale move no rank."""
    from scipy.optimize import minimize

    sign_N = 2.0 * target_N - 1

    def loss(values: Array) -> tuple[float, Array]:
        margin_N = sign_N * (values[:-1] @ features_MN + values[-1])
        pull_N = -sign_N * np.exp(-np.logaddexp(0, margin_N)) / len(sign_N)
        slope = np.append(features_MN @ pull_N + RIDGE * values[:-1], pull_N.sum())
        return np.logaddexp(0, -margin_N).mean() + RIDGE / 2 * values[:-1] @ values[:-1], slope

    members = len(features_MN)
    start = np.append(np.full(members, 1 / members), 0.0)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * members + [(None, None)])
    return shares(found.x[:-1])


def shares(weights_M: Array) -> Array:
    """Scaled to sum 1; equal if all are zero."""
    total = weights_M.sum()
    return weights_M / total if total > 0 else np.full(len(weights_M), 1 / len(weights_M))
'''


# ======================================================================================================================
# ffdi/bundle/closure.py
# ======================================================================================================================
SOURCES["ffdi/bundle/closure.py"] = r'''"""What a kernel needs of the package: the modules behind its entry, found by reading imports, and the data they read.

Imports inside functions count, as a kernel may get there; those under `if TYPE_CHECKING:` do not.
"""

import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
# Data files by the module that reads them; patterns below the package.
DATA = {"spec/load.py": "competitions/*.toml", "bundle/image.py": "bundle/image.toml"}


@dataclass(frozen=True)
class Closure:
    """`files`: paths below the folder of the package, modules and data, sorted. `foreign`: modules by imported name,
    for everything that is neither ours nor the standard library's."""

    files: tuple[str, ...]
    foreign: dict[str, tuple[str, ...]]


def closure(entries: Iterable[str], package: Path = PACKAGE) -> Closure:
    """Of modules of `package`, named by their paths below it ("bundle/entry/infer.py")."""
    waiting, seen, foreign = list(entries), set[str](), dict[str, set[str]]()
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        for name in _imports(ast.parse((package / module).read_text())):
            if name.split(".")[0] == package.name:
                waiting += _modules(name, package)
            elif name.split(".")[0] not in sys.stdlib_module_names:
                foreign.setdefault(name.split(".")[0], set()).add(module)
    data = {path.relative_to(package).as_posix() for module in seen for path in _data(module, package)}
    files = sorted(f"{package.name}/{name}" for name in seen | data)
    return Closure(tuple(files), {name: tuple(sorted(users)) for name, users in sorted(foreign.items())})


def _imports(tree: ast.Module) -> Iterator[str]:
    """Dotted names; of `from a import b` both a and a.b, as b may be a module."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        waiting += [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.expr)]


def _modules(name: str, package: Path) -> list[str]:
    """The file of a dotted name of ours, if it is a module, and the `__init__.py` of every package above it."""
    parts = name.split(".")[1:]
    inits = ["/".join([*parts[:depth], "__init__.py"]) for depth in range(len(parts) + 1)]
    return [path for path in ["/".join(parts) + ".py", *inits] if (package / path).is_file()]


def _data(module: str, package: Path) -> Iterator[Path]:
    return package.glob(DATA[module]) if module in DATA else iter(())
'''


# ======================================================================================================================
# ffdi/bundle/contest.py
# ======================================================================================================================
SOURCES["ffdi/bundle/contest.py"] = r'''"""The recipe and the competition of a kernel, from its settings and its own data files."""

import tempfile
from pathlib import Path

from ffdi.spec.competition import Competition
from ffdi.spec.load import load_competition, load_recipe
from ffdi.spec.recipe import Recipe


def read(text: str) -> tuple[Recipe, Competition]:
    """Of the TOML in SETTINGS. Raises UserError naming the key that is wrong."""
    path = Path(tempfile.mkdtemp(prefix="ffdi-recipe-")) / "recipe.toml"
    path.write_text(text)
    recipe = load_recipe(path)
    return recipe, load_competition(shipped_name(recipe.competition))


def shipped_name(competition: str) -> str:
    """A competition that is a file at home lies among those of the kit here, under the name of its file."""
    return Path(competition).stem if competition.endswith(".toml") else competition
'''


# ======================================================================================================================
# ffdi/bundle/entry/blend.py
# ======================================================================================================================
SOURCES["ffdi/bundle/entry/blend.py"] = r'''"""The main of a blend kernel: attached outputs of train kernels in, `submission.csv` and `card.json` out."""

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ffdi.base import atomic, console, digest, seal
from ffdi.base.errors import UserError
from ffdi.base.paths import Places
from ffdi.blend.card import inputs
from ffdi.blend.result import blend
from ffdi.bundle import contest, mounted, record
from ffdi.bundle.outputs import gather, link, places
from ffdi.spec.competition import Competition
from ffdi.spec.recipe import Recipe
from ffdi.submit.check import check_bytes, render

CSV, CARD = "submission.csv", "card.json"


def main(settings: Mapping[str, Any]) -> None:
    """Raises UserError naming a run that is unfinished, or what is not mounted."""
    begun = time.time()
    recipe, competition = contest.read(settings["recipe"])
    attached = mounted.outputs(list(settings["outputs"]))
    if not attached:
        raise UserError(f"No output of a train kernel is attached. {mounted.listing()}.")
    here = places(recipe, competition, Path(tempfile.mkdtemp(prefix="ffdi-runs-")))
    folds = gather(attached, competition, here, link)
    console.say(f"{folds} folds in {', '.join(map(str, attached))}")
    facts = submit(recipe, competition, here)
    seconds = {"all": round(time.time() - begun, 1)}
    outputs = [path.name for path in attached]
    record.write(mounted.working_root(), "blend", settings, {**facts, "outputs": outputs, "seconds": seconds})


def submit(recipe: Recipe, competition: Competition, here: Places) -> dict[str, Any]:
    """Blend the finished runs at `here` and write submission and card; returns what `run.json` says of them."""
    result = blend(recipe, competition, here)
    for warning in result.warnings:
        console.warn(warning)
    data = render(result.submission, competition)
    ids = result.submission[competition.id_column].tolist()
    check_bytes(data, CSV, competition, ids, reference=result.reference)
    atomic.write_bytes(mounted.working_root() / CSV, data)
    sent = {"file": CSV, "sha256": digest.of_bytes(data), "rows": len(ids)}
    card = {**result.card, "inputs": inputs(result.card), "submission": sent}
    seal.write_json(mounted.working_root() / CARD, card)
    worth = result.card["blend"]["auc"]
    console.say(f"{result.choice.why} OOF AUC {worth['value']:.4f}." if worth else result.choice.why)
    console.say(f"{mounted.working_root() / CSV}: {len(ids):,} rows")
    return {"recipe": recipe.name, "rows": len(ids), "submission": sent["sha256"]}
'''


# ======================================================================================================================
# ffdi/bundle/image.py
# ======================================================================================================================
SOURCES["ffdi/bundle/image.py"] = r'''"""What Kaggle's notebook image ships, by the list in `image.toml`, and what of it a machine has."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ffdi.base.errors import UserError

LIST = Path(__file__).with_name("image.toml")


@dataclass(frozen=True)
class Shipped:
    """A distribution of the image. `certainty`: "firm" or "base", as `image.toml` explains."""

    package: str
    version: str
    certainty: str


@cache
def ships() -> dict[str, Shipped]:
    """By the name that is imported."""
    return {name: Shipped(**facts) for name, facts in _list()["ships"].items()}


@cache
def optional() -> dict[str, str]:
    """What a kernel does without a package that the image lacks, by the name that is imported."""
    return dict(_list()["optional"])


def python() -> str:
    return str(_list()["python"])


def check(foreign: Mapping[str, Sequence[str]]) -> None:
    """Modules by imported name. Raises UserError for an import that would fail on Kaggle."""
    for name, users in foreign.items():
        if name not in ships() and name not in optional():
            raise UserError(
                f"{users[0]} imports {name}, which Kaggle's image does not ship; do without it in kernels, or list it "
                f"in {LIST.name}."
            )


def missing(foreign: Sequence[str]) -> list[str]:
    """Imported names that this machine lacks and a kernel cannot do without."""
    return [name for name in foreign if name not in optional() and find_spec(name) is None]


def forgone(foreign: Sequence[str]) -> dict[str, str]:
    """Imported names that this machine lacks, and what a kernel does without each."""
    return {name: instead for name, instead in optional().items() if name in foreign and find_spec(name) is None}


def found() -> dict[str, str]:
    """Versions here, by package; "" where it is not installed."""
    packages = [shipped.package for shipped in ships().values()] + list(optional())
    return {package: _version(package) for package in sorted(packages)}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


@cache
def _list() -> dict[str, Any]:
    return tomllib.loads(LIST.read_text())
'''


# ======================================================================================================================
# ffdi/bundle/image.toml
# ======================================================================================================================
SOURCES["ffdi/bundle/image.toml"] = r'''# What Kaggle's notebook image ships of what a kernel imports. Packages by the name they are imported by.
# Sources: Kaggle/docker-python at 2026-08-12 on the Colab base of 2026-05-14, and that base's published package list.
# certainty: "firm" Kaggle freezes it; "base" Colab ships it, and Kaggle's own step may lift it. The image changes every
# two weeks, and Colab itself moved on in August 2026 (Python 3.13, torch 2.11, numpy 2.1.3, pandas 2.2.3, timm 1.0.28):
# so a kernel prints what it finds, and takes what differs and matters from an attached wheelhouse.
python = "3.12"

[ships]
PIL = { package = "pillow", version = "11.3.0", certainty = "base" }
albumentations = { package = "albumentations", version = "2.0.8", certainty = "base" }
cv2 = { package = "opencv-python", version = "4.13.0.92", certainty = "base" }
joblib = { package = "joblib", version = "1.5.3", certainty = "base" }
numba = { package = "numba", version = "0.60.0", certainty = "base" }
numpy = { package = "numpy", version = "2.0.2", certainty = "base" }
pandas = { package = "pandas", version = "2.2.2", certainty = "base" }
psutil = { package = "psutil", version = "5.9.5", certainty = "base" }
pyarrow = { package = "pyarrow", version = "18.1.0", certainty = "base" }
pydantic = { package = "pydantic", version = "2.12.3", certainty = "base" }
rich = { package = "rich", version = "13.9.4", certainty = "base" }
safetensors = { package = "safetensors", version = "0.7.0", certainty = "base" }
scipy = { package = "scipy", version = "1.16.3", certainty = "base" }
sklearn = { package = "scikit-learn", version = "1.6.1", certainty = "base" }
timm = { package = "timm", version = "1.0.26", certainty = "base" }
torch = { package = "torch", version = "2.10.0", certainty = "firm" }
torchvision = { package = "torchvision", version = "0.25.0", certainty = "firm" }

# Not shipped, or (optuna) in whatever version was new when the image was made; what a kernel does without them.
[optional]
optuna = "the method optuna cannot look for weights; an infer kernel has them in its plan"
pandera = "the manifest goes without its check against the schema"
simplejpeg = "Pillow decodes JPEG: the same pixels, 1.5-1.9 times as long, and some damaged files pass"
'''


# ======================================================================================================================
# ffdi/bundle/mounted.py
# ======================================================================================================================
SOURCES["ffdi/bundle/mounted.py"] = r'''"""Where Kaggle mounted what a kernel reads. Two layouts are in use, so both are tried; then markers are looked for.

source          newer form                              older form
competition     input/competitions/SLUG                 input/SLUG
dataset         input/datasets/OWNER/SLUG               input/SLUG
kernel output   input/notebooks/OWNER/SLUG              input/SLUG
"""

import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from ffdi.base import digest
from ffdi.base.errors import CorruptError, UserError
from ffdi.spec.competition import Competition, Split

INPUT, WORKING = "/kaggle/input", "/kaggle/working"
SUMS = "SHA256SUMS"
RUNS = "work"  # the folder of a train kernel's output that holds its runs
DEPTH = 6  # folders below the root that are searched
MOST_ENTRIES = 2_000  # of a folder that are looked at for sub-folders: folders of images are not walked
SHOWN = 40  # lines of a listing


def input_root() -> Path:
    """Where inputs are mounted; FFDI_INPUT stands in for it in rehearsals and tests."""
    return Path(os.environ.get("FFDI_INPUT", INPUT))


def working_root() -> Path:
    """The folder whose files Kaggle keeps; FFDI_WORKING stands in for it."""
    return Path(os.environ.get("FFDI_WORKING", WORKING))


def dataset(name: str, marker: str, what: str) -> Path:
    """The one mounted folder with the file `marker`: the dataset `name` ("owner/slug" or "slug"), or without a name
    whichever has it. Raises UserError, with a listing of what is mounted, for none or several."""
    if name:
        at = [path for path in _forms(name, "datasets") if (path / marker).is_file()]
        return _one(at[:1], f"{what} ({name} with {marker})")
    return _one(list(folders_with(lambda path: (path / marker).is_file())), f"{what} ({marker})")


def outputs(names: list[str]) -> list[Path]:
    """Attached outputs of kernels that hold runs, by name, or without names all that do, sorted."""
    if not names:
        return sorted(folders_with(_holds_runs))
    return [
        _one([path for path in _forms(name, "notebooks") if _holds_runs(path)][:1], f"runs of {name}") for name in names
    ]


def competition_folder(competition: Competition, splits: list[str], name: str = "") -> tuple[Path, Competition]:
    """The folder that holds the tables of `splits`, and the competition as its paths are from there.

    Phases of one contest may be mounted apart: then it is the common root, and the paths lead to each. Raises
    UserError, with a listing, for a table that is not mounted.
    """
    wanted = {split: competition.splits[split] for split in splits}
    near = [path for form in _forms(name or competition.slug, "competitions") for path in (form, *_children(form))]
    for folder in [*near, *folders_with(lambda path: _has(path, *wanted.values()))]:
        if _has(folder, *wanted.values()):
            return folder, competition
    root = input_root()
    at = {split: _one(list(_tables(near, wish))[:1], f"the table {wish.labels}") for split, wish in wanted.items()}
    moved = {split: _below(wanted[split], folder.relative_to(root).as_posix()) for split, folder in at.items()}
    return root, competition.model_copy(update=moved)


def verify(folder: Path) -> int:
    """How many files `SHA256SUMS` names. Raises CorruptError for one that is missing or has other bytes."""
    try:
        lines = (folder / SUMS).read_text().splitlines()
    except OSError as error:
        raise UserError(f"{folder / SUMS} cannot be read: {error.strerror}; pack the weights again.") from error
    for line in lines:
        wanted, _, name = line.partition("  ")
        path = folder / Path(name).name
        if not path.is_file():
            raise CorruptError(f"{path} is missing, though {SUMS} names it; upload the dataset again.")
        if digest.of_file(path) != wanted:
            raise CorruptError(f"{path} is damaged: its sha256 is not that of {SUMS}; upload the dataset again.")
    return len(lines)


def folders_with(wanted: Callable[[Path], bool]) -> Iterator[Path]:
    """Folders below the root that `wanted` says yes to, nearest first; what is below one is not searched."""
    level = [input_root()] if input_root().is_dir() else []
    for _ in range(DEPTH + 1):
        hits = [path for path in level if wanted(path)]
        yield from hits
        level = [child for path in level if path not in hits for child in _children(path)]


def holds(folder: Path, suffix: str) -> bool:
    """Whether a file of that kind is among the first entries of `folder`."""
    with os.scandir(folder) as entries:
        return any(entry.name.endswith(suffix) for entry in islice(entries, MOST_ENTRIES))


def listing() -> str:
    """What is mounted, in a few lines."""
    root = input_root()
    if not root.is_dir():
        return f"{root} does not exist"
    found = [path for child in _children(root) for path in (child, *_children(child))]
    names = [path.relative_to(root).as_posix() for path in found[:SHOWN]]
    return f"{root} holds {', '.join(names) or 'nothing'}"


def _forms(name: str, kind: str) -> list[Path]:
    root, slug = input_root(), name.split("/")[-1]
    named = [root / kind / name] if kind == "competitions" or "/" in name else _children(root / kind, slug)
    return [path for path in (*named, root / slug) if path.is_dir()]


def _children(folder: Path, name: str = "") -> list[Path]:
    """Sub-folders, sorted; with a name, those of that name one level further down."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        found = sorted(Path(entry.path) for entry in islice(entries, MOST_ENTRIES) if entry.is_dir())
    return [path / name for path in found] if name else found


def _tables(near: list[Path], wish: Split) -> Iterator[Path]:
    yield from (path for path in near if _has(path, wish))
    yield from folders_with(lambda path: _has(path, wish))


def _holds_runs(folder: Path) -> bool:
    """Or what a run left that was stopped before its first fold."""
    return any(any((folder / RUNS).glob(f"*/*/{name}")) for name in ("runs", "manifest.parquet", "scan"))


def _has(folder: Path, *wishes: Split) -> bool:
    return all((folder / wish.labels).is_file() and (folder / wish.images).is_dir() for wish in wishes)


def _below(wish: Split, prefix: str) -> Split:
    return wish.model_copy(update={"labels": f"{prefix}/{wish.labels}", "images": f"{prefix}/{wish.images}"})


def _one(found: list[Path], what: str) -> Path:
    if len(found) == 1:
        return found[0]
    if not found:
        raise UserError(f"Not mounted: {what}; attach it to the notebook. {listing()}.")
    names = ", ".join(str(path) for path in found)
    raise UserError(f"Mounted more than once: {what}, at {names}; name one in SETTINGS or detach the others.")
'''


# ======================================================================================================================
# ffdi/bundle/outputs.py
# ======================================================================================================================
SOURCES["ffdi/bundle/outputs.py"] = r'''"""Outputs of several train kernels as one view: every fold from where it got furthest."""

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from ffdi.base.errors import UserError
from ffdi.base.paths import Places
from ffdi.bundle.mounted import RUNS
from ffdi.spec.competition import Competition
from ffdi.spec.recipe import Recipe

SAMPLE = "sample"  # what the folder of a recipe without one is called
# What all folds share, and what a scan or a search for landmarks has done when it was stopped.
SHARED = (
    *("manifest.parquet", "scan/part-*.parquet", "landmarks.parquet", "landmarks/part-*.parquet"),
    *("folds/*", "runs/*/*.json"),
)
Bring = Callable[[Path, Path], None]  # (a file or folder that is mounted, where it shall be)


def places(recipe: Recipe, competition: Competition, root: Path) -> Places:
    """Below `root` as at home, so that the output of a kernel can be laid over the work folder there."""
    name = Path(recipe.data.folder).name or SAMPLE
    return Places(root / RUNS / competition.name / name, root / "submissions")


def gather(outputs: Iterable[Path], competition: Competition, to: Places, bring: Bring) -> int:
    """Bring manifest, landmarks, folds and runs of the attached `outputs` together at `to`; returns how many folds.

    Raises UserError if two outputs have other folds or images than each other: their runs are not of one team.
    """
    works = [path for output in outputs for path in sorted((output / RUNS).glob(f"{competition.name}/*/"))]
    best: dict[str, Path] = {}
    for work in works:
        for fold in sorted(work.glob("runs/*/fold*")):
            name = fold.relative_to(work).as_posix()
            if name not in best or _progress(fold) > _progress(best[name]):
                best[name] = fold
    for work in works:
        for path in sorted(path for pattern in SHARED for path in work.glob(pattern)):
            _bring_once(path, to.work / path.relative_to(work), bring)
    for name, fold in best.items():
        _bring_once(fold, to.work / name, bring)
    return len(best)


def copy(source: Path, target: Path) -> None:
    """A file or folder, writable, without the locks of who made it."""
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            if path.is_file() and path.name != ".lock":
                copy(path, target / path.relative_to(source))
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(source, target_is_directory=source.is_dir())


def _bring_once(source: Path, target: Path, bring: Bring) -> None:
    if not os.path.lexists(target):
        bring(source, target)
    elif source.suffix == ".parquet" and source.parent.name == "folds" and source.read_bytes() != target.read_bytes():
        raise UserError(f"{source} differs from the folds of another output; attach outputs of one recipe and contest.")


def _progress(fold: Path) -> tuple[bool, bool, str]:
    """Finished, trained, or else how many steps are saved."""
    steps = sorted(path.name for path in fold.glob("state/step-*"))
    return (fold / "done.json").is_file(), (fold / "weights.safetensors").is_file(), steps[-1] if steps else ""
'''


# ======================================================================================================================
# ffdi/bundle/record.py
# ======================================================================================================================
SOURCES["ffdi/bundle/record.py"] = r'''"""`run.json`: which run an output is of, so that whoever fetches it can tell; and what it was made with."""

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ffdi.base import seal
from ffdi.base.code import code_digest
from ffdi.bundle import image

FILE = "run.json"
TOLD_BY_IMAGE = {"git_commit": Path("/etc/git_commit"), "build_date": Path("/etc/build_date")}


def write(folder: Path, kind: str, settings: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """`run`, the id that the settings give, or "" for a kernel that was pasted; the rest is for the reader."""
    about = {
        "kind": kind,
        "run": str(settings.get("run", "")),
        "code": code_digest(),
        "python": platform.python_version(),
        "packages": image.found(),
        "image": {name: path.read_text().strip() for name, path in TOLD_BY_IMAGE.items() if path.is_file()},
        "rerun": "KAGGLE_IS_COMPETITION_RERUN" in os.environ,
    }
    seal.write_json(folder / FILE, {**about, **facts})
'''


# ======================================================================================================================
# ffdi/bundle/settings.py
# ======================================================================================================================
SOURCES["ffdi/bundle/settings.py"] = r'''"""The settings of the kernels: the only part of one that people edit, so each says what it is."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ffdi.base.errors import UserError


@dataclass(frozen=True)
class Setting:
    """`value` is text, a number, None, or a list of texts; `about`, one or more lines of comment."""

    name: str
    value: object
    about: tuple[str, ...]


COMPETITION = Setting(
    "competition", "", ("Slug under which the competition's files are mounted; empty: the kit's own name for it.",)
)
WHEELHOUSE = Setting(
    "wheelhouse",
    "",
    (
        'Dataset with wheels of what the image lacks, "owner/slug"; empty: the one that is attached, if any; "none":',
        "take no wheels.",
    ),
)
WORKERS = Setting("workers", None, ("Processes that decode images; None: as many as there are cores, at most 8.",))
RUN = Setting("run", "", ("Name of this run, repeated in run.json; a push puts one in.",))
OUTPUTS = ('Outputs of train kernels that are attached, "owner/slug" each; empty: all that are attached.',)


def infer(weights: str = "") -> list[Setting]:
    return [
        Setting("weights", weights, ('The weights dataset, "owner/slug"; empty: the one that is attached.',)),
        COMPETITION,
        Setting(
            "until",
            "8h30m",
            (
                "From the start on. When the speed says that not all will be ready by then, views are given up, then",
                "folds, then members; the submission is written in any case. Empty: as long as it takes.",
            ),
        ),
        WORKERS,
        WHEELHOUSE,
        RUN,
    ]


def train(recipe: str) -> list[Setting]:
    return [
        Setting("recipe", recipe, ("What is trained: the recipe, as in ensembles/.",)),
        COMPETITION,
        Setting(
            "until",
            "11h30m",
            ("From the start on: then all is saved and the kernel ends well. Attach its output to go on from there.",),
        ),
        Setting("members", [], ("Names of the members to train here, for kernels side by side; empty: all of them.",)),
        Setting("resume", [], OUTPUTS),
        WHEELHOUSE,
        RUN,
    ]


def blend(recipe: str) -> list[Setting]:
    return [
        Setting("recipe", recipe, ("What is blended: the recipe that the runs were trained with.",)),
        Setting("outputs", [], OUTPUTS),
        WHEELHOUSE,
        RUN,
    ]


def complete(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """What was left out as it is at first. Raises UserError for a name that is none, or a value of another type."""
    known = {one.name: one.value for one in {"infer": infer(), "train": train(""), "blend": blend("")}[kind]}
    for name, value in given.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}."
            raise UserError(f"SETTINGS: unknown key {name!r}; {hint}")
        wanted = int if known[name] is None else type(known[name])
        if type(value) is not wanted and (value is not None or known[name] is not None):
            word = "text" if wanted is str else "a list" if wanted is list else "a whole number"
            raise UserError(f"SETTINGS: {name} must be {word}, not {value!r}.")
    return {**known, **given}


def changed(settings: Sequence[Setting], **values: object) -> list[Setting]:
    """The same with other values; a push gives a run its name so."""
    return [Setting(one.name, values.get(one.name, one.value), one.about) for one in settings]
'''


# ======================================================================================================================
# ffdi/bundle/start.py
# ======================================================================================================================
SOURCES["ffdi/bundle/start.py"] = r'''"""What a kernel does before its main: the facts of the machine, missing packages from a wheelhouse, one-sentence ends.

Nothing here imports torch or timm: the wheelhouse may bring what they need, or another timm.
"""

import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ffdi.base import console
from ffdi.base.errors import FfdiError, UserError
from ffdi.bundle import image, mounted
from ffdi.bundle.closure import closure
from ffdi.bundle.settings import complete

PATIENCE = 600.0  # seconds for pip


def run(kind: str, settings: Mapping[str, Any]) -> None:
    """The main `kind` ("infer", "train", "blend"); what the kit refuses ends in one sentence and exit code."""
    try:
        settings = complete(kind, settings)
        foreign = list(closure([f"bundle/entry/{kind}.py"]).foreign)
        folder = wheelhouse(settings["wheelhouse"])
        if folder is not None:
            console.say(f"wheelhouse {folder}: {', '.join(install(folder)) or 'all of it is installed already'}")
        _check(foreign, folder)
        facts = {name: found for name, found in image.found().items() if found}
        console.say(f"Python {platform.python_version()}, " + ", ".join(" ".join(pair) for pair in facts.items()))
        import_module(f"ffdi.bundle.entry.{kind}").main(settings)
    except FfdiError as error:
        console.fail(str(error))
        raise SystemExit(error.exit_code) from None


def wheelhouse(name: str) -> Path | None:
    """The mounted wheelhouse: the dataset of that name, or without a name the one folder that holds wheels."""
    if name == "none":
        return None
    if name:
        return mounted.dataset(name, mounted.SUMS, "the wheelhouse")
    found = list(mounted.folders_with(lambda path: mounted.holds(path, ".whl")))
    if len(found) > 1:
        raise UserError(f"Several wheelhouses are mounted: {', '.join(map(str, found))}; name one in SETTINGS.")
    return found[0] if found else None


def install(folder: Path) -> list[str]:
    """Put what `folder` has and this machine has not, or in another version, on the path; returns name==version.

    Into a folder of its own, without network and without dependencies: the image itself stays as it is.
    """
    if (folder / mounted.SUMS).is_file():
        mounted.verify(folder)
    wishes = {_wheel(path.name) for path in folder.glob("*.whl")}
    wanted = sorted(f"{name}=={number}" for name, number in wishes if _installed(name) != number)
    if wanted:
        target = Path(tempfile.mkdtemp(prefix="ffdi-wheels-"))
        options = ["--no-index", "--no-deps", "--quiet", "--disable-pip-version-check", "--no-input"]
        command = [sys.executable, "-m", "pip", "install", *options, "--find-links", str(folder)]
        done = subprocess.run(
            [*command, "--target", str(target), *wanted], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1][:200]
            tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
            raise UserError(f"The wheelhouse {folder} cannot be installed here ({tag}): {reason}")
        _put_first(target)
    return wanted


def _put_first(folder: Path) -> None:
    """For this process and for those it starts."""
    sys.path.insert(0, str(folder))
    inherited = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), *([inherited] if inherited else [])])


def _check(foreign: list[str], folder: Path | None) -> None:
    lacking = image.missing(foreign)
    if lacking:
        packages = [image.ships()[name].package if name in image.ships() else name for name in lacking]
        remedy = f"the wheelhouse {folder} has none" if folder else "attach a wheelhouse (ffdi kernels wheels)"
        raise UserError(f"This image has no {', '.join(packages)}: {remedy}, or pin another image.")
    for name, instead in image.forgone(foreign).items():
        console.say(f"no {name}: {instead}")


def _wheel(file: str) -> tuple[str, str]:
    name, number = file.split("-")[:2]
    return name.replace("_", "-").lower(), number


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
'''


# ======================================================================================================================
# ffdi/competitions/multi-ffdi-phase1.toml
# ======================================================================================================================
SOURCES["ffdi/competitions/multi-ffdi-phase1.toml"] = r'''# Phase 1 of the same contest: its board was scored on the validation set, whose labels are public.
name = "multi-ffdi-phase1"
title = "Multi-dimensional Facial Forgery Image, phase 1"
slug = "multi-ffdi"
id_column = "img_name"
target_column = "target"
prediction_column = "y_pred"
metric = "auc"
submissions_per_day = 5
max_params = 200_000_000

[train]
labels = "phase1/trainset_label.txt"
images = "phase1/trainset"

[test]
labels = "phase1/valset_label.txt"
images = "phase1/valset"
has_target = false  # the column is there and is not read

[board]  # 88,281 of 147,363 fake, all of them public: nothing private was held back
public_rows = 147_363
private_rows = 147_363
fake_share = 0.6
private_in_test = false
'''


# ======================================================================================================================
# ffdi/competitions/multi-ffdi-phase2.toml
# ======================================================================================================================
SOURCES["ffdi/competitions/multi-ffdi-phase2.toml"] = r'''# Inclusion 2024, Global Multimedia Deepfake Detection, image track, phase 2: the test that decides.
name = "multi-ffdi-phase2"
title = "Multi-dimensional Facial Forgery Image, phase 2"
slug = "multi-ffdi-phase2"
more_slugs = ["multi-ffdi"]  # phase 1, whose images are trained on
id_column = "img_name"
target_column = "target"
prediction_column = "y_pred"
metric = "auc"
submissions_per_day = 2
max_params = 200_000_000

[train]
labels = "phase1/trainset_label.txt"
images = "phase1/trainset"

[val]
labels = "phase1/valset_label.txt"
images = "phase1/valset"

[test]
labels = "phase2/testset1_seen_nolabel.txt"
images = "phase2/testset1_seen"
has_target = false

[board]  # 96,785 of 174,387 fake; 176,129 of 332,849 in the hidden test, which weighed three times as much
public_rows = 174_387
private_rows = 332_849
fake_share = 0.54
private_in_test = false
'''


# ======================================================================================================================
# ffdi/data/detector.py
# ======================================================================================================================
SOURCES["ffdi/data/detector.py"] = r'''"""Five points of a face by MTCNN (Zhang et al. 2016), where the optional package facenet-pytorch is installed.

Of the package its three small nets and their cascade are used, never what would fetch other weights. Theirs lie in the
package; they are read here, as tensors alone and only if they are the known ones, so that equal points mean equal nets.
On 406 portraits of 160 px it found every face, in 33 ms an image (one thread of a busy machine, own measurement).

Five points: the eyes, the nose, the corners of the mouth, each pair from left to right in the image, as shares of width
and height, float32 [5, 2].
"""

from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ffdi.base import digest
from ffdi.base.errors import UserError
from ffdi.data import face

PACKAGE = "facenet_pytorch"
INSTALL = "pip install --no-deps facenet-pytorch==2.6.0 requests"
RULES = 1  # of how it is asked; raised when they change, so that old points are found anew
WEIGHTS = {  # sha256 of the files in the package's folder `data`
    "pnet.pt": "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f",
    "rnet.pt": "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86",
    "onet.pt": "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d",
}
# All that decides the points of given pixels. Not the points: their last digits differ from machine to machine, and a
# run must be found again on another one.
IDENTITY = digest.of_json({"rules": RULES, "weights": WEIGHTS})
THRESHOLDS = [0.6, 0.7, 0.7]  # of the three nets, and the step of the pyramid: the authors' own
STEP = 0.709
LEAST = 0.2  # of the shorter side: smaller faces are not the picture's subject
SIDE = 640  # pixels of the longer side, to which larger images are reduced


def is_installed() -> bool:
    return find_spec(PACKAGE) is not None


def require() -> None:
    """Raises UserError, with the command that installs it, if the package is not there."""
    if not is_installed():
        raise UserError(
            f'data.landmarks = "detector" needs the package facenet-pytorch; install it with `{INSTALL}`, '
            'or say "template".'
        )


class Detector:
    """Call it with uint8 RGB pixels for the five points of the largest face; None where no face is found.

    Raises UserError if the package is not there, cannot be imported or holds other weights than it should.
    """

    def __init__(self) -> None:
        require()
        try:
            mtcnn = import_module(f"{PACKAGE}.models.mtcnn")
            self._cascade: Any = import_module(f"{PACKAGE}.models.utils.detect_face").detect_face
        except ImportError as error:
            raise UserError(f"facenet-pytorch cannot be imported ({error}); run `{INSTALL}`.") from error
        folder = Path(str(mtcnn.__file__)).parents[1] / "data"
        kinds = {"pnet.pt": mtcnn.PNet, "rnet.pt": mtcnn.RNet, "onet.pt": mtcnn.ONet}
        self._nets = [_net(kind, folder / name, WEIGHTS[name]) for name, kind in kinds.items()]

    def __call__(self, image_HWC: np.ndarray) -> np.ndarray | None:
        image_HWC = _reduced(image_HWC)
        height, width = image_HWC.shape[:2]
        boxes_K5, points_K52 = self._found(image_HWC)
        if not len(boxes_K5):
            return None
        sides_K2 = boxes_K5[:, 2:4] - boxes_K5[:, :2]
        points_52 = points_K52[int(np.argmax(sides_K2.prod(axis=1)))] / (width, height)
        at = face.place(points_52, (height, width))
        is_face = at is not None and at.size > LEAST * min(height, width)  # not five points in one
        return points_52.astype(np.float32) if is_face else None

    def _found(self, image_HWC: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (left, top, right, bottom, certainty) and points of all faces, in pixels. On one thread, and alone: the
        points depend on nothing else."""
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.inference_mode():
                boxes, points = self._cascade(
                    image_HWC, LEAST * min(image_HWC.shape[:2]), *self._nets, THRESHOLDS, STEP, torch.device("cpu")
                )
        except RuntimeError as error:
            if "non-empty list" not in str(error):  # what the cascade says when all its first boxes lie outside
                raise
            return np.empty((0, 5)), np.empty((0, 5, 2))
        finally:
            torch.set_num_threads(threads)
        return np.asarray(boxes[0], np.float64), np.asarray(points[0], np.float64)


@lru_cache(maxsize=1)
def detector() -> Detector:
    """The one of this process."""
    return Detector()


def _net(kind: Any, path: Path, sha256: str) -> Any:
    import torch

    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}; run `{INSTALL}`.") from error
    if digest.of_bytes(data) != sha256:
        raise UserError(f"{path} does not hold the known weights; run `{INSTALL}`.")
    net = kind(pretrained=False)
    net.load_state_dict(torch.load(BytesIO(data), map_location="cpu", weights_only=True))
    return net.eval()


def _reduced(image_HWC: np.ndarray) -> np.ndarray:
    factor = SIDE / max(image_HWC.shape[:2])
    if factor >= 1:
        return image_HWC
    height, width = (max(1, round(side * factor)) for side in image_HWC.shape[:2])
    return cv2.resize(image_HWC, (width, height), interpolation=cv2.INTER_AREA)
'''


# ======================================================================================================================
# ffdi/data/extra.py
# ======================================================================================================================
SOURCES["ffdi/data/extra.py"] = r'''"""Fakes made beforehand (`ffdi forge`) as further rows to train on: never judged, and never where their source is.

They enter neither manifest nor fold table, so folds, held-out scores and test stay what they are without them. A fake
takes the group and fold of its source; a model that holds out the fold of its source or of its partner does not see it.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ffdi.base import seal
from ffdi.base.errors import UserError
from ffdi.base.paths import inside

MANIFEST, SPLIT = "forged.parquet", "forged"
ROW = ["split", "id"]


def read(folder: Path) -> pd.DataFrame:
    """The manifest of a finished set. Raises UserError if it is not finished or lacks images."""
    if not (folder / MANIFEST).exists():
        raise UserError(f"{folder} holds no finished set of fakes; run `ffdi forge --out {folder}` first.")
    made = seal.read_table(folder / MANIFEST)
    for relpath, size in zip(made["relpath"], made["bytes"], strict=True):
        path = inside(folder, relpath)
        if not path.is_file() or path.stat().st_size != size:
            raise UserError(f"{path} is missing or not as it was written; delete {folder} and run `ffdi forge` again.")
    return made


def extra(folders: Sequence[str], fit: pd.DataFrame) -> pd.DataFrame:
    """Rows for a Job beside `fit` (id, split, group, fold): its columns, and `beside`, the fold of the partner.

    `relpath` is absolute. Fakes of images that are not in `fit` are left out. Raises UserError for a folder that holds
    no finished set, or none of these images, and for one that is named twice.
    """
    frames = [_of(Path(folder).expanduser(), fit) for folder in folders]
    found = pd.concat(frames, ignore_index=True)
    twice = found["id"][found["id"].duplicated()]
    if len(twice):
        raise UserError(f"{twice.iloc[0]} stands in several folders of data.extra; name each set of fakes once.")
    return found


def _of(folder: Path, fit: pd.DataFrame) -> pd.DataFrame:
    made = read(folder)
    places = fit.set_index(ROW)[["group", "fold"]]
    source = places.reindex(pd.MultiIndex.from_frame(made[["source_split", "source"]]))
    partner = places.reindex(pd.MultiIndex.from_frame(made[["partner_split", "partner"]]))
    alone = (made["partner"] == "").to_numpy()
    beside = partner["fold"].where(~alone, source["fold"].to_numpy())
    known = source["fold"].notna().to_numpy() & beside.notna().to_numpy()
    if not known.any():
        raise UserError(f"The fakes in {folder} were made of other images than those of data.fit; forge them again.")
    rows = made[["id", "split", "target", "status", "sha256", "phash"]].assign(
        relpath=f"{folder.resolve()}/" + made["relpath"],
        group=source["group"].to_numpy(),
        fold=source["fold"].to_numpy(),
        beside=beside.to_numpy(),
    )
    return rows[known].astype({"group": "int64", "fold": "int16", "beside": "int16"})
'''


# ======================================================================================================================
# ffdi/data/face.py
# ======================================================================================================================
SOURCES["ffdi/data/face.py"] = r'''"""Where the parts of a face lie: masks for forgeries, by a template for aligned faces, or moved to where one was found.

Faces of the contest, and of the sample, are aligned by their eyes, so a template serves: it was laid by eye over the
mean of the sample's portraits. Where the five points of a face are known (data.landmarks), the template is turned,
scaled and shifted onto them. Every mask is drawn a little otherwise (shift, size, shape).

Shapes: H x W pixels; masks are float32 in 0..1. Five points: the eyes, the nose, the corners of the mouth, each pair
from left to right in the image, as shares of width and height.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from ffdi.base.keys import Draws

Ellipse = tuple[float, float, float, float]  # centre x, y and radii, as shares of width and height
FACE: Ellipse = (0.5, 0.55, 0.27, 0.36)
PARTS: dict[str, tuple[Ellipse, ...]] = {
    "eyes": ((0.375, 0.39, 0.09, 0.055), (0.64, 0.39, 0.09, 0.055)),
    "nose": ((0.5, 0.51, 0.075, 0.11),),
    "mouth": ((0.5, 0.67, 0.13, 0.065),),
}
# What the detector finds in the face of the template: its mean over the sample's 406 training portraits.
POINTS_52 = np.array([(0.36, 0.387), (0.645, 0.387), (0.503, 0.561), (0.366, 0.682), (0.639, 0.684)])
JITTER = 0.15  # of the radii: how far centre and radii move
CORNERS = 12  # of the outline; each is pulled in or out, which makes shapes that no ellipse has
WOBBLE = 0.2


@dataclass(frozen=True)
class Place:
    """Where a face lies: the template's point x + iy, in shares, is the pixel turn * (x + iy) + shift."""

    turn: complex
    shift: complex

    @property
    def size(self) -> float:
        """Pixels of the template's side."""
        return abs(self.turn)

    @property
    def angle(self) -> float:
        """Degrees, clockwise as images are seen."""
        return math.degrees(math.atan2(self.turn.imag, self.turn.real))

    def pixel(self, x: float, y: float) -> complex:
        return self.turn * complex(x, y) + self.shift


def place(points_52: np.ndarray, shape: tuple[int, ...]) -> Place | None:
    """The similarity that brings the template's five points nearest to these, by least squares; None if they are NaN.

    Umeyama (1991); without mirroring and in the plane it is one division of complex numbers.
    """
    if np.isnan(points_52).any():
        return None
    height, width = shape[:2]
    found_5 = points_52[:, 0] * width + 1j * points_52[:, 1] * height
    known_5 = POINTS_52[:, 0] + 1j * POINTS_52[:, 1]
    away_5 = known_5 - known_5.mean()
    turn = np.vdot(away_5, found_5 - found_5.mean()) / np.vdot(away_5, away_5).real
    return Place(complex(turn), complex(found_5.mean() - turn * known_5.mean()))


def laid_over(image: np.ndarray, at: Place, onto: Place, shape: tuple[int, ...]) -> np.ndarray:
    """The image, whose face lies `at`, moved so that the face lies `onto`, in another image's shape; edges mirrored."""
    factor = onto.size / at.size
    if factor < 0.5:  # by areas first, or a single step would skip pixels
        image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        at = Place(at.turn * factor, at.shift * factor)
    turn = onto.turn / at.turn
    shift = onto.shift - turn * at.shift
    matrix = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    size = (shape[1], shape[0])
    return cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def face(shape: tuple[int, ...], draw: Draws, at: Place | None = None) -> np.ndarray:
    """The whole face, hard-edged; `at`: where it was found."""
    return _mask(shape, (FACE,), draw, at)


def part(shape: tuple[int, ...], draw: Draws, at: Place | None = None) -> np.ndarray:
    """Eyes, nose or mouth, whichever is drawn."""
    return _mask(shape, PARTS[draw.pick(tuple(PARTS))], draw, at)


def soft(mask_HW: np.ndarray, share: float) -> np.ndarray:
    """The mask with an edge that fades over about `share` of the image's side, 1 inside."""
    sigma = max(0.5, share * min(mask_HW.shape) / 3)
    return cv2.GaussianBlur(mask_HW, (0, 0), sigma)


def _mask(shape: tuple[int, ...], ellipses: tuple[Ellipse, ...], draw: Draws, at: Place | None) -> np.ndarray:
    height, width = shape[:2]
    mask_HW = np.zeros((height, width), np.float32)
    wobble = [1 + WOBBLE * draw.uniform(-1, 1) for _ in range(CORNERS)]
    shift_x, shift_y, scale = (draw.uniform(-1, 1) * JITTER for _ in range(3))
    for x, y, radius_x, radius_y in ellipses:
        points = []
        for corner, reach in enumerate(wobble):
            angle = 2 * math.pi * corner / CORNERS
            far = reach * (1 + scale)
            across = x + radius_x * (shift_x + far * math.cos(angle))
            down = y + radius_y * (shift_y + far * math.sin(angle))
            pixel = complex(across * width, down * height) if at is None else at.pixel(across, down)
            points.append((round(pixel.real), round(pixel.imag)))
        cv2.fillConvexPoly(mask_HW, cv2.convexHull(np.array(points, np.int32)), 1.0)
    return mask_HW
'''


# ======================================================================================================================
# ffdi/data/job.py
# ======================================================================================================================
SOURCES["ffdi/data/job.py"] = r'''"""One fold of one member, as a value: all that `fit` needs and nothing it has to look up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ffdi.base import digest
from ffdi.base.errors import UserError
from ffdi.base.paths import Places
from ffdi.data import manifest as manifests
from ffdi.spec.competition import Competition
from ffdi.spec.identity import member_digest, takes_landmarks
from ffdi.spec.recipe import Data, Member, Recipe

COLUMNS = ["id", "split", "relpath", "target", "status", "sha256"]  # of the manifest; frames travel to every process


@dataclass(frozen=True)
class Job:
    """Frames have id, split, relpath, target, status and sha256; those of all folds share `fit`, `val` and `test`."""

    member: Member
    fold: int | str
    spec: str  # 64 hex digits: the member's identity
    manifest: str  # digest of the fit rows
    folds: str  # digest
    data: Data
    images: Path  # the competition folder
    cache: Path | None  # where decoded pixels lie, if the recipe wants them
    folder: Path  # of this fold
    fit: pd.DataFrame  # with a column fold
    val: pd.DataFrame
    test: pd.DataFrame
    rows: dict[str, str]  # digests of oof, val and test; a table without rows has none
    extra: pd.DataFrame | None = None  # of data.extra: trained on besides, as data/extra.py has it
    landmarks: Path | None = None  # table of data/landmarks.py, if the member takes any

    @property
    def train(self) -> pd.DataFrame:
        rows = self.fit[self.fit["fold"] != self.fold]
        if self.extra is not None:
            seen = (self.extra["fold"] != self.fold) & (self.extra["beside"] != self.fold)
            rows = pd.concat([rows, self.extra[seen]], join="inner")
        return rows.reset_index(drop=True)

    @property
    def oof(self) -> pd.DataFrame:
        """The rows held out; none for fold "all"."""
        return self.fit[self.fit["fold"] == self.fold].reset_index(drop=True)

    @property
    def label(self) -> str:
        return f"{self.member.name} fold {self.fold}"

    @property
    def size(self) -> int:
        """Side of the images that are predicted, in pixels."""
        return self.member.test_size or self.member.image_size

    @property
    def asked(self) -> dict[str, dict[str, object]]:
        """The tables this fold must leave, each with what decides its content besides the weights."""
        views = list(self.member.views)
        return {name: {"rows": rows, "views": views, "size": self.size} for name, rows in self.rows.items()}

    @property
    def identity(self) -> dict[str, str]:
        """What every artefact of this fold must agree with."""
        return {"spec": self.spec, "manifest": self.manifest, "folds": self.folds, "fold": str(self.fold)}


def plan(
    recipe: Recipe,
    competition: Competition,
    manifest: pd.DataFrame,
    folds: pd.DataFrame,
    images: Path,
    places: Places,
) -> list[Job]:
    """Every (member, fold) of the recipe, in the recipe's order."""
    folds_digest = digest_of(folds)
    columns = [*COLUMNS, "phash"] if any(_wants_twins(member) for member in recipe.member) else COLUMNS
    fit = folds.merge(manifest[columns], on=["id", "split"], how="left", validate="one_to_one")
    fit = fit.sort_values(["split", "id"], ignore_index=True)
    twice = fit["id"][fit["id"].duplicated()]
    if len(twice):
        raise UserError(f"{twice.iloc[0]} stands in several of {', '.join(recipe.data.fit)}; fit only one of them.")
    extra = _extra(recipe.data, fit)
    fit_digest = manifests.digest(fit if extra is None else pd.concat([fit, extra]))
    val, test = (_held(manifest, name, recipe.data.fit) for name in ("val", "test"))
    seen: list[int | str] = [*recipe.folds.held_out, "all"]
    shared = _digests({"val": val, "test": test})
    rows = {fold: _digests({"oof": fit[fit["fold"] == fold]}) | shared for fold in seen}
    jobs = []
    for member in recipe.member:
        spec = member_digest(member, fit_digest, folds_digest, recipe.data, _detector(recipe.data))
        for fold in seen[:-1] if member.fold == "k" else seen[-1:]:
            jobs.append(
                Job(
                    member=member,
                    fold=fold,
                    spec=spec,
                    manifest=fit_digest,
                    folds=folds_digest,
                    data=recipe.data,
                    images=images,
                    cache=places.cache if recipe.data.cache == "decoded" else None,
                    folder=places.fold(member.name, spec[:8], fold),
                    fit=fit,
                    val=val,
                    test=test,
                    rows=rows[fold],
                    extra=extra,
                    landmarks=places.landmarks if takes_landmarks(member, recipe.data) else None,
                )
            )
    return jobs


def _detector(data: Data) -> str:
    if data.landmarks == "template":
        return ""
    from ffdi.data import detector  # late: it brings cv2

    return detector.IDENTITY


def _wants_twins(member: Member) -> bool:
    return member.pairs or member.pair_mixup > 0


def digest_of(folds: pd.DataFrame) -> str:
    """Of a fold table's content: its file's bytes change with the version of pyarrow, and Kaggle's is another."""
    lines = sorted(folds["split"] + "\t" + folds["id"] + "\t" + folds["fold"].astype(str))
    return digest.of_bytes("\n".join(lines).encode())


def _extra(data: Data, fit: pd.DataFrame) -> pd.DataFrame | None:
    if not data.extra:
        return None
    from ffdi.data.extra import extra  # late: it brings cv2 and scipy, and most blends start without them

    return extra(data.extra, fit)


def _held(manifest: pd.DataFrame, split: str, fit: Sequence[str]) -> pd.DataFrame:
    """The rows of a split that is only predicted; none if it is trained on."""
    wanted = (manifest["split"] == split) & (split not in fit)
    return manifest.loc[wanted, COLUMNS].reset_index(drop=True)


def _digests(frames: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    return {name: manifests.digest(frame) for name, frame in frames.items() if len(frame)}
'''


# ======================================================================================================================
# ffdi/data/manifest.py
# ======================================================================================================================
SOURCES["ffdi/data/manifest.py"] = r'''"""The manifest: one row a label row of the competition, with everything the scan found out about its image."""

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pandas as pd

from ffdi.base import digest as hashing
from ffdi.base import seal
from ffdi.base.errors import UserError
from ffdi.base.paths import Places

if TYPE_CHECKING:
    import pandera.pandas as pandera

STATUSES = ("ok", "repaired", "quarantined")
COLUMNS = {
    "id": "str",  # as in the table; unique within a split
    "split": "str",
    "relpath": "str",  # below the competition folder, with /
    "target": "int8",  # 0 real, 1 fake, -1 unknown
    "width": "int32",  # pixels, upright; 0 where unknown
    "height": "int32",
    "bytes": "int64",
    "mtime_ns": "int64",
    "sha256": "str",  # of the file; "" if it could not be read
    "phash": "uint64",
    "phash256": "str",  # 64 hex digits; "" without an image
    "jpeg_q": "int16",  # 1-100; -1 without quantisation tables
    "sharpness": "float32",  # these three: see `data.features`; 0 without an image
    "mean_grey": "float32",
    "colourfulness": "float32",
    "mode": "str",  # as the file holds it: RGB, L, CMYK, ...; "" without an image
    "status": "str",
    "defect": "str",  # "" or names joined by "+"
}


def write(places: Places, manifest: pd.DataFrame, facts: Mapping[str, Any]) -> None:
    """Check and seal it. Raises ValueError (a bug, not a user's mistake) if it breaks the schema."""
    check(manifest)
    seal.write_table(places.manifest, manifest, facts)


def read(places: Places) -> pd.DataFrame:
    """Raises UserError if there is none or if it is of another version, CorruptError if it is damaged."""
    if not places.manifest.exists():
        raise UserError(f"{places.manifest} does not exist; run `ffdi scan` first.")
    manifest = seal.read_table(places.manifest)
    if list(manifest.columns) != list(COLUMNS):
        raise UserError(f"{places.manifest} was written by another version of the kit; run `ffdi scan` again.")
    return manifest


def select(manifest: pd.DataFrame, splits: Iterable[str], usable: bool = True) -> pd.DataFrame:
    """The rows of some splits; only those with a usable image, unless `usable` is off (prediction wants every row)."""
    wanted = manifest["split"].isin(list(splits))
    if usable:
        wanted &= manifest["status"] != "quarantined"
    return manifest[wanted].reset_index(drop=True)


def digest(manifest: pd.DataFrame) -> str:
    """What training depends on: the ids, splits, targets, bytes and statuses, in whatever order; not when or where."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pa.large_string()  # Arrow joins and sorts half a million lines in a second; Python takes five
    columns = [pa.array(manifest[name].astype("str"), text) for name in ("split", "id", "target", "sha256", "status")]
    lines = pc.binary_join_element_wise(*columns, pa.scalar("\t", text))
    return hashing.of_bytes("\n".join(lines.take(pc.sort_indices(lines)).to_pylist()).encode())


def typed(rows: pd.DataFrame) -> pd.DataFrame:
    """The columns of a manifest, in order and of their types."""
    return rows.reset_index(drop=True)[list(COLUMNS)].astype(COLUMNS)


def check(manifest: pd.DataFrame) -> None:
    """Raises ValueError naming what breaks the schema. Kaggle's image has no pandera: there it is not checked."""
    if find_spec("pandera") is None:
        return
    from pandera.errors import SchemaErrors

    try:
        _schema().validate(manifest, lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases[["column", "check", "failure_case"]].drop_duplicates().head(5)
        raise ValueError(f"not a manifest: {cases.to_dict('records')}") from error


def _schema() -> "pandera.DataFrameSchema":
    import pandera.pandas as pandera

    checks = {
        "target": pandera.Check.isin([-1, 0, 1]),
        "jpeg_q": pandera.Check.in_range(-1, 100),
        "status": pandera.Check.isin(STATUSES),
        "bytes": pandera.Check.ge(0),
        "sha256": pandera.Check.str_matches("^([0-9a-f]{64})?$"),
        "phash256": pandera.Check.str_matches("^([0-9a-f]{64})?$"),
    }
    columns = {name: pandera.Column(dtype, checks.get(name)) for name, dtype in COLUMNS.items()}
    return pandera.DataFrameSchema(columns, strict=True, ordered=True, unique=["split", "id"])
'''


# ======================================================================================================================
# ffdi/score/auc.py
# ======================================================================================================================
SOURCES["ffdi/score/auc.py"] = r'''"""Area under the ROC curve and points of that curve, exact for ties.

Shapes: N rows, G runs of equal scores, P points of the curve.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ffdi.base.errors import UserError
from ffdi.score.sorting import LEVELS, Sorted, ascend, levels


@dataclass(frozen=True)
class Runs:
    """How many rows of either class share each distinct score, scores ascending."""

    positives_G: NDArray[np.int64]
    negatives_G: NDArray[np.int64]


def auc(target: ArrayLike, score: ArrayLike) -> float:
    """Chance that a random fake (target 1) scores above a random real (0), a tie counted as one half.

    Counts pairs in whole numbers (Mann and Whitney, 1947) and divides once, so the result is correctly rounded and
    the order of the rows does not matter.
    Raises UserError unless both classes are there and every score is finite.
    """
    is_positive_N = classes(target, score)
    positives = int(np.count_nonzero(is_positive_N))
    pairs = positives * (len(is_positive_N) - positives)
    level_N = levels(score)
    if level_N is not None:
        return _twice_won_by_level(is_positive_N, level_N) / (2 * pairs)
    in_order = ascend(score, reuse=True)
    return _twice_won_pairs(is_positive_N[in_order.order_N], in_order) / (2 * pairs)


def roc(target: ArrayLike, score: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """False and true positive rates (fpr_P, tpr_P) from (0, 0) to (1, 1), one point a distinct threshold.

    Points on the straight line between their neighbours are left out: the curve is the same, the plot lighter.
    """
    counts = runs(target, score)
    false_P, true_P = _from_the_top(counts.negatives_G), _from_the_top(counts.positives_G)
    turns_P = np.ones(len(false_P), bool)
    cross_P = np.diff(false_P)[:-1] * np.diff(true_P)[1:] != np.diff(false_P)[1:] * np.diff(true_P)[:-1]
    turns_P[1:-1] = cross_P
    return false_P[turns_P] / false_P[-1], true_P[turns_P] / true_P[-1]


def tpr_at_fpr(target: ArrayLike, score: ArrayLike, fpr: float) -> float:
    """Largest true positive rate of any threshold whose false positive rate is at most `fpr`, without interpolation.

    With fewer than 1 / fpr real images no false alarm at all is allowed.
    """
    if not 0 <= fpr <= 1:
        raise UserError(f"A false positive rate lies between 0 and 1, but {fpr} was asked for.")
    counts = runs(target, score)
    false_P, true_P = _from_the_top(counts.negatives_G), _from_the_top(counts.positives_G)
    last = int(np.searchsorted(false_P / false_P[-1], fpr, side="right")) - 1
    return float(true_P[last] / true_P[-1])


def runs(target: ArrayLike, score: ArrayLike) -> Runs:
    """Class counts of every distinct score; UserError as for `auc`."""
    is_positive_N = classes(target, score)
    in_order = ascend(score, reuse=True)
    return _counted(is_positive_N[in_order.order_N], in_order)


def _counted(is_positive_N: NDArray[np.bool_], in_order: Sorted) -> Runs:
    """Rows in ascending order."""
    starts_G = in_order.starts_G
    positives_G = np.add.reduceat(is_positive_N, starts_G, dtype=np.int64)
    return Runs(positives_G, np.diff(starts_G, append=len(is_positive_N)) - positives_G)


def classes(target: ArrayLike, score: ArrayLike) -> NDArray[np.bool_]:
    """The targets as booleans; UserError if they are not 0 and 1, both present and as many as the scores."""
    given = np.asarray(target)
    if given.shape != np.shape(score) or given.ndim != 1:
        raise UserError(f"Targets {given.shape} and scores {np.shape(score)} must be vectors of one length.")
    is_positive_N = given == 1
    positives = int(np.count_nonzero(is_positive_N))
    negatives = int(np.count_nonzero(given == 0))
    if positives + negatives != len(given):
        odd = given[~is_positive_N & (given != 0)][0]
        raise UserError(f"Targets must be 0 (real) or 1 (fake), but one is {odd}.")
    if not positives or not negatives:
        raise UserError(f"A ROC curve needs both classes, but there are {negatives} real and {positives} fake images.")
    return is_positive_N


def _twice_won_by_level(is_positive_N: NDArray[np.bool_], level_N: NDArray[np.intp]) -> int:
    level_N += LEVELS * is_positive_N
    negatives_L, positives_L = np.bincount(level_N, minlength=2 * LEVELS).reshape(2, LEVELS)
    return int(positives_L @ (2 * np.cumsum(negatives_L) - negatives_L))


def _twice_won_pairs(is_positive_N: NDArray[np.bool_], in_order: Sorted) -> int:
    """Twice the pairs in which the fake scores above the real, plus the tied ones; rows in ascending order."""
    if in_order.many_ties:
        counts = _counted(is_positive_N, in_order)
        return int(counts.positives_G @ (2 * np.cumsum(counts.negatives_G) - counts.negatives_G))
    places = np.flatnonzero(is_positive_N)
    won = int(places.sum()) - len(places) * (len(places) - 1) // 2
    return 2 * won + _tie_correction(is_positive_N, in_order)


def _tie_correction(is_positive_N: NDArray[np.bool_], in_order: Sorted) -> int:
    """Over all runs: the tied pairs, less twice those of them that counting by place took for won."""
    places_T = in_order.tied_T
    if not len(places_T):
        return 0
    hits_T = is_positive_N[places_T].astype(np.int64)
    starts_G = np.flatnonzero(in_order.first_N[places_T])
    sizes_G = np.diff(starts_G, append=len(places_T))
    positives_G = np.add.reduceat(hits_T, starts_G)
    places_G = np.add.reduceat(hits_T * np.arange(len(hits_T)), starts_G) - positives_G * starts_G
    counted_G = places_G - positives_G * (positives_G - 1) // 2
    return int((positives_G * (sizes_G - positives_G) - 2 * counted_G).sum())


def _from_the_top(counts_G: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows at or above each threshold, from none to all."""
    return np.concatenate([[0], np.cumsum(counts_G[::-1])])
'''


# ======================================================================================================================
# ffdi/score/interval.py
# ======================================================================================================================
SOURCES["ffdi/score/interval.py"] = r'''"""Confidence intervals for AUC and for the difference of two AUCs, by DeLong's variance or by drawing again.

DeLong, DeLong and Clarke-Pearson (1988) for the variance; Sun and Xu (2014) for its form in midranks, O(N log N);
Obuchowski (1997) for rows that come in groups, such as an original with its forgeries: groups are independent, the
rows of one are not.
Shapes: N rows, P fakes, R reals, D draws.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ffdi.base.errors import UserError
from ffdi.base.keys import key
from ffdi.score.auc import auc, classes
from ffdi.score.ranks import midrank
from ffdi.score.sorting import finite


@dataclass(frozen=True)
class Interval:
    """An estimate, its two-sided confidence limits and its standard error."""

    value: float
    low: float
    high: float
    se: float


@dataclass(frozen=True)
class Placements:
    """An AUC, and what each row does for it: the share of reals below each fake, of fakes above each real.

    `groups`: of the fakes, then of the reals, numbered from 0; None where every row stands alone.
    """

    value: float
    fakes_P: NDArray[np.float64]
    reals_R: NDArray[np.float64]
    groups: NDArray[np.int64] | None = None

    def __sub__(self, other: "Placements") -> "Placements":
        """Of the difference of two AUCs on the same rows; their covariance is in it."""
        fakes_P, reals_R = self.fakes_P - other.fakes_P, self.reals_R - other.reals_R
        return Placements(self.value - other.value, fakes_P, reals_R, self.groups)

    def se(self, fakes: int | None = None, reals: int | None = None) -> float:
        """Standard error on these rows, or on so many others of the same kind that stand alone."""
        if self.groups is not None and fakes is None and reals is None:
            pulls = np.concatenate([_pulls(self.fakes_P), _pulls(self.reals_R)])
            return float(np.linalg.norm(np.bincount(self.groups, pulls)))
        var_fakes, var_reals = np.var(self.fakes_P, ddof=1), np.var(self.reals_R, ddof=1)
        return math.sqrt(var_fakes / (fakes or len(self.fakes_P)) + var_reals / (reals or len(self.reals_R)))


def delong(target: ArrayLike, score: ArrayLike, level: float = 0.95) -> Interval:
    """AUC with an interval that is symmetric on the logit scale and so stays inside [0, 1] (Pepe, 2003).

    Where every pair is ordered alike (AUC 0 or 1) the variance is 0 and says nothing: then the inner limit is that of
    min(P, R) disjoint pairs that all came out one way, (1 - level) / 2 to the power 1 / min(P, R).
    Raises UserError with fewer than two rows of a class.
    """
    return around(placements(target, score), level)


def around(placed: Placements, level: float = 0.95) -> Interval:
    """The interval of `delong` from placements that are known already."""
    value, se = placed.value, placed.se()
    if value in (0.0, 1.0):
        reach = tail(level) ** (1 / min(len(placed.fakes_P), len(placed.reals_R)))
        return Interval(value, reach if value else 0.0, 1.0 if value else 1 - reach, se)
    return on_logits(value, se, level)


def on_logits(value: float, se: float, level: float) -> Interval:
    """Symmetric around `value`, inside (0, 1), on the logit scale."""
    logit = math.log(value / (1 - value))
    half = quantile(level) * se / (value * (1 - value))
    return Interval(value, _sigmoid(logit - half), _sigmoid(logit + half), se)


def delong_paired(target: ArrayLike, a: ArrayLike, b: ArrayLike, level: float = 0.95) -> Interval:
    """AUC of `a` less AUC of `b` on the same rows, with a normal interval cut to [-1, 1].

    The covariance of the two scores is used, so two nearly equal scores have a narrow interval.
    """
    return apart(placements(target, a) - placements(target, b), level)


def apart(difference: Placements, level: float = 0.95) -> Interval:
    """The interval of `delong_paired` from a difference of placements."""
    value, se = difference.value, difference.se()
    half = quantile(level) * se
    return Interval(value, max(value - half, -1.0), min(value + half, 1.0), se)


def bootstrap(
    target: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    group: ArrayLike | None = None,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> Interval:
    """AUC of `a` less AUC of `b` with the quantiles of so many draws of the rows, the same rows for both.

    Whole groups are drawn, each a number of times that has the Poisson distribution of mean 1 (Hanley and MacGibbon,
    2006), which is what drawing with replacement comes to; every draw's AUCs are exact. The draws depend on `seed`
    and on the groups' order, not on that of the rows if groups are given. Draws without a class are left out.
    Raises UserError with fewer than two rows of a class.
    """
    from ffdi.score.redraw import aucs  # compiled

    value = delong_paired(target, a, b, level).value
    is_fake_N = classes(target, a)
    group_N = np.arange(len(is_fake_N)) if group is None else np.unique(np.asarray(group), return_inverse=True)[1]
    found_2D = aucs(is_fake_N, [finite(a), finite(b)], group_N, draws, key("bootstrap", seed))
    gain_D = found_2D[0] - found_2D[1]
    gain_D = gain_D[np.isfinite(gain_D)]
    low, high = np.quantile(gain_D, [tail(level), 1 - tail(level)])
    return Interval(value, float(low), float(high), float(np.std(gain_D, ddof=1)))


def quantile(level: float) -> float:
    """Standard normal quantile of a two-sided interval of this confidence level, such as 1.96 for 0.95."""
    return NormalDist().inv_cdf(1 - tail(level))


def tail(level: float) -> float:
    """Probability left outside on either side; UserError unless the level is inside (0, 1)."""
    if not 0 < level < 1:
        raise UserError(f"A confidence level lies between 0 and 1, but {level} was asked for.")
    return (1 - level) / 2


def placements(target: ArrayLike, score: ArrayLike, group: NDArray[np.int64] | None = None) -> Placements:
    """For each fake the share of reals below it, for each real the share of fakes above it; ties count one half.

    `group`: of each row, a small whole number from 0 on. Raises UserError with fewer than two rows of a class.
    """
    is_fake_N = classes(target, score)
    score_N = finite(score)
    fakes_P, reals_R = score_N[is_fake_N], score_N[~is_fake_N]
    if min(len(fakes_P), len(reals_R)) < 2:
        counts = f"{len(reals_R)} real and {len(fakes_P)} fake"
        raise UserError(f"An interval needs two images of each class, but there are {counts}.")
    rank_N = midrank(score_N)
    below_P = (rank_N[is_fake_N] - midrank(fakes_P)) / len(reals_R)
    above_R = 1 - (rank_N[~is_fake_N] - midrank(reals_R)) / len(fakes_P)
    groups = None if group is None else np.concatenate([group[is_fake_N], group[~is_fake_N]])
    return Placements(auc(target, score), below_P, above_R, groups)


def _pulls(placed: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each row of one class pulls the AUC; their squares add up to that class's part of the variance."""
    return (placed - placed.mean()) / math.sqrt(len(placed) * (len(placed) - 1))


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
'''


# ======================================================================================================================
# ffdi/score/ranks.py
# ======================================================================================================================
SOURCES["ffdi/score/ranks.py"] = r'''"""Ranks with ties averaged: what is left of a score once its scale is forgotten, and all that AUC looks at.

Shapes: N values, G runs of equal values.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ffdi.base.errors import UserError
from ffdi.score.sorting import BLOCK, LEVELS, ascend, levels


def midrank(values: ArrayLike) -> NDArray[np.float64]:
    """Rank of each of N values, 1 the lowest; equal values share the mean of their ranks, a multiple of 1/2."""
    level_N = levels(values)
    if level_N is not None:
        count_L = np.bincount(level_N, minlength=LEVELS)
        return (np.cumsum(count_L) - (count_L - 1) / 2)[level_N]
    in_order = ascend(values, reuse=True)
    length = len(in_order.order_N)
    rank_N = np.empty(length)
    if in_order.many_ties:
        starts_G = in_order.starts_G
        sizes_G = np.diff(starts_G, append=length)
        rank_N[in_order.order_N] = np.repeat(starts_G + (sizes_G + 1) / 2, sizes_G)
        return rank_N
    for start in range(0, length, BLOCK):
        stop = min(start + BLOCK, length)
        rank_N[in_order.order_N[start:stop]] = np.arange(start + 1.0, stop + 1)
    places_T = in_order.tied_T
    if len(places_T):
        starts_G = np.flatnonzero(in_order.first_N[places_T])
        sizes_G = np.diff(starts_G, append=len(places_T))
        rank_N[in_order.order_N[places_T]] = np.repeat(places_T[starts_G] + (sizes_G + 1) / 2, sizes_G)
    return rank_N


def rank(values: ArrayLike) -> NDArray[np.float64]:
    """(midrank - 1/2) / N: strictly inside (0, 1), mean exactly 1/2, and mirrored when the values change sign."""
    rank_N = midrank(values)
    rank_N -= 0.5
    rank_N /= len(rank_N)
    return rank_N


def rank_within(values: ArrayLike, groups: ArrayLike) -> NDArray[np.float64]:
    """Ranks in (0, 1) among the values of the same group, so that groups scored on different scales can be pooled."""
    values_N, groups_N = np.asarray(values), np.asarray(groups)
    if values_N.shape != groups_N.shape:
        raise UserError(f"Scores {values_N.shape} and groups {groups_N.shape} must be of one length.")
    _, codes_N, sizes = np.unique(groups_N, return_inverse=True, return_counts=True)
    by_group_N = np.argsort(codes_N, kind="stable")
    rank_N = np.empty(len(values_N))
    for rows in np.split(by_group_N, np.cumsum(sizes)[:-1]):
        rank_N[rows] = rank(values_N[rows])
    return rank_N
'''


# ======================================================================================================================
# ffdi/score/redraw.py
# ======================================================================================================================
SOURCES["ffdi/score/redraw.py"] = r'''"""AUCs of rows drawn again and again, compiled: each draw is a weight for every group, and many are added up at once.

Shapes: N rows in ascending order, G groups, D draws of one block, S scores.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ffdi.base.compiled import compiled
from ffdi.base.errors import UserError
from ffdi.score.sorting import Floats, ascend

BLOCK = 32  # draws whose sums are carried along side by side, in vector registers
TIED, OPENS = 2, 4
MOST = 1 << 24  # rows: the products of weights and counts stay below 32 bits
POISSON = tuple(np.round(65536 * np.cumsum(np.exp(-1) / np.cumprod([1, *range(1, 8)]))).astype(int).tolist())


def aucs(
    is_fake_N: NDArray[np.bool_], scores: Sequence[Floats], group_N: NDArray[np.int64], draws: int, seed: int
) -> NDArray[np.float64]:
    """AUC of each score in each draw, [S, D]; NaN where a draw has no row of a class.

    `group_N`: 0 to G - 1, each of which is drawn 0, 1, 2 ... times with the chances of a Poisson variable of mean 1.
    """
    if len(is_fake_N) > MOST:
        raise UserError(f"At most {MOST:,} rows can be drawn again, but there are {len(is_fake_N):,}.")
    sorted_S = [_in_order(is_fake_N, score_N, group_N) for score_N in scores]
    block = partial(_block, sorted_S, int(group_N.max()) + 1, np.uint64(seed))
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # the compiled loops hold no lock
        blocks = list(threads.map(block, range(-(-draws // BLOCK))))
    return np.concatenate(blocks, axis=1)[:, :draws]


def _in_order(
    is_fake_N: NDArray[np.bool_], score_N: Floats, group_N: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    """(group, kind) by ascending score, among equals the reals first.

    Kind: 1 a fake, plus TIED among equals of both classes, of which the first real alone has OPENS.
    """
    in_order = ascend(score_N)
    run_N = np.cumsum(in_order.first_N) - 1
    fake_N = is_fake_N[in_order.order_N]
    place_N = np.argsort(2 * run_N + fake_N, kind="stable")
    order_N, fake_N = in_order.order_N[place_N], fake_N[place_N]
    fakes_G = np.bincount(run_N, fake_N)
    tied_N = ((fakes_G > 0) & (fakes_G < np.bincount(run_N)))[run_N]
    kind_N = fake_N + TIED * (tied_N & fake_N) + OPENS * (tied_N & in_order.first_N)
    return group_N[order_N].astype(np.int32), kind_N.astype(np.int8)


def _block(
    sorted_S: list[tuple[NDArray[np.int32], NDArray[np.int8]]], groups: int, seed: np.uint64, number: int
) -> NDArray[np.float64]:
    weight_GD = np.empty((groups, BLOCK), np.uint8)
    _draw(seed, np.uint64(number), np.array(POISSON, np.uint16), weight_GD)
    return np.stack([_weighted_aucs(group_N, kind_N, weight_GD) for group_N, kind_N in sorted_S])


@compiled
def _draw(seed, number, limits, weight_GD):  # type: ignore[no-untyped-def]
    """Weights from 16 bits each of a hash of (seed, group, number): Steele and others' SplitMix64 (2014)."""
    words = np.uint64(weight_GD.shape[1] // 4)
    bits = np.empty(weight_GD.shape[1], np.uint16)
    for group in range(len(weight_GD)):
        base = seed + (np.uint64(group) << np.uint64(24)) + number * words
        for word in range(words):
            mixed = (base + np.uint64(word)) * np.uint64(0x9E3779B97F4A7C15)
            mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            mixed ^= mixed >> np.uint64(31)
            for part in range(4):
                bits[4 * word + part] = np.uint16(mixed >> np.uint64(16 * part))
        for draw in range(len(bits)):
            weight = np.uint8(0)
            for limit in limits:
                weight += np.uint8(bits[draw] >= limit)
            weight_GD[group, draw] = weight


@compiled
def _weighted_aucs(group_N, kind_N, weight_GD):  # type: ignore[no-untyped-def]
    """A fake beats the reals below it; of those it ties with, which stand below it here, half are taken back."""
    below_D, before_D = np.zeros(BLOCK, np.int32), np.zeros(BLOCK, np.int32)  # reals so far; those below the ties
    waiting_D, fakes_D = np.zeros(BLOCK, np.int32), np.zeros(BLOCK, np.int64)  # fakes since the last real; all
    won_D, tied_D = np.zeros(BLOCK, np.int64), np.zeros(BLOCK, np.int64)
    for row in range(len(group_N)):
        weight_D = weight_GD[np.uint32(group_N[row])]
        kind = kind_N[row]
        if kind & 1:
            for draw in range(BLOCK):
                waiting_D[draw] += np.int32(weight_D[draw])
            if kind & TIED:
                for draw in range(BLOCK):
                    tied_D[draw] += np.int64(weight_D[draw]) * (below_D[draw] - before_D[draw])
        else:
            if kind & OPENS:
                before_D[:] = below_D
            for draw in range(BLOCK):
                won_D[draw] += np.int64(waiting_D[draw]) * np.int64(below_D[draw])
                fakes_D[draw] += waiting_D[draw]
                waiting_D[draw] = 0
                below_D[draw] += np.int32(weight_D[draw])
    won_D += waiting_D * below_D.astype(np.int64)
    return (won_D - tied_D / 2) / ((fakes_D + waiting_D) * below_D.astype(np.float64))
'''


# ======================================================================================================================
# ffdi/score/sorting.py
# ======================================================================================================================
SOURCES["ffdi/score/sorting.py"] = r'''"""One sort that every score shares: the ascending order of a vector and its runs of equal values.

Scores that were rounded have few values, and those need no sort: they are counted.

Shapes: N values, T of them tied, G runs of equal values, L levels.
"""

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ffdi.base.errors import UserError

Floats = NDArray[np.float32] | NDArray[np.float64]
LEVELS = 1 << 16  # bins that few values are told apart by
SAMPLE = 4096  # values of which some are alike if all of them are few: one in twenty of 40,000
DISTINCT = 0.95
MANY = 0.9  # runs a value
BLOCK = 8192  # values a step: temporaries stay in the cache, fresh pages cost more than the arithmetic


@dataclass(frozen=True)
class Sorted:
    """`order_N` lists positions by ascending value (equal ones anyhow), `first_N` marks where runs begin."""

    order_N: NDArray[np.int64]
    first_N: NDArray[np.bool_]

    @property
    def many_ties(self) -> bool:
        """Whether it costs less to go by runs than by the places of the ties."""
        return bool(np.count_nonzero(self.first_N) < MANY * len(self.first_N))

    @property
    def starts_G(self) -> NDArray[np.int64]:
        return np.flatnonzero(self.first_N)

    @property
    def tied_T(self) -> NDArray[np.int64]:
        """Places in the order whose value is there more than once."""
        tied_N = ~self.first_N
        tied_N[:-1] |= ~self.first_N[1:]
        return np.flatnonzero(tied_N)


class _Space(threading.local):
    """One buffer a thread, kept: at N = 524,000 the page faults of a fresh one cost a third of a sort."""

    floats = np.empty(0)

    def take(self, length: int) -> NDArray[np.float64]:
        if len(self.floats) < length:
            self.floats = np.empty(length)
        return self.floats[:length]


_SPACE = _Space()


def ascend(values: ArrayLike, reuse: bool = False) -> Sorted:
    """Sort N finite numbers; UserError for anything else. With `reuse` the order lasts to the thread's next call.

    The position rides in the low bits of the float64 itself: a float32 leaves 29 bits free, a float64 gives up as
    many as a position needs and the few runs which that blurs are sorted again. So one plain sort, which NumPy
    vectorises, does the work of an argsort: about three times as fast at N = 524,000.
    """
    numbers_N = finite(values)
    length = len(numbers_N)
    exact = numbers_N.dtype == np.float32 and length <= 1 << 29
    shift = 29 if exact else max(length - 1, 1).bit_length()
    packed_N = _SPACE.take(length) if reuse else np.empty(length)
    np.add(numbers_N, 0.0, out=packed_N, dtype=np.float64)  # -0.0 + 0.0 = 0.0: the two zeros are one value
    bits_N = packed_N.view(np.int64)
    bits_N &= np.int64(-1) << shift
    for start in range(0, length, BLOCK):
        bits_N[start : start + BLOCK] |= np.arange(start, min(start + BLOCK, length))
    packed_N.sort()
    first_N = _begins(bits_N, shift)
    bits_N &= (1 << shift) - 1
    if not exact and _blurred(numbers_N, bits_N, first_N):
        _settle(numbers_N, bits_N, first_N)
    return Sorted(bits_N, first_N)


def levels(values: ArrayLike) -> NDArray[np.intp] | None:
    """Level of each of N values, equal for equal ones and higher for higher ones, below LEVELS; UserError as `ascend`.

    None where they are not few, or some too near each other: equal bins between the lowest and the highest must hold
    one value each, as those of scores that were rounded to some decimals do.
    """
    numbers_N = finite(values)
    sample = numbers_N[:: max(len(numbers_N) // SAMPLE, 1)]
    if len(numbers_N) < BLOCK or len(np.unique(sample)) > DISTINCT * len(sample):
        return None
    low, high = float(numbers_N.min()), float(numbers_N.max())
    with np.errstate(over="ignore", divide="ignore"):
        step = np.float64(LEVELS - 1) / (np.float64(high) - low)
    if not 0 < step < np.inf:
        return None
    level_N = np.empty(len(numbers_N), np.intp)
    value_L = np.empty(LEVELS, numbers_N.dtype)
    for start in range(0, len(numbers_N), BLOCK):
        part = slice(start, start + BLOCK)
        level_N[part] = (numbers_N[part] - np.float64(low)) * step
        value_L[level_N[part]] = numbers_N[part]
    for start in range(0, len(numbers_N), BLOCK):
        part = slice(start, start + BLOCK)
        if not np.array_equal(value_L[level_N[part]], numbers_N[part]):
            return None
    return level_N


def finite(values: ArrayLike) -> Floats:
    """The values as a vector of float32 (if so few bits hold them) or float64; UserError if one is NaN or infinite."""
    given = np.asarray(values)
    if given.ndim != 1 or given.dtype.kind not in "biuf":
        raise UserError(f"A vector of numbers is needed, but this is {given.dtype} of shape {given.shape}.")
    narrow = given.dtype == np.float32 or given.dtype.itemsize <= 2
    numbers_N: Floats = np.asarray(given, np.float32) if narrow else np.asarray(given, np.float64)
    bad_N = ~np.isfinite(numbers_N)
    if bad_N.any():
        row = int(np.argmax(bad_N))
        raise UserError(f"{int(bad_N.sum())} of {len(bad_N)} scores are NaN or infinite, the first in row {row}.")
    return numbers_N


def _begins(bits_N: NDArray[np.int64], shift: int) -> NDArray[np.bool_]:
    first_N = np.ones(len(bits_N), bool)
    for start in range(1, len(bits_N), BLOCK):
        here = bits_N[start : start + BLOCK]
        before = bits_N[start - 1 : start - 1 + len(here)]
        first_N[start : start + BLOCK] = (here ^ before) >> shift != 0
    return first_N


def _blurred(numbers_N: Floats, order_N: NDArray[np.int64], first_N: NDArray[np.bool_]) -> bool:
    """Whether a run holds values that differ."""
    for start in range(1, len(order_N), BLOCK):
        stop = start + BLOCK
        if not first_N[start:stop].all():
            here = numbers_N[order_N[start - 1 : stop]]
            if np.any((here[1:] != here[:-1]) & ~first_N[start:stop]):
                return True
    return False


def _settle(numbers_N: Floats, order_N: NDArray[np.int64], first_N: NDArray[np.bool_]) -> None:
    """Sort again by the whole value, in place, the runs that the shortened one could not tell apart."""
    places_T = Sorted(order_N, first_N).tied_T
    rows_T = order_N[places_T]
    again_T = np.argsort(numbers_N[rows_T], kind="stable")
    order_N[places_T] = rows_T[again_T]
    values_T = numbers_N[order_N[places_T]]
    first_N[places_T[1:]] = values_T[1:] != values_T[:-1]
'''


# ======================================================================================================================
# ffdi/spec/augment.py
# ======================================================================================================================
SOURCES["ffdi/spec/augment.py"] = r'''"""The augmentation policy of a member: one optional operation a field, applied in the order of the fields.

Light by default: a mild crop, a flip, a little colour, blur, noise, rescaling and JPEG, alike for both classes.
A recipe changes an operation by its keys, and switches one off with `false` or with `p = 0`. What would make a forgery
of an original is refused (spec.semantics), and `parts` and `degrade` are for fakes alone.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from ffdi.spec import semantics
from ffdi.spec.competition import Frozen

Interpolation = Literal["nearest", "linear", "area", "cubic", "lanczos"]
Interpolations = Annotated[tuple[Interpolation, ...], Field(min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Factor = Annotated[float, Field(gt=0, le=1)]
Ratio = Annotated[float, Field(ge=0.1, le=10)]
Sigma = Annotated[float, Field(gt=0, le=20)]
Level = Annotated[float, Field(ge=0, le=100)]
Quality = Annotated[int, Field(ge=1, le=100)]
Length = Annotated[int, Field(ge=3, le=99)]
Degrees = Annotated[float, Field(ge=0, le=180)]
Amount = Annotated[float, Field(ge=0, le=5)]
Holes = Annotated[int, Field(ge=1, le=64)]


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError("write a range as [low, high] with low <= high")
    return pair


def _odd(pair: tuple[int, int]) -> tuple[int, int]:
    if pair[0] % 2 == 0 or pair[1] % 2 == 0:
        raise ValueError("write odd lengths, for example [3, 7]")
    return pair


def _off(value: Any) -> Any:
    """TOML has no null: `false` switches an operation off, `true` takes it as it is by default."""
    return {False: None, True: {}}[value] if isinstance(value, bool) else value


ORDERED = AfterValidator(_ordered)
SWITCH = BeforeValidator(_off)


class Operation(Frozen):
    """`p`: share of the images it is applied to; `on`: the class it is for."""

    model_config = ConfigDict(allow_inf_nan=False)

    p: Share = 0.1
    on: Literal["all", "real", "fake"] = "all"


class Parts(Operation):
    """Eyes, nose or mouth of an aligned face painted over, before anything has moved; fakes only (Face-Cutout, Das
    and others 2021): a detector must look at the whole face."""

    p: Share = 0.3
    on: Literal["fake"] = "fake"
    fill: Literal["black", "mean", "noise"] = "black"


class Crop(Operation):
    """A random part of the image, resized to the training size; without it the whole image is."""

    p: Share = 1.0
    scale: Annotated[tuple[Factor, Factor], ORDERED] = (0.7, 1.0)  # share of the area
    ratio: Annotated[tuple[Ratio, Ratio], ORDERED] = (0.9, 1.11)  # width by height
    interpolation: Interpolations = ("linear",)  # one is drawn


class Flip(Operation):
    """Left and right, or top and bottom, change places."""

    p: Share = 0.5


class Rot90(Operation):
    """A turn by 90, 180 or 270 degrees."""

    p: Share = 0.5


class Rotate(Operation):
    """A small turn to either side, about the middle."""

    p: Share = 0.3
    degrees: Annotated[tuple[Degrees, Degrees], ORDERED] = (0.0, 10.0)
    border: Literal["reflect", "black"] = "reflect"


class Grid(Operation):
    """A grid over the image, its lines moved by up to `limit` of a cell (albumentations GridDistortion)."""

    steps: int = Field(default=5, ge=1, le=32)
    limit: Annotated[float, Field(gt=0, lt=1)] = 0.2


class Colour(Operation):
    """Brightness, contrast, saturation (factors 1 - x to 1 + x) and hue (degrees, either way) at once."""

    p: Share = 0.3
    brightness: Share = 0.1
    contrast: Share = 0.1
    saturation: Share = 0.1
    hue: float = Field(default=5.0, ge=0, le=180)


class Gamma(Operation):
    """value ** gamma of the image in 0..1: above 1 darkens the middle tones, below 1 lightens them."""

    p: Share = 0.3
    gamma: Annotated[tuple[Ratio, Ratio], ORDERED] = (0.8, 1.25)


class Grey(Operation):
    """No colour: the luma in all three channels."""


class Sharpen(Operation):
    """Unsharp mask: `amount` times the difference to a blurred copy is added."""

    amount: Annotated[tuple[Amount, Amount], ORDERED] = (0.2, 1.0)
    sigma: Sigma = 1.0


class Blur(Operation):
    """Gaussian; `sigma` in pixels of the training size."""

    sigma: Annotated[tuple[Sigma, Sigma], ORDERED] = (0.3, 1.2)


class Motion(Operation):
    """A smear along a random line of odd length, in pixels (albumentations MotionBlur)."""

    length: Annotated[tuple[Length, Length], ORDERED, AfterValidator(_odd)] = (3, 7)


class Resize(Operation):
    """Down by a factor and up again, each with an interpolation of its own: as other tools leave pixels."""

    factor: Annotated[tuple[Factor, Factor], ORDERED] = (0.5, 0.9)
    interpolation: Interpolations = ("linear", "cubic")


class Noise(Operation):
    """Gaussian, alike in all channels; `sigma` in grey levels of 255."""

    sigma: Annotated[tuple[Level, Level], ORDERED] = (1.0, 6.0)


class Cutout(Operation):
    """Rectangles painted over; on fakes alone by default, as the contest calls an erased region a forgery."""

    p: Share = 0.3
    on: Literal["all", "real", "fake"] = "fake"
    holes: Annotated[tuple[Holes, Holes], ORDERED] = (1, 3)
    size: Annotated[tuple[Factor, Factor], ORDERED] = (0.05, 0.25)  # of the side
    fill: Literal["black", "mean", "noise"] = "black"


class Library(Operation):
    """Any image transform of albumentations by its name, for example `{transform = "CLAHE", p = 0.1}`."""

    transform: str = Field(pattern=r"^[A-Z][A-Za-z0-9]*$")
    arguments: dict[str, Any] = Field(default_factory=dict)  # of its constructor, without p


class Webp(Operation):
    """Encoded and decoded as lossy WebP; slow, 3-7 ms an image at 224 px (own measurement)."""

    quality: Annotated[tuple[Quality, Quality], ORDERED] = (50, 95)


class Jpeg(Operation):
    """Encoded and decoded as JPEG, 4:2:0."""

    p: Share = 0.3
    quality: Annotated[tuple[Quality, Quality], ORDERED] = (60, 95)


class Degrade(Operation):
    """One hard damage, drawn of strong JPEG, small size and noise; fakes only, so that a fake is not known by being
    clean and sharp. The 3rd of multi-ffdi gave three tenths of its fakes JPEG of quality 10."""

    p: Share = 0.3
    on: Literal["fake"] = "fake"
    kinds: Annotated[tuple[Literal["jpeg", "resize", "noise"], ...], Field(min_length=1)] = ("jpeg", "resize", "noise")
    quality: Annotated[tuple[Quality, Quality], ORDERED] = (10, 30)
    factor: Annotated[tuple[Factor, Factor], ORDERED] = (0.25, 0.5)
    sigma: Annotated[tuple[Level, Level], ORDERED] = (8.0, 25.0)  # grey levels of 255


class Augment(Frozen):
    """The policy: geometry first, which also makes the image small; compression last, as in files.

    Parts of the face come before, where they still are in their places. Fields of LATER were not always there."""

    parts: Annotated[Parts | None, SWITCH] = None
    crop: Annotated[Crop | None, SWITCH] = Crop()
    hflip: Annotated[Flip | None, SWITCH] = Flip()
    vflip: Annotated[Flip | None, SWITCH] = None
    rot90: Annotated[Rot90 | None, SWITCH] = None
    rotate: Annotated[Rotate | None, SWITCH] = None
    grid: Annotated[Grid | None, SWITCH] = None
    colour: Annotated[Colour | None, SWITCH] = Colour()
    gamma: Annotated[Gamma | None, SWITCH] = None
    grey: Annotated[Grey | None, SWITCH] = None
    sharpen: Annotated[Sharpen | None, SWITCH] = None
    blur: Annotated[Blur | None, SWITCH] = Blur()
    motion: Annotated[Motion | None, SWITCH] = None
    resize: Annotated[Resize | None, SWITCH] = Resize()
    noise: Annotated[Noise | None, SWITCH] = Noise()
    cutout: Annotated[Cutout | None, SWITCH] = None
    library: tuple[Library, ...] = ()
    webp: Annotated[Webp | None, SWITCH] = None
    jpeg: Annotated[Jpeg | None, SWITCH] = Jpeg()
    degrade: Annotated[Degrade | None, SWITCH] = None

    @model_validator(mode="after")
    def _originals_stay_originals(self) -> "Augment":
        for name in type(self).model_fields:
            value = getattr(self, name)
            for wish in value if isinstance(value, tuple) else (value,) if value is not None else ():
                if said := semantics.objection(name, wish):
                    raise ValueError(said)
        return self


LATER = ("parts", "degrade")  # of no effect on the name of a run as long as they are off
'''


# ======================================================================================================================
# ffdi/spec/competition.py
# ======================================================================================================================
SOURCES["ffdi/spec/competition.py"] = r'''"""What a competition's folder looks like. Another binary-image contest needs a new TOML and no code."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Frozen(BaseModel):
    """Typed, immutable, and strict about names: an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Split(Frozen):
    """One table of ids and the folder of their images, both relative to the competition folder."""

    labels: str
    images: str
    has_target: bool = True

    @field_validator("labels", "images")
    @classmethod
    def _stays_inside(cls, value: str) -> str:
        if Path(value).is_absolute() or ".." in Path(value).parts:
            raise ValueError("must be a path below the competition folder")
        return value


class Board(Frozen):
    """How many images the leaderboard scores, how many of them are fake, and of which sources they are."""

    public_rows: int = Field(gt=0)
    private_rows: int = Field(gt=0)
    fake_share: float = Field(gt=0, lt=1)
    private_in_test: bool = True  # False: the test table holds the public images alone, the private ones stay hidden
    mix: dict[str, Annotated[float, Field(gt=0, le=1)]] = {}  # share by source; empty: as the held-out rows have it
    mix_by: str = "split"  # what a source is: a column of the manifest, or "folder", where the id names one

    @field_validator("mix")
    @classmethod
    def _is_whole(cls, value: dict[str, float]) -> dict[str, float]:
        if value and abs(sum(value.values()) - 1) > 1e-6:
            raise ValueError(f"the shares must sum to 1, and they sum to {sum(value.values()):g}")
        return value

    def scaled(self, test_rows: int) -> "Board":
        """For a folder with fewer test images, such as a sample of the contest: both boards shrink alike."""
        whole = self.public_rows + (self.private_rows if self.private_in_test else 0)
        share = min(1.0, test_rows / whole)
        rows = {name: max(1, round(getattr(self, name) * share)) for name in ("public_rows", "private_rows")}
        return self.model_copy(update=rows)


class Competition(Frozen):
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str
    slug: str  # Kaggle's name for it
    more_slugs: list[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$")]] = []  # that hold more of its files
    id_column: str
    target_column: str
    prediction_column: str
    metric: Literal["auc"] = "auc"
    submissions_per_day: int = Field(gt=0)
    max_params: int | None = None  # of all members together
    board: Board | None = None  # None: no forecast of it
    train: Split
    val: Split | None = None
    test: Split

    @property
    def slugs(self) -> list[str]:
        """Kaggle's competitions that hold its files; the first is the one that is submitted to."""
        return list(dict.fromkeys([self.slug, *self.more_slugs]))

    @property
    def splits(self) -> dict[str, Split]:
        """By name, in the order train, val, test; a split that the contest does not have is left out."""
        named = {"train": self.train, "val": self.val, "test": self.test}
        return {name: split for name, split in named.items() if split is not None}
'''


# ======================================================================================================================
# ffdi/spec/forge.py
# ======================================================================================================================
SOURCES["ffdi/spec/forge.py"] = r'''"""Pseudo-fakes made of originals, in training or beforehand: which families, and how many."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from ffdi.spec.competition import Frozen

Family = Literal[
    "self_blend", "swap", "component", "excision", "erasure", "background", "artefact", "filtering", "resampling"
]
Weight = Annotated[float, Field(gt=0)]
FAMILIES: tuple[Family, ...] = Family.__args__  # type: ignore[attr-defined]


class Families(Frozen):
    """Which families, with their weights."""

    families: dict[Family, Weight]

    @field_validator("families")
    @classmethod
    def _some(cls, value: dict[Family, float]) -> dict[Family, float]:
        if not value:
            raise ValueError(f"name at least one family of {', '.join(FAMILIES)}")
        return value


class Forge(Families):
    """`share` of the originals, anew in every epoch, becomes a fake of one of the `families` (weights by name)."""

    share: Annotated[float, Field(ge=0, lt=1)] = 0.0  # 0: off
    families: dict[Family, Weight] = {"self_blend": 1.0}


class ForgedSet(Families):
    """What `ffdi forge` writes: so many `images`, as evenly of all originals as it goes."""

    images: int = Field(default=1000, ge=1, le=5_000_000)
    seed: int = 0
    families: dict[Family, Weight] = dict.fromkeys(FAMILIES, 1.0)


NO_FORGERIES = Forge()
'''


# ======================================================================================================================
# ffdi/spec/identity.py
# ======================================================================================================================
SOURCES["ffdi/spec/identity.py"] = r'''"""The name of a run: a hash of everything that decides its numbers.

Two recipes that share a member (same fields, fold table and manifest) share its run and train it once.
"""

from typing import Any

from ffdi.base import digest
from ffdi.spec import augment
from ffdi.spec.recipe import Data, Member

NOT_TRAINING = {"name", "views", "test_size"}  # they change predictions, which have an identity of their own
# Fields that older versions lacked: at their default they must not change a run's name.
LATER = ("stem", "loss", "forge", "pairs", "pair_mixup")


def member_digest(member: Member, manifest_digest: str, folds_digest: str, data: Data, landmarks: str = "") -> str:
    """64 hex digits over the training fields, the fit rows and their folds.

    `landmarks`: identity of the detector, which counts where the member takes landmarks.
    """
    resolved = member.model_dump(mode="json", exclude=_left_out(member))
    wishes = {"member": resolved, "manifest": manifest_digest, "folds": folds_digest, "fit": list(data.fit)}
    if member.pairs and member.micro_batches > 1:
        wishes["twins"] = "apart"  # until then they shared a micro-batch
    if takes_landmarks(member, data):
        wishes["landmarks"] = landmarks
    return digest.of_json(wishes)


def takes_landmarks(member: Member, data: Data) -> bool:
    """Whether the pixels this member trains on depend on where a detector found the faces."""
    parts = member.augment.parts
    return data.landmarks == "detector" and (member.forge.share > 0 or (parts is not None and parts.p > 0))


def _left_out(member: Member) -> dict[str, Any]:
    """As pydantic wants it: the fields by name, those of the policy below it."""
    unused = {name for name in LATER if getattr(member, name) == Member.model_fields[name].default}
    off = {name for name in augment.LATER if getattr(member.augment, name) is None}
    return {**dict.fromkeys(NOT_TRAINING | unused, True), "augment": off}
'''


# ======================================================================================================================
# ffdi/spec/load.py
# ======================================================================================================================
SOURCES["ffdi/spec/load.py"] = r'''"""TOML into typed values. Every mistake is one sentence: file, key, what is wrong, the nearest right name."""

import difflib
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from ffdi.base.errors import UserError
from ffdi.spec.competition import Competition
from ffdi.spec.recipe import Recipe

Model = TypeVar("Model", bound=BaseModel)
MAX_BYTES = 1_000_000  # a recipe is written by a person; more is an attack or a mistake


def load_recipe(path: Path) -> Recipe:
    """The recipe in `path`, with `[defaults]` merged under every `[[member]]`. Raises UserError."""
    value = _parse(path)
    defaults = value.pop("defaults", {})
    members = value.get("member", [])
    if not isinstance(defaults, dict) or not isinstance(members, list):
        raise UserError(f"{path}: write [defaults] as a table and each member as [[member]].")
    if "name" in defaults:
        raise UserError(f"{path}: defaults.name: a name belongs to one [[member]]; remove it from [defaults].")
    value["member"] = [_merge(defaults, member) if isinstance(member, dict) else member for member in members]
    return validate(Recipe, value, str(path))


def load_competition(name: str) -> Competition:
    """A competition that ships with the kit, by name, or one in a TOML file, by path. Raises UserError."""
    shipped = {entry.name.removesuffix(".toml"): entry for entry in (files("ffdi") / "competitions").iterdir()}
    if name in shipped:
        return validate(Competition, tomllib.loads(shipped[name].read_text()), name)
    if not name.endswith(".toml"):
        known = ", ".join(sorted(shipped))
        raise UserError(f"Unknown competition {name!r}; the kit ships {known}, or give the path of a .toml file.")
    return validate(Competition, _parse(Path(name)), name)


def _parse(path: Path) -> dict[str, Any]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}; name an existing TOML file.") from error
    if len(data) > MAX_BYTES:
        raise UserError(f"{path} has {len(data):,} bytes; a recipe has at most {MAX_BYTES:,}.")
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{path} is not TOML: {error}.") from error


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Tables merge key by key; anything else is replaced."""
    merged = dict(base)
    for name, value in over.items():
        old = merged.get(name)
        merged[name] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def validate(kind: type[Model], value: dict[str, Any], source: str) -> Model:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        sentences = [_sentence(kind, item) for item in error.errors()]
        raise UserError(f"{source}: " + "; ".join(sentences[:5]) + ".") from error


def _sentence(kind: type[BaseModel], item: Any) -> str:
    where = ".".join(str(part) for part in item["loc"]) or "the recipe"
    if item["type"] == "extra_forbidden":
        known = _field_names(kind, item["loc"][:-1])
        near = difflib.get_close_matches(str(item["loc"][-1]), known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
        return f"unknown key {where!r}, {hint}"
    message = item["msg"].removeprefix("Value error, ")
    given = "" if isinstance(item["input"], dict | list | tuple) else f", not {item['input']!r}"
    return f"{where}: {message[0].lower() + message[1:]}{given}"


def _field_names(kind: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    for part in location:
        if isinstance(part, str) and part in kind.model_fields:
            kind = _model_in(kind.model_fields[part].annotation) or kind
    return sorted(kind.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)
'''


# ======================================================================================================================
# ffdi/spec/recipe.py
# ======================================================================================================================
SOURCES["ffdi/spec/recipe.py"] = r'''"""A recipe: everything that decides a result, in one typed value."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from ffdi.base.errors import UserError
from ffdi.spec.augment import Augment
from ffdi.spec.competition import Board, Frozen
from ffdi.spec.forge import Forge, ForgedSet
from ffdi.spec.search import Search
from ffdi.spec.views import parse

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


class Data(Frozen):
    """What is read. `cache` and `workers` change the speed, never the result."""

    folder: str = ""  # empty: the sample inside the package
    fit: tuple[Literal["train", "val"], ...] = ("train",)  # splits that are folded and trained on
    extra: tuple[str, ...] = ()  # folders of `ffdi forge`: fakes that are trained on and never judged
    landmarks: Literal["template", "detector"] = "template"  # where forgeries and `parts` take a face to lie
    cache: Literal["none", "decoded"] = "none"
    workers: int | None = Field(default=None, ge=0, le=64)  # loader processes a fold; None: what the cores allow


class Folds(Frozen):
    """`group`: near-duplicates together. `cluster`: besides, clusters of fakes left out whole, to imitate unseen ones.
    `official`: train on train, hold out val. `random`: leaks, and exists to show how much."""

    scheme: Literal["group", "cluster", "official", "random"] = "group"
    k: int = Field(default=5, ge=2, le=50)
    seed: int = 0
    distance: int = Field(default=12, ge=0, le=16)  # bits of 64: a candidate pair of near-duplicates
    confirm: int = Field(default=64, ge=0, le=256)  # bits of 256: the second look that confirms it
    embedding: str = ""  # timm model whose features also find neighbours; empty: hashes alone
    cosine: Share = 0.8  # similarity from which two embeddings are neighbours
    clusters: int = Field(default=20, ge=2, le=1000)  # of the scheme "cluster", which needs an embedding

    @model_validator(mode="after")
    def _clusters_need_features(self) -> "Folds":
        if self.scheme == "cluster" and not self.embedding:
            raise ValueError('scheme "cluster" needs folds.embedding, a timm model such as "tf_efficientnet_lite0"')
        if self.scheme == "cluster" and self.clusters < self.k:
            raise ValueError("clusters must be at least k, so that every fold has one to hold out")
        return self

    @property
    def held_out(self) -> range:
        """The folds that are held out, each by a model of its own."""
        return range(1) if self.scheme == "official" else range(self.k)


class Loss(Frozen):
    """Shares of what is added to the cross-entropy; each is off at 0. See train/loss.py."""

    apart: bool = False  # originals and fakes are averaged separately: neither class drowns the other
    contrast: float = Field(default=0.0, ge=0)  # supervised InfoNCE: originals pull each other, fakes are pushed off
    temperature: Positive = 0.1  # of the contrast
    consistency: float = Field(default=0.0, ge=0)  # KL between an image and its noisy copy; doubles the work
    noise: Annotated[float, Field(gt=0, le=100)] = 8.0  # of that copy: sigma in grey levels of 255


class Member(Frozen):
    """One row of a blend: a model and how it is trained. All but `name` enters its identity."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$", max_length=60)
    model: str
    weights: str = "auto"  # "auto" | "none" (random start) | "hub" | a file
    num_classes: Literal[1, 2] = 1
    stem: Literal["rgb", "srm", "npr", "dct"] = "rgb"  # what the network sees beside colour: see model/stem.py
    image_size: int = Field(default=224, ge=16, le=2048)
    test_size: int | None = Field(default=None, ge=16, le=2048)  # None: as image_size
    fold: Literal["k", "all"] = "k"  # "all": one refit on every row, without OOF
    seed: int = 0

    epochs: int = Field(default=5, ge=1)
    batch_size: int = Field(default=32, ge=1)
    micro_batches: int = Field(default=1, ge=1)  # gradient accumulation: parts of one batch
    lr: Positive = 3e-4
    min_lr: Share = 0.01  # of lr, at the end of the cosine
    warmup: Share = 0.1  # of all steps
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0  # lr factor from one layer to the one below it
    weight_decay: float = Field(default=0.05, ge=0)
    clip_grad: float = Field(default=1.0, ge=0)  # norm; 0: off
    ema_decay: Share = 0.99  # 0: off
    drop_rate: Share = 0.0
    drop_path: Share = 0.0
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    mixup: float = Field(default=0.0, ge=0)  # alpha of the Beta; 0: off
    cutmix: float = Field(default=0.0, ge=0)
    balance: bool = False  # 1:1 classes in every epoch
    pairs: bool = False  # an original and a fake of its own in each step; batch norm needs micro_batches >= 2
    pair_mixup: float = Field(default=0.0, ge=0)  # alpha of the Beta: an image blended with its twin; 0: off
    loss: Loss = Loss()

    amp: Literal["auto", "off", "bf16", "fp16"] = "auto"
    channels_last: bool | None = None  # None: where it pays (convolutions)
    compile: bool = False

    views: tuple[str, ...] = ("identity",)
    augment: Augment = Augment()
    forge: Forge = Forge()

    @field_validator("model")
    @classmethod
    def _no_hub_prefix(cls, value: str) -> str:
        if ":" in value:
            raise ValueError("name a timm architecture, without a hub prefix; weights are the key 'weights'")
        return value

    @field_validator("views")
    @classmethod
    def _single_views(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Sets are spelled out, so that everything behind the recipe knows single views only."""
        if not value:
            raise ValueError("name at least one view, for example 'identity'")
        try:
            return parse(value)
        except UserError as error:
            raise ValueError(str(error).rstrip(".")) from error

    @model_validator(mode="after")
    def _batch_splits(self) -> "Member":
        if self.batch_size < self.micro_batches:
            raise ValueError("micro_batches cannot exceed batch_size")
        if self.pairs and self.batch_size % 2:
            raise ValueError("pairs = true needs a batch_size of whole pairs")
        return self


class Blend(Frozen):
    """`auto`: equal ranks, or the simplest method that beats them beyond noise. `optuna` races only if named."""

    method: Literal[
        "auto", "rank_mean", "logit_mean", "probability_mean", "power_mean", "best_single", "weighted_rank_mean",
        "stack", "hill_climb", "greedy", "optuna",
    ] = "auto"  # fmt: skip
    weights: dict[str, float] = {}  # by member; empty: as the method finds them
    fit: tuple[Literal["oof", "val"], ...] = Field(default=("oof",), min_length=1)  # what weights learn from
    interval: Literal["delong", "bootstrap"] = "delong"  # of the gains; the bootstrap draws whole groups 2,000 times
    max_minutes: Positive | None = None  # to predict the test, of all members together; None: no limit

    @field_validator("weights")
    @classmethod
    def _not_negative(cls, value: dict[str, float]) -> dict[str, float]:
        if any(weight < 0 for weight in value.values()) or (value and sum(value.values()) <= 0):
            raise ValueError("weights must not be negative, and one must be positive")
        return value


class Recipe(Frozen):
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=60)
    competition: str = "multi-ffdi-phase2"
    max_params: int | None = Field(default=None, gt=0)  # None: the competition's limit
    board: Board | None = None  # None: the competition's
    data: Data = Data()
    folds: Folds = Folds()
    member: tuple[Member, ...] = Field(min_length=1)
    blend: Blend = Blend()
    forge: ForgedSet = ForgedSet()  # for `ffdi forge`; what training makes itself is the member's
    search: Search | None = None

    @model_validator(mode="after")
    def _names_are_known(self) -> "Recipe":
        names = [member.name for member in self.member]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"two members are called {sorted(twice)[0]!r}")
        unknown = sorted(set(self.blend.weights) - set(names))
        if unknown:
            raise ValueError(f"blend.weights names {unknown[0]!r}, which is no member")
        return self

    @model_validator(mode="after")
    def _search_fits(self) -> "Recipe":
        if self.search is None:
            return self
        base = next((member for member in self.member if member.name == self.search.member), None)
        if base is None:
            raise ValueError(f"search.member names {self.search.member!r}, which is no member")
        if base.fold == "all":
            raise ValueError(f"search.member {base.name!r} has fold = 'all', so no row is held out to judge it by")
        self.search.check(base, self.folds.k)
        return self
'''


# ======================================================================================================================
# ffdi/spec/search.py
# ======================================================================================================================
SOURCES["ffdi/spec/search.py"] = r'''"""`[search]` of a recipe: which fields of one member are searched, on what part of the data, and what counts as good.

A field is named as the recipe nests it ("lr", "augment.jpeg.p"); the two ends of a range of the policy are
"augment.jpeg.quality.low" and ".high"; "augment.jpeg" itself is a switch, true or false.
"""

import difflib
import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from ffdi.spec.augment import Augment, Library, Operation
from ffdi.spec.competition import Frozen

Spec = TypeVar("Spec", bound=BaseModel)
Number = int | float
Damage = Literal["jpeg_low", "jpeg", "jpeg_high", "resize", "blur", "sharpen", "noise", "rotate", "patch"]
Weight = Annotated[float, Field(ge=0)]
ENDS = ("low", "high")
# Common to all trials, or without effect on training.
FIXED = ("name", "fold", "seed", "views", "test_size", "augment")


class Dimension(Frozen):
    """Numbers from `low` to `high`, both included, on a log scale or in steps; or one of `choices`."""

    low: Number | None = None
    high: Number | None = None
    log: bool = False
    step: Number | None = Field(default=None, gt=0)
    choices: tuple[bool | int | float | str, ...] = ()

    @model_validator(mode="after")
    def _one_kind(self) -> "Dimension":
        numbers = (self.low, self.high)
        if self.choices and (numbers != (None, None) or self.log or self.step):
            raise ValueError("write either choices, or low and high")
        if self.choices:
            return self
        if self.low is None or self.high is None:
            raise ValueError("write low and high, or choices")
        if not self.low < self.high:
            raise ValueError("low must be below high")
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise ValueError("low and high must be finite")
        if self.log and self.low <= 0:
            raise ValueError("a log scale begins above 0")
        if self.log and self.step:
            raise ValueError("a log scale has no steps; write one of log and step")
        if self.step is not None and self.step > (self.high - self.low) * (1 + 1e-9):  # 0.3 - 0.2 is below 0.1
            raise ValueError("step leads from low beyond high")
        return self

    @property
    def bounds(self) -> tuple[Any, ...]:
        """Values that must fit: all choices, or both ends."""
        return self.choices or (self.low, self.high)

    @property
    def second(self) -> tuple[Number, ...]:
        """The value one step above `low`: a field of whole numbers takes no fraction."""
        if self.step is None or self.low is None or self.high is None:
            return ()
        return (min(self.low + self.step, self.high),)


class Policy(Frozen):
    """The policy in a few numbers: one strength of all operations (1: as the member has them, 0: none, 2: twice), and
    for each family the probability of each of its operations."""

    strength: Dimension | None = None
    geometry: Dimension | None = None
    colour: Dimension | None = None
    compression: Dimension | None = None
    noise: Dimension | None = None  # and blur
    occlusion: Dimension | None = None

    @model_validator(mode="after")
    def _in_range(self) -> "Policy":
        for name, dimension in self:
            most = 3 if name == "strength" else 1
            for value in dimension.bounds if dimension else ():
                if isinstance(value, bool | str) or not 0 <= value <= most:
                    raise ValueError(f"{name} lies between 0 and {most}, not at {value!r}")
        return self


class Proxy(Frozen):
    """What makes a trial cheaper than the member; re-runs of the best have none of it."""

    epochs: int | None = Field(default=None, ge=1)
    image_size: int | None = Field(default=None, ge=16, le=2048)
    share: Annotated[float, Field(gt=0, le=1)] = 1.0  # of the groups of each fold
    folds: tuple[int, ...] = ()  # held out in turn; empty: all


class Search(Frozen):
    """`trials`, or `minutes` of work of all workers together, whichever ends first."""

    member: str
    space: dict[str, Dimension] = {}
    policy: Policy = Policy()
    proxy: Proxy = Proxy()
    trials: int | None = Field(default=None, ge=1)
    minutes: float | None = Field(default=None, gt=0)
    sampler: Literal["tpe", "random"] = "tpe"
    pruner: Literal["none", "median", "wilcoxon", "hyperband"] = "median"
    seed: int = 0
    objective: Literal["auc", "worst_slice", "degraded"] = "auc"
    slices: tuple[
        Literal["width", "bytes", "jpeg_q", "sharpness", "mean_grey", "colourfulness"], ...
    ] = ("jpeg_q", "sharpness")  # columns of the manifest, each cut into thirds  # fmt: skip
    weights: dict[Literal["clean"] | Damage, Weight] = {"clean": 0.5, "jpeg": 0.25, "resize": 0.25}
    top_k: int = Field(default=3, ge=1, le=50)  # run again, without the proxy, beside the default
    rerun_seeds: int = Field(default=3, ge=1, le=50)  # fresh ones, each on every fold

    @field_validator("space", mode="before")
    @classmethod
    def _flat(cls, value: Any) -> Any:
        """TOML reads augment.jpeg.p without quotes as tables in tables."""
        return dict(_leaves(value)) if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _is_a_search(self) -> "Search":
        if self.trials is None and self.minutes is None:
            raise ValueError("say how long: trials, or minutes")
        if not self.space and not any(dimension for _, dimension in self.policy):
            raise ValueError("name at least one field to search, in [search.space] or [search.policy]")
        if not sum(self.weights.values()) > 0:
            raise ValueError("one of the weights must be positive")
        if self.objective == "worst_slice" and not self.slices:
            raise ValueError("the objective worst_slice needs one of slices")
        return self

    def check(self, member: BaseModel, k: int) -> None:
        """Raises ValueError for a field that `member` does not have, values it does not take, and folds beyond `k`."""
        known = searchable(member)
        for path, dimension in self.space.items():
            if path not in known:
                raise ValueError(f"search.space: {_unknown(path, known)}")
            for value in (*dimension.bounds, *dimension.second):
                _check_value(member, path, value)
        proxied = {"epochs": self.proxy.epochs, "image_size": self.proxy.image_size}
        both = [name for name, value in proxied.items() if value is not None and name in self.space]
        if both:
            raise ValueError(f"search: {both[0]} stands both in space and in proxy; keep one")
        beyond = [fold for fold in self.proxy.folds if not 0 <= fold < k]
        if len(set(self.proxy.folds)) < len(self.proxy.folds):
            raise ValueError("search.proxy.folds names a fold twice")
        if beyond:
            raise ValueError(f"search.proxy.folds names fold {beyond[0]}, but folds.k = {k}")


def searchable(member: BaseModel) -> tuple[str, ...]:
    """The names under which fields of a member can be searched. Library transforms have none."""
    names = [name for name in type(member).model_fields if name not in FIXED]
    for name in Augment.model_fields:
        kind = operation(name)
        if kind is not None:
            names.append(f"augment.{name}")
            for part, value in kind().model_dump().items():
                ends = [f".{end}" for end in ENDS] if _is_range(value) else [""]
                names += [f"augment.{name}.{part}{end}" for end in ends]
    return tuple(names)


def operation(name: str) -> type[Operation] | None:
    """The type of an operation of the policy by its field; None for the list of library transforms."""
    kinds = [part for part in get_args(Augment.model_fields[name].annotation) if isinstance(part, type)]
    return next((kind for kind in kinds if issubclass(kind, Operation) and kind is not Library), None)


def changed(member: Spec, values: Mapping[str, Any]) -> Spec:
    """The member with other values of searchable fields. An operation that was off is switched on by its fields, as it
    is by default, unless its switch is among the values; ends of a range that have crossed change places.

    Raises pydantic's ValidationError for values, or pairs of values, that the member does not take.
    """
    wishes = member.model_dump()
    for path in sorted(values, key=lambda path: -path.count(".")):  # the switch has the last word
        _put(wishes, path.split("."), values[path])
    for _, name, part, _ in (path.split(".") for path in values if path.count(".") == 3):
        if wishes["augment"][name]:
            wishes["augment"][name][part] = tuple(sorted(wishes["augment"][name][part]))
    return type(member).model_validate(wishes)


def value_of(member: BaseModel, path: str) -> Any:
    """What a member has under a searchable name; for a switch whether it is on."""
    value: Any = member
    for part in path.split("."):
        value = value[ENDS.index(part)] if isinstance(value, tuple) else getattr(value, part)
    return value is not None if path.count(".") == 1 else value


def _put(wishes: dict[str, Any], path: list[str], value: Any) -> None:
    if len(path) == 1:
        wishes[path[0]] = value
        return
    _, name, *rest = path
    policy, kind = wishes["augment"], operation(name)
    assert kind is not None  # else it would not be searchable
    before = policy[name] if policy[name] is not None else kind().model_dump()
    if not rest:
        policy[name] = before if value is True else value
    elif len(rest) == 1:
        policy[name] = {**before, rest[0]: value}
    else:
        ends = list(before[rest[0]])
        ends[ENDS.index(rest[1])] = value
        policy[name] = {**before, rest[0]: tuple(ends)}


def _check_value(member: BaseModel, path: str, value: Any) -> None:
    try:
        changed(member, {path: value})
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ValueError(f"search.space.{path}: {message[0].lower() + message[1:]}, not {value!r}") from error


def _unknown(path: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(path, known, n=1, cutoff=0.5)
    ending = f"did you mean {near[0]!r}?" if near else "name a field of the member, for example lr or augment.jpeg.p"
    return f"unknown key {path!r}, {ending}"


def _leaves(tables: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in tables.items():
        if isinstance(value, dict) and any(isinstance(part, dict) for part in value.values()):
            yield from ((f"{name}.{rest}", leaf) for rest, leaf in _leaves(value))
        else:
            yield name, value


def _is_range(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and not isinstance(value[0], str)
'''


# ======================================================================================================================
# ffdi/spec/semantics.py
# ======================================================================================================================
SOURCES["ffdi/spec/semantics.py"] = r'''"""What an edit does to the label of an original: the one table that augmentation and forging go by.

The contest counts erased regions, cut-out parts, other backgrounds, injected artefacts and heavy filters as forgeries:
17 to 19 % of its test fakes. So a cut-out on an original that keeps its label teaches the opposite of the truth. What
cameras, networks and other tools do to any picture (compression, scale, colour, a little noise or blur) keeps it.

Bounds are in the units of the policy's fields. They were set below where data.forge begins: its mildest filter blurs
with a sigma of 2.7 pixels at 224, and originals of web collections come up from a fifth of the contest's 512 pixels.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Bounds = tuple[float, float]


@dataclass(frozen=True)
class Meaning:
    """An original `keeps` its label, does so with fields `within` bounds, or `changes` into a fake.

    `forgery`: the contest's word for what it changes into.
    """

    effect: Literal["keeps", "within", "changes"]
    forgery: str = ""
    within: Mapping[str, Bounds] = field(default_factory=dict)


KEEPS = Meaning("keeps")
EXCISION, ERASURE = Meaning("changes", "component excision"), Meaning("changes", "random region erasure")
ARTEFACT, FILTER = Meaning("changes", "artefact injection"), Meaning("changes", "image filtering")
BACKGROUND, SWAP = Meaning("changes", "background replacement"), Meaning("changes", "face swap")
WARP = "a face in another shape"

# By field of spec.augment.Augment; those of its `library` by transform.
OPERATIONS: dict[str, Meaning] = {
    "parts": EXCISION,
    **dict.fromkeys(("crop", "hflip", "vflip", "rot90", "rotate"), KEEPS),
    "grid": Meaning("within", WARP, {"limit": (0, 0.3)}),
    **dict.fromkeys(("colour", "gamma", "grey"), KEEPS),
    "sharpen": Meaning("within", FILTER.forgery, {"amount": (0, 1.5), "sigma": (0, 2)}),
    "blur": Meaning("within", FILTER.forgery, {"sigma": (0, 2.5)}),
    "motion": Meaning("within", FILTER.forgery, {"length": (3, 15)}),
    "resize": Meaning("within", FILTER.forgery, {"factor": (0.2, 1)}),
    "noise": Meaning("within", ARTEFACT.forgery, {"sigma": (0, 25)}),
    "cutout": ERASURE,
    "library": KEEPS,  # but for those of LIBRARY
    "webp": KEEPS,
    "jpeg": KEEPS,
    "degrade": FILTER,
}

# Transforms of albumentations; where one has a mild form, the policy has an operation of its own for originals.
LIBRARY: dict[str, Meaning] = {
    **dict.fromkeys(("CoarseDropout", "ConstrainedCoarseDropout", "Erasing", "GridDropout"), ERASURE),
    **dict.fromkeys(("MaskDropout", "PixelDropout", "TimeMasking", "FrequencyMasking", "XYMasking"), ERASURE),
    **dict.fromkeys(("Mosaic", "OverlayElements", "RandomGridShuffle", "Spatter", "TextImage"), ARTEFACT),
    **dict.fromkeys(("RandomFog", "RandomGravel", "RandomRain", "RandomSnow", "RandomSunFlare"), ARTEFACT),
    **dict.fromkeys(("AdvancedBlur", "Blur", "Defocus", "GaussianBlur", "GlassBlur", "MedianBlur", "ZoomBlur"), FILTER),
    **dict.fromkeys(("Emboss", "InvertImg", "Morphological", "Posterize", "Solarize", "Superpixels"), FILTER),
    **dict.fromkeys(("ElasticTransform", "GridElasticDeform", "PiecewiseAffine"), Meaning("changes", WARP)),
    "ThinPlateSpline": Meaning("changes", WARP),
}

# By family of spec.forge: each makes a fake, or it would be no forgery.
FAMILIES: dict[str, Meaning] = {
    "self_blend": SWAP,  # the seams of one, on the same face
    "swap": SWAP,
    "component": Meaning("changes", "component swap"),
    "excision": EXCISION,
    "erasure": ERASURE,
    "background": BACKGROUND,
    "artefact": ARTEFACT,
    "filtering": FILTER,
    "resampling": Meaning("changes", "face super-resolution"),
}


def objection(name: str, wish: Any) -> str:
    """Why originals must not have this operation as it is wished, with the remedy; "" if they may.

    `wish`: an operation of the policy, with p, on and its own fields.
    """
    if wish.p == 0 or wish.on == "fake":
        return ""
    called = getattr(wish, "transform", name)
    meaning = LIBRARY.get(called, KEEPS) if name == "library" else OPERATIONS[name]
    if meaning.effect == "changes":
        return f'{called} makes a forgery of an original ({meaning.forgery}); say on = "fake"'
    for key, (low, high) in meaning.within.items():
        value = getattr(wish, key)
        least, most = value if isinstance(value, tuple) else (value, value)
        if least < low or most > high:
            return (
                f"{called}.{key} beyond {low:g} to {high:g} makes a forgery of an original ({meaning.forgery}); "
                'stay within, or say on = "fake"'
            )
    return ""


def bounds(name: str, key: str, on: str) -> Bounds | None:
    """What a field of an operation must stay within for this class; None: whatever its type allows."""
    return None if on == "fake" else OPERATIONS[name].within.get(key)
'''


# ======================================================================================================================
# ffdi/spec/views.py
# ======================================================================================================================
SOURCES["ffdi/spec/views.py"] = r'''"""Names of test-time views, as recipes write them; what they do to an image is in `infer.views`.

"identity", flips and turns (the eight symmetries of the square), "scale:F" (the whole image F times as large, so
other receptive fields meet the face) and "crop:F" (the middle F of each side, pixels untouched).
Sets: "flips" and "six" (the views of the contest's winners).
"""

import difflib
from collections.abc import Iterable

from ffdi.base.errors import UserError

STRIDE = 16  # sides of scaled and cropped views are multiples of it: patches and strides divide them

SYMMETRIES = ("identity", "hflip", "vflip", "rot90", "rot180", "rot270", "transpose", "antitranspose")
SETS = {
    "flips": ("identity", "hflip"),
    "six": ("identity", "rot90", "rot180", "rot270", "hflip", "vflip"),
}
FACTORS = {"scale": (0.25, 4.0), "crop": (0.25, 1.0)}  # inclusive bounds


def names() -> tuple[str, ...]:
    """All that may be written in a recipe; F stands for a number."""
    return (*SYMMETRIES, *SETS, *[f"{kind}:F" for kind in FACTORS])


def parse(views: Iterable[str]) -> tuple[str, ...]:
    """Names as written in a recipe -> single views, each once: sets expanded, numbers in one form (0.80 -> 0.8).

    Raises UserError for an unknown name, with the nearest one, or a factor out of bounds.
    """
    single = [view for name in views for view in SETS.get(name, (name,))]
    return tuple(dict.fromkeys(_canonical(view) for view in single))


def side(size: int, view: str) -> int:
    """Side in pixels of `view` of a square of `size`."""
    return size if view in SYMMETRIES else scaled(size, split(view)[1])


def split(view: str) -> tuple[str, float]:
    """("scale", 0.8) of "scale:0.8"."""
    kind, _, number = view.partition(":")
    return kind, float(number)


def scaled(size: int, factor: float) -> int:
    """`size` times `factor`, to a multiple of STRIDE; a smaller view is never larger than the image."""
    rounded = max(STRIDE, round(size * factor / STRIDE) * STRIDE)
    return min(rounded, size) if factor < 1 else rounded


def _canonical(view: str) -> str:
    if view in SYMMETRIES:
        return view
    kind, colon, number = view.partition(":")
    if kind not in FACTORS or not colon:
        near = difflib.get_close_matches(view, names(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names())}."
        raise UserError(f"Unknown view {view!r}; {hint}")
    low, high = FACTORS[kind]
    factor = _number(number)
    if factor is None or not low <= factor <= high:
        raise UserError(f"View {view!r}: write {kind}:F with F from {low:g} to {high:g}, for example '{kind}:0.8'.")
    shown = f"{factor:g}"
    return "identity" if shown == "1" else f"{kind}:{shown}"


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
'''


# ======================================================================================================================
# ffdi/submit/check.py
# ======================================================================================================================
SOURCES["ffdi/submit/check.py"] = r'''"""The contract of a submission file, checked before any file is called done or sent.

Only the order of rows is repaired, since Kaggle joins by id and so loses nothing by it; all else is refused.
"""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv
from numpy.typing import NDArray

from ffdi.base import atomic
from ffdi.base.errors import UserError
from ffdi.score.ranks import midrank
from ffdi.spec.competition import Competition

# What other programs leave at the start of a file.
SIGNATURES = {
    b"\x1f\x8b": "is compressed (gzip); send the plain CSV",
    b"PK": "is a zip archive; send the plain CSV in it",
    b"\xef\xbb\xbf": "starts with a byte order mark; save it as UTF-8 without one",
    b"\xff\xfe": "is UTF-16; save it as UTF-8",
    b"\xfe\xff": "is UTF-16; save it as UTF-8",
}
NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
SPECIAL = re.compile('[",]')  # what a field must be quoted for


@dataclass(frozen=True)
class Checked:
    """`frame`: id and prediction columns in the competition's order. `reordered`: the file had another order."""

    frame: pd.DataFrame
    reordered: bool


def check(
    path: Path,
    competition: Competition,
    ids: Sequence[str],
    sample: Path | None = None,
    reference: pd.Series | None = None,
) -> Checked:
    """Read a submission as strictly as a bad day demands. Raises UserError naming file, row and remedy.

    `ids`: all that the competition asks for, in its order. `sample`: its sample submission, which must not come back
    unchanged. `reference`: scores by id (fakes high) that a submission not turned round is correlated with.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; name a submission CSV.") from error
    return check_bytes(data, str(path), competition, ids, None if sample is None else sample.read_bytes(), reference)


def check_bytes(
    data: bytes,
    name: str,
    competition: Competition,
    ids: Sequence[str],
    sample: bytes | None = None,
    reference: pd.Series | None = None,
) -> Checked:
    """As `check`, for the bytes of a file that is called `name` in messages."""
    table = _table(_body(data, name, competition), name)
    place_N = _places(table["id"], list(ids), name)
    score = pd.Series(_numbers(table, name), index=table["id"])
    _informative(score, name)
    if sample is not None:
        _not_the_sample(score, sample, name)
    if reference is not None:
        _not_turned(score, reference, name)
    in_order_N = np.empty(len(score))
    in_order_N[place_N] = score
    frame = pd.DataFrame({competition.id_column: list(ids), competition.prediction_column: in_order_N})
    return Checked(frame, reordered=bool((place_N != np.arange(len(place_N))).any()))


def write_submission(frame: pd.DataFrame, competition: Competition, path: Path) -> None:
    """Write id and prediction columns, atomically; see `render`."""
    atomic.write_bytes(path, render(frame, competition))


def render(frame: pd.DataFrame, competition: Competition) -> bytes:
    """UTF-8, LF, every float64 by the shortest digits that read back as the same number: a lost digit is a tie."""
    header = f"{competition.id_column},{competition.prediction_column}"
    ids = frame[competition.id_column].tolist()
    if frame[competition.id_column].str.contains(SPECIAL).any():
        ids = [_quoted(one) if SPECIAL.search(one) else one for one in ids]
    score = frame[competition.prediction_column].to_numpy(np.float64)
    digits = pa.array(score).cast(pa.string()).to_pylist()
    return "\n".join([header, *map(",".join, zip(ids, digits, strict=True)), ""]).encode()


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _body(data: bytes, name: str, competition: Competition) -> bytes:
    """The rows below the header, once the bytes are those of a plain text with the right header."""
    if not data:
        raise UserError(f"{name} is empty (0 bytes); run `ffdi blend` again.")
    for signature, fault in SIGNATURES.items():
        if data.startswith(signature):
            raise UserError(f"{name} {fault}.")
    for byte, fault in ((b"\0", "a NUL byte; it is no text"), (b"\r", "CR line ends; save it with LF")):
        if byte in data:
            raise UserError(f"{name} holds {fault}.")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise UserError(f"{name} is not UTF-8 (byte {error.start}); save it as UTF-8.") from error
    header = text.partition("\n")[0]
    wanted = f"{competition.id_column},{competition.prediction_column}"
    if header != wanted:
        raise UserError(f"{name}: the header is {header[:80]!r}, not {wanted!r}; write those two columns and no index.")
    if not data.endswith(b"\n"):
        raise UserError(f"{name} does not end with a line end: it was cut off or edited; write it again.")
    return data[len(header.encode()) + 1 :]


def _table(body: bytes, name: str) -> pd.DataFrame:
    """Columns id and text, one row a line, without needless quotes."""
    if not body:
        raise UserError(f"{name} has a header and no rows; run `ffdi blend` again.")
    try:
        table = arrow_csv.read_csv(
            io.BytesIO(body),
            arrow_csv.ReadOptions(column_names=["id", "text"], use_threads=False),
            arrow_csv.ParseOptions(ignore_empty_lines=False, newlines_in_values=False),
            arrow_csv.ConvertOptions(column_types={"id": pa.string(), "text": pa.string()}, strings_can_be_null=False),
        ).to_pandas()
    except pa.ArrowInvalid as error:
        # Arrow counts from the row below the header.
        fault = re.sub(r".*Row #(\d+)", lambda found: f"row {int(found[1]) + 1}", str(error).splitlines()[0])[:120]
        raise UserError(f"{name}, {fault}; write an id, a comma and a number with a dot on every line.") from error
    if b'"' in body and not table["id"].str.contains(SPECIAL).any():
        raise UserError(f"{name} has quotes that nothing needs; write plain ids and numbers.")
    return table


def _places(found: pd.Series, wanted: list[str], name: str) -> NDArray[np.intp]:
    """Where each row's id stands in the competition's list. Refuses a doubled, strange or missing id."""
    again = np.flatnonzero(found.duplicated())
    if len(again):
        raise UserError(f"{name}, row {again[0] + 2}: the id {found[again[0]]!r} came before; write each once.")
    place_N = pd.Index(wanted).get_indexer(pd.Index(found))
    strange = np.flatnonzero(place_N < 0)
    lost = np.flatnonzero(np.bincount(place_N[place_N >= 0], minlength=len(wanted)) == 0)
    if len(strange):
        what = f"{len(strange)} ids are not the competition's, such as {found[strange[0]]!r} in row {strange[0] + 2}"
        raise UserError(f"{name}: {what}, and {len(lost)} are missing; write the ids as its table has them.")
    if len(lost):
        example = wanted[lost[0]]
        raise UserError(f"{name}: {len(lost)} of {len(wanted)} ids are missing, such as {example!r}; predict all.")
    return place_N


def _numbers(table: pd.DataFrame, name: str) -> NDArray[np.float64]:
    """The predictions, each read as the nearest float64. Refuses what is no number from 0 to 1."""
    odd = np.flatnonzero(~table["text"].str.fullmatch(NUMBER))
    if len(odd):
        where = f"{name}, row {odd[0] + 2} ({table['id'][odd[0]]})"
        raise UserError(
            f"{where}: the prediction {table['text'][odd[0]]!r} is no finite number; write one such as 0.25."
        )
    score_N = table["text"].to_numpy(object).astype(np.float64)
    outside = np.flatnonzero((score_N < 0) | (score_N > 1))
    if len(outside):
        where = f"{name}, row {outside[0] + 2} ({table['id'][outside[0]]})"
        raise UserError(f"{where}: {table['text'][outside[0]]} is outside 0 to 1; send the chance of a fake.")
    return score_N


def _informative(score: pd.Series, name: str) -> None:
    levels = score.unique().tolist()
    if len(levels) == 1:
        raise UserError(f"{name}: every prediction is {levels[0]!r}, an AUC of 0.5; nothing was predicted.")
    if len(levels) == 2 and len(score) > 2:
        raise UserError(f"{name}: only {levels[0]!r} and {levels[1]!r} are predicted; send scores, not classes.")


def _not_the_sample(score: pd.Series, sample: bytes, name: str) -> None:
    rows = dict(row[:2] for row in csv.reader(io.StringIO(sample.decode("utf-8-sig"))) if len(row) > 1)
    theirs = [rows.get(str(one), "") for one in score.index]
    theirs_N = pd.to_numeric(pd.Series(theirs), errors="coerce").to_numpy()
    if np.array_equal(theirs_N, score.to_numpy()):
        raise UserError(f"{name} is the competition's sample submission, unchanged; send your own predictions.")


def _not_turned(score: pd.Series, reference: pd.Series, name: str) -> None:
    known = reference.reindex(score.index).dropna()
    if known.nunique() < 2:
        return
    likeness = float(np.corrcoef(midrank(score.loc[known.index]), midrank(known))[0, 1])
    if likeness < 0:
        raise UserError(
            f"{name}: the predictions rank images against the members (correlation {likeness:.2f}); "
            "are fakes and reals exchanged? A high prediction means fake."
        )
'''


# ======================================================================================================================
# start
# ======================================================================================================================


def start():
    """Write the sources into a folder of this run, put it on the path of this process and its workers, and go."""
    import os
    import sys
    import tempfile
    from pathlib import Path

    folder = Path(tempfile.mkdtemp(prefix="ffdi-"))
    for name, text in SOURCES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    for name in [name for name in sys.modules if name.split(".")[0] == "ffdi"]:
        del sys.modules[name]  # of an earlier run of this cell
    sys.path.insert(0, str(folder))
    inherited = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(folder) + (os.pathsep + inherited if inherited else "")

    from ffdi.base.code import code_digest
    from ffdi.bundle.start import run

    if code_digest() != DIGEST:
        print("note: the sources below SETTINGS were edited; the digest in run.json is that of the edited ones")
    run(KIND, SETTINGS)


if __name__ == "__main__":  # not in the worker processes, which import this file again
    start()
