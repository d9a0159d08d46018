"""The files of a competition in a folder: fetched once, gone on with after a stop, unpacked, and known to be whole."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from ffdi.core import checksum
from ffdi.core.errors import CorruptError, UserError
from ffdi.core.lock import exclusive
from ffdi.submission.kaggle import Kaggle
from ffdi.submission.unzip import Member, unpack

ROOM = ".download"  # below the folder: the archive until everything is out, then only the list of files
FILES, COLUMNS = "files.parquet", ["name", "size", "crc", "slug"]
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


def download(slug: str, folder: Path, sign_in: Callable[[], Kaggle], beside: Sequence[str] = ()) -> Downloaded:
    """Bring the competition's files below `folder`; does nothing, not even sign in, if they are all there.

    `beside`: competitions whose files may lie in the folder too. Of two files of one name the first to come is kept.
    Raises UserError, Refused or Unreachable in one sentence; running again goes on where this one stopped.
    """
    room = folder / ROOM
    try:
        room.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"Cannot make {room}: {error.strerror}; name another folder with --data.") from error
    with exclusive(room):
        known = _recorded(folder, [slug, *beside])
        mine, others = known[known["slug"] == slug], known[known["slug"] != slug]
        if len(mine) and not _lacking(mine, folder):
            return Downloaded(folder, len(mine), int(mine["size"].sum()), fetched=False)
        archive = room / f"{slug}.zip"
        if not archive.exists():
            sign_in().fetch_archive(slug, archive, f"download {slug}")
        files = _unpacked(archive, folder, others)
        _record(slug, folder, files, others)
        archive.unlink()
    return Downloaded(folder, len(files), sum(one.size for one in files), fetched=True)


def _unpacked(archive: Path, folder: Path, others: pd.DataFrame) -> list[Member]:
    rows = zip(others["name"], others["size"], others["crc"], strict=True)
    taken = [Member(PurePosixPath(name), size, crc) for name, size, crc in rows]
    try:
        files = unpack(archive, folder, folder / ROOM, taken)
    except CorruptError as error:
        archive.unlink()
        raise CorruptError(f"{error} It was removed; run again to fetch it anew.") from error
    finally:
        (folder / ROOM / "unpacking").unlink(missing_ok=True)
    return files


def _recorded(folder: Path, slugs: Sequence[str]) -> pd.DataFrame:
    """name, size, crc and slug of what earlier downloads brought here."""
    path = folder / ROOM / FILES
    if not path.exists():
        return pd.DataFrame(columns=COLUMNS)
    table = checksum.read_table(path)
    if "slug" not in table:  # written when a folder held one competition
        table["slug"] = checksum.read_facts(path)["slug"]
    for before in sorted(set(table["slug"]) - set(slugs)):
        raise UserError(f"{folder} holds the files of {before}, not of {slugs[0]}; name another folder with --data.")
    return table


def _record(slug: str, folder: Path, files: list[Member], others: pd.DataFrame) -> None:
    rows = [(str(one.path), one.size, one.crc, slug) for one in files]
    rows += others.itertuples(index=False, name=None)
    checksum.write_table(folder / ROOM / FILES, pd.DataFrame(rows, columns=COLUMNS))


def _lacking(known: pd.DataFrame, folder: Path) -> bool:
    """Whether a file is gone or has another size."""
    for name, size in zip(known["name"], known["size"], strict=True):
        path = folder / name
        if not path.is_file() or path.stat().st_size != size:
            return True
    return False
