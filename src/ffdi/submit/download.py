"""The files of a competition in a folder: fetched once, gone on with after a stop, unpacked, and known to be whole."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ffdi.base import seal
from ffdi.base.errors import CorruptError, UserError
from ffdi.base.lock import exclusive
from ffdi.submit.kaggle import Kaggle
from ffdi.submit.unzip import Member, unpack

ROOM = ".download"  # below the folder: the archive until everything is out, then only the list of files
FILES = "files.parquet"
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")


@dataclass(frozen=True)
class Downloaded:
    """`fetched`: False if everything was there already."""

    folder: Path
    files: int
    size: int  # bytes
    fetched: bool


def checked_slug(text: str) -> str:
    """`text` if it is the slug of a competition. Raises UserError, which names the slug in an address."""
    if _SLUG.fullmatch(text):
        return text
    last = text.rstrip("/").rpartition("/")[2]
    hint = f"; did you mean {last}?" if _SLUG.fullmatch(last) else "."
    raise UserError(f"{text!r} is no competition's slug, which is the last part of its address{hint}")


def download(slug: str, folder: Path, sign_in: Callable[[], Kaggle]) -> Downloaded:
    """Bring the competition's files below `folder`; does nothing, not even sign in, if they are all there.

    Raises UserError, Refused or Unreachable in one sentence; running again goes on where this one stopped.
    """
    room = folder / ROOM
    try:
        room.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"Cannot make {room}: {error.strerror}; name another folder with --data.") from error
    with exclusive(room):
        known = _recorded(slug, folder)
        if known is not None and not _lacking(known, folder):
            return Downloaded(folder, len(known), int(known["size"].sum()), fetched=False)
        archive = room / f"{slug}.zip"
        if not archive.exists():
            sign_in().fetch_archive(slug, archive, f"download {slug}")
        files = _unpacked(archive, folder)
        _record(slug, folder, files)
        archive.unlink()
    return Downloaded(folder, len(files), sum(one.size for one in files), fetched=True)


def _unpacked(archive: Path, folder: Path) -> list[Member]:
    try:
        files = unpack(archive, folder, folder / ROOM)
    except CorruptError as error:
        archive.unlink()
        raise CorruptError(f"{error} It was removed; run again to fetch it anew.") from error
    finally:
        (folder / ROOM / "unpacking").unlink(missing_ok=True)
    return files


def _recorded(slug: str, folder: Path) -> pd.DataFrame | None:
    """name, size and crc of what an earlier download brought here."""
    path = folder / ROOM / FILES
    if not path.exists():
        return None
    table, before = seal.read_table(path), seal.read_facts(path)["slug"]
    if before != slug:
        raise UserError(f"{folder} holds the files of {before}, not of {slug}; name another folder with --data.")
    return table


def _record(slug: str, folder: Path, files: list[Member]) -> None:
    rows = {
        "name": [str(one.path) for one in files],
        "size": [one.size for one in files],
        "crc": [one.crc for one in files],
    }
    seal.write_table(folder / ROOM / FILES, pd.DataFrame(rows), {"slug": slug})


def _lacking(known: pd.DataFrame, folder: Path) -> bool:
    """Whether a file is gone or has another size."""
    for name, size in zip(known["name"], known["size"], strict=True):
        path = folder / name
        if not path.is_file() or path.stat().st_size != size:
            return True
    return False
