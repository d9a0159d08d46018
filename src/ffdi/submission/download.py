"""The files of a competition in a folder: fetched once, gone on with after a stop, unpacked, and known to be whole."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ffdi.core import checksum
from ffdi.core.errors import CorruptError, UserError
from ffdi.core.lock import exclusive
from ffdi.submission.client import KaggleClient
from ffdi.submission.unzip import Member, unpack

SCRATCH = ".download"  # below the folder: the archive until everything is unpacked, then only the lists of files
LIST = ".files.json"
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")


@dataclass(frozen=True)
class Downloaded:
    """The files in the folder now; `size` in bytes. `fetched`: False if all was there already."""

    files: int
    size: int
    fetched: bool


def checked_slug(text: str) -> str:
    """Return `text` if it is the slug of a competition. Raise UserError, which names the slug in an address."""
    if _SLUG.fullmatch(text):
        return text
    last = text.rstrip("/").rpartition("/")[2]
    hint = f"; did you mean {last}?" if _SLUG.fullmatch(last) else "."
    raise UserError(f"{text!r} is no competition's slug, which is the last part of its address{hint}")


def download(slug: str, folder: Path, sign_in: Callable[[], KaggleClient], beside: tuple[str, ...] = ()) -> Downloaded:
    """Bring the competition's files below `folder`; do nothing, not even sign in, if they are all there.

    Args:
        slug: the competition.
        folder: where its files go.
        sign_in: returns a client.
        beside: competitions whose files may be in the folder too. Of two files of one name the first is kept.

    Raises:
        UserError: in one sentence; running again goes on where this stopped.
    """
    scratch = folder / SCRATCH
    try:
        scratch.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"Cannot make {scratch}: {error.strerror}; name another folder with --data.") from error
    with exclusive(scratch):
        known = {path.name.removesuffix(LIST): _read_list(path) for path in sorted(scratch.glob(f"*{LIST}"))}
        if strange := sorted(known.keys() - {slug, *beside}):
            raise UserError(
                f"{folder} holds the files of {strange[0]}, not of {slug}; name another folder with --data."
            )
        mine = known.pop(slug, [])
        if mine and all(_is_there(one, folder) for one in mine):
            return Downloaded(len(mine), sum(one.size for one in mine), fetched=False)
        archive = scratch / f"{slug}.zip"
        if not archive.exists():
            sign_in().fetch_archive(slug, archive)
        files = _unpack(archive, folder, [one for files in known.values() for one in files])
        rows = [[str(one.path), one.size, one.crc] for one in files]
        checksum.write_json(scratch / f"{slug}{LIST}", {"files": rows})
        archive.unlink()
    return Downloaded(len(files), sum(one.size for one in files), fetched=True)


def _read_list(path: Path) -> list[Member]:
    return [Member(PurePosixPath(name), size, crc) for name, size, crc in checksum.read_json(path)["files"]]


def _is_there(one: Member, folder: Path) -> bool:
    path = folder / one.path
    return path.is_file() and path.stat().st_size == one.size


def _unpack(archive: Path, folder: Path, others: list[Member]) -> list[Member]:
    try:
        return unpack(archive, folder, folder / SCRATCH, others)
    except CorruptError as error:
        archive.unlink()
        raise CorruptError(f"{error} It was removed; run again to fetch it anew.") from error
    finally:
        (folder / SCRATCH / "unpacking").unlink(missing_ok=True)
