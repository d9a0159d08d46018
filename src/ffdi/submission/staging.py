"""A folder that becomes a Kaggle dataset: checked against its SHA256SUMS and Kaggle's rules, then staged.

Kaggle's list of files tells names and sizes, no hashes. So one more file goes along whose name holds the digest of all
others: a version with that name and the right sizes holds exactly these files, and needs no upload.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ffdi.core import atomic, console, digest
from ffdi.core.errors import CorruptError, UserError
from ffdi.submission import metadata
from ffdi.submission.metadata import DatasetMetadata

SUMS = "SHA256SUMS"


@dataclass(frozen=True)
class Pack:
    """A checked folder. `sizes` in bytes and `sums` (sha256) by file name, SHA256SUMS among them."""

    folder: Path
    sizes: dict[str, int]
    sums: dict[str, str]

    @property
    def digest(self) -> str:
        return digest.of_json(self.sums)

    @property
    def marker(self) -> str:
        return f"pack-{self.digest[:16]}.txt"

    @property
    def expected(self) -> dict[str, int]:
        """Bytes by name that Kaggle must list."""
        return {**self.sizes, self.marker: len(self.digest) + 1}


def read_pack(folder: Path) -> Pack:
    """Check a folder against its SHA256SUMS and Kaggle's rules. Raises UserError or CorruptError naming the file."""
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}; pack the weights first (make kernels) or name it with --pack.")
    sizes = {path.name: path.stat().st_size for path in metadata.dataset_files(folder)}
    if len(sizes) + 1 > metadata.MAX_FILES:
        raise UserError(f"{folder} has {len(sizes)} files, and with ours Kaggle takes {metadata.MAX_FILES}; use fewer.")
    told = _told(folder / SUMS)
    strange = sorted(told.keys() ^ (sizes.keys() - {SUMS}))
    if strange:
        raise CorruptError(f"{folder}: {SUMS} and the folder disagree about {strange[0]!r}; pack the weights again.")
    return Pack(folder, sizes, _hashed(folder, told))


def _told(path: Path) -> dict[str, str]:
    """sha256 by name, from lines of two columns."""
    if not path.is_file():
        raise UserError(f"{path} is missing; pack the weights again (make kernels).")
    rows = [line.split() for line in path.read_text().splitlines()]
    if not rows or any(len(row) != 2 for row in rows):
        raise CorruptError(f"{path} is not a list of sha256 and name; pack the weights again.")
    return {name.removeprefix("*"): sha for sha, name in rows}


def _hashed(folder: Path, told: Mapping[str, str]) -> dict[str, str]:
    """The sums of all files, once they are what SHA256SUMS says."""
    with console.progress("check", len(told), "files") as meter:
        for name, sha in told.items():
            if digest.of_file(folder / name) != sha:
                raise CorruptError(f"{folder / name} is not the file that {SUMS} names; pack the weights again.")
            meter.advance()
    return {**told, SUMS: digest.of_file(folder / SUMS)}


def stage(pack: Pack, about: DatasetMetadata, room: Path) -> Path:
    """A folder with the files, the marker and the metadata: what goes up, whole. `room` is made anew.

    The files are hard links where the disk allows it: weights are large.
    """
    shutil.rmtree(room, ignore_errors=True)
    room.mkdir(parents=True)
    for name in pack.sizes:
        _place((pack.folder / name).resolve(), room / name)
    atomic.write_text(room / pack.marker, pack.digest + "\n")
    metadata.write(room / metadata.DATASET, about)
    return room


def _place(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
        return
    except OSError:  # another disk, or one without links
        pass
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        raise UserError(f"Cannot copy {source} to {target}: {error.strerror}; make room with --work.") from error
