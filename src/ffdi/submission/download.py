"""The files of a competition in a folder: fetched once, gone on with after a stop, unpacked, and known to be whole.

Nothing is written outside the folder, and nothing that is there is overwritten.
"""

import os
import re
import shutil
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from ffdi.core import checksum, console
from ffdi.core.errors import CorruptError, UserError
from ffdi.core.layout import inside
from ffdi.core.lock import exclusive
from ffdi.submission.client import KaggleClient

SCRATCH = ".download"  # below the folder: the archive until everything is unpacked, then only the list of files
CHUNK = 1 << 20
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")


def checked_slug(text: str) -> str:
    """Return `text` if it is the slug of a competition. Raise UserError, which names the slug in an address."""
    if _SLUG.fullmatch(text):
        return text
    last = text.rstrip("/").rpartition("/")[2]
    hint = f"; did you mean {last}?" if _SLUG.fullmatch(last) else "."
    raise UserError(f"{text!r} is no competition's slug, which is the last part of its address{hint}")


def download(slug: str, folder: Path, sign_in: Callable[[], KaggleClient]) -> tuple[dict[str, int], bool]:
    """Bring the competition's files below `folder`; do nothing, not even sign in, if they are all there.

    Args:
        slug: the competition.
        folder: where its files go; those of another competition may be there too.
        sign_in: returns a client.

    Returns:
        The competition's files, bytes by name, and whether any of them had to be fetched.

    Raises:
        UserError: in one sentence; running again goes on where this stopped.
    """
    scratch = folder / SCRATCH
    with exclusive(scratch):
        listed = scratch / f"{slug}.files.json"
        sizes = checksum.read_json(listed)["files"] if listed.is_file() else {}
        sized = [path.stat().st_size if (path := folder / name).is_file() else None for name in sizes]
        fetched = not sizes or sized != list(sizes.values())
        if fetched:
            archive = scratch / f"{slug}.zip"
            if not archive.exists():
                sign_in().fetch_archive(slug, archive)
            sizes = _unpack(archive, folder)
            checksum.write_json(listed, {"files": sizes})
            archive.unlink()
    return sizes, fetched


def _unpack(path: Path, folder: Path) -> dict[str, int]:
    """Write the files that are missing below `folder`, each whole or not at all; return the bytes of all by name."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {inside(folder, info.filename): info for info in archive.infolist() if not info.is_dir()}
            there = {file: info for file, info in members.items() if file.exists()}
            _extract(archive, {file: info for file, info in members.items() if file not in there}, folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        path.unlink()
        raise CorruptError(f"{path.name} is no whole zip ({error}); it was removed, run again to fetch it.") from error
    except OSError as error:
        raise UserError(
            f"Cannot unpack into {folder}: {error}; make room, or the place writable, and run again."
        ) from error
    _name_others(path, there)
    os.sync()  # once, not a file: the archive is still there if the machine stops before
    root = folder.resolve()
    return {file.relative_to(root).as_posix(): file.stat().st_size for file in members}


def _extract(archive: zipfile.ZipFile, missing: Mapping[Path, zipfile.ZipInfo], folder: Path) -> None:
    unfinished = folder / SCRATCH / "unpacking"
    with console.progress("unpack", len(missing), "files") as meter:
        for file, info in missing.items():
            with archive.open(info) as source, unfinished.open("wb") as target:
                shutil.copyfileobj(source, target, CHUNK)  # no more than the size in the list, whatever is packed
            file.parent.mkdir(parents=True, exist_ok=True)
            os.replace(unfinished, file)
            meter.advance()


def _name_others(archive: Path, there: Mapping[Path, zipfile.ZipInfo]) -> None:
    """Warn of files that were there with another content: somebody's work, or another competition's."""
    others = [file for file, info in there.items() if not file.is_file() or zlib.crc32(file.read_bytes()) != info.CRC]
    if others:
        console.warn(
            f"{len(others):,} files of {archive.name} were there already with another content, such as {others[0]}; "
            "they are kept: delete them and run again for those of Kaggle."
        )
