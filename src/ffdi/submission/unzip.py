"""An archive from the network, unpacked member by member: what could leave the folder, or fill the disk, is refused.

The whole list is checked before the first byte is written. Files that are there already are compared, not overwritten.
"""

import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ffdi.core import console
from ffdi.core.errors import CorruptError, SpaceError, UserError
from ffdi.core.layout import inside
from ffdi.submission.paths import check_collisions, safe_path

CHUNK = 1 << 20
ENCRYPTED = 0x1
MIN_FREE = 50_000_000  # bytes that stay free


@dataclass(frozen=True)
class Member:
    """One file of an archive; `size` in bytes when unpacked."""

    path: PurePosixPath
    size: int
    crc: int


def unpack(path: Path, folder: Path, scratch: Path, others: Collection[Member] = ()) -> list[Member]:
    """Write every file of the zip `path` below `folder`, each whole or not at all.

    Args:
        path: the archive.
        folder: where its files go. A file that is there with the same content is left alone.
        scratch: for unfinished files, on the same file system.
        others: files of other archives. They stay as they are: a member of that name with another content is left out,
            with a warning.

    Returns:
        What is there now under the names of the archive.

    Raises:
        UserError: if a name could lead elsewhere, or a file is there with another content: it may be somebody's work.
        SpaceError: before anything is written.
        CorruptError: at a damaged member.
    """
    with _open(path) as archive:
        found, theirs = _members(archive), {one.path: one for one in others}
        kept = [theirs[one.path] for one in found if theirs.get(one.path, one) != one]
        wanted = {one.path: (one, info) for one, info in found.items() if theirs.get(one.path, one) == one}
        homes = {parent: inside(folder, str(parent)) for parent in {name.parent for name in wanted}}
        missing = [one for one, _ in wanted.values() if not _is_there(one, homes[one.path.parent] / one.path.name)]
        needed, free = sum(one.size for one in missing), shutil.disk_usage(folder).free
        if needed + MIN_FREE > free:
            raise SpaceError(
                f"Unpacking needs {needed:,} bytes in {folder}, {free:,} are free; free some and run again."
            )
        with console.progress("unpack", len(wanted), "files") as meter:
            meter.skip(len(wanted) - len(missing))
            for one in missing:
                _write(archive, wanted[one.path][1], one, homes[one.path.parent] / one.path.name, scratch / "unpacking")
                meter.advance()
    if kept:
        console.warn(
            f"{path.name}: {len(kept):,} of its files are there from another competition with another content, such as "
            f"{kept[0].path}; those that came first are kept."
        )
    os.sync()  # once, not a file: the archive is still there if the machine stops before
    return [*(one for one, _ in wanted.values()), *kept]


def _open(path: Path) -> zipfile.ZipFile:
    """Raise CorruptError if `path` is not a whole zip."""
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        with path.open("rb") as file:
            begins = file.read(2)
        looks = {b"PK": "a part of one", b'{"': "an answer in JSON"}.get(begins, "something else")
        looks = "a web page" if begins.startswith(b"<") else looks
        raise CorruptError(f"{path.name} is no zip archive but {looks} ({error}).") from error


def _members(archive: zipfile.ZipFile) -> dict[Member, zipfile.ZipInfo]:
    """Return the files of an archive. Raise UserError if one of them has no place below a folder."""
    source = f"The archive {Path(archive.filename or '').name}"
    found, paths = {}, []
    for info in archive.infolist():
        path = safe_path(info.orig_filename, source)  # `filename` ends at a NUL, so that it hides one
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise UserError(f"{source} holds {str(path)!r}, which is a link or a device; nothing of it was written.")
        if info.flag_bits & ENCRYPTED:
            raise UserError(f"{source} holds {str(path)!r}, which is encrypted; nothing of it was written.")
        if not info.is_dir():
            found[Member(path, info.file_size, info.CRC)] = info
            paths.append(path)
    check_collisions(paths, source)
    return found


def _is_there(one: Member, target: Path) -> bool:
    try:
        facts = target.lstat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise UserError(f"Cannot look at {target}: {error.strerror}.") from error
    if not stat.S_ISREG(facts.st_mode) or facts.st_size != one.size or _crc(target) != one.crc:
        raise UserError(f"{target} is there with another content than in the archive; move it away and run again.")
    return True


def _crc(path: Path) -> int:
    crc = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            crc = zlib.crc32(chunk, crc)
    return crc


def _write(archive: zipfile.ZipFile, info: zipfile.ZipInfo, one: Member, target: Path, partial: Path) -> None:
    try:
        with archive.open(info) as source, partial.open("wb") as file:
            shutil.copyfileobj(source, file, CHUNK)  # ends at the size that the list names, whatever is packed
        if partial.stat().st_size != one.size:
            raise zipfile.BadZipFile("a member that is shorter than the list says")
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(partial, target)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise CorruptError(f"{Path(archive.filename or '').name} is damaged at {str(one.path)!r} ({error}).") from error
    except OSError as error:
        raise UserError(f"Cannot write {target}: {error.strerror}; make the place writable and run again.") from error
