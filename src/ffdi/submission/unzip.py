"""An archive from the network, unpacked member by member: what could leave the folder, or fill the disk, is refused.

The whole list is judged before the first byte is written. Files that are there already are compared, not overwritten.
"""

import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ffdi.core import console
from ffdi.core.errors import CorruptError, SpaceError, UserError
from ffdi.core.layout import inside
from ffdi.submission.names import checked, without_collisions

CHUNK = 1 << 20
ENCRYPTED = 0x1
SPARE = 50_000_000  # bytes that stay free


@dataclass(frozen=True)
class Member:
    """One file of an archive; `size` in bytes when unpacked."""

    path: PurePosixPath
    size: int
    crc: int


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Raises CorruptError if `path` is not a whole zip."""
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        with path.open("rb") as file:
            begins = file.read(2)
        looks = {b"PK": "a part of one", b'{"': "an answer in JSON"}.get(begins, "something else")
        looks = "a web page" if begins.startswith(b"<") else looks
        raise CorruptError(f"{path.name} is no zip archive but {looks} ({error}).") from error
    with archive:
        yield archive


def members(archive: zipfile.ZipFile) -> list[Member]:
    """The files of an archive, in its order. Raises UserError if one of them has no place below a folder."""
    source = f"The archive {Path(archive.filename or '').name}"
    found = []
    for info in archive.infolist():
        path = checked(info.orig_filename, source)  # `filename` ends at a NUL, so that it hides one
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise UserError(f"{source} holds {str(path)!r}, which is a link or a device; nothing of it was written.")
        if info.flag_bits & ENCRYPTED:
            raise UserError(f"{source} holds {str(path)!r}, which is encrypted; nothing of it was written.")
        if not info.is_dir():
            found.append(Member(path, info.file_size, info.CRC))
    without_collisions([one.path for one in found], source)
    return found


def unpack(path: Path, folder: Path, room: Path, taken: Collection[Member] = ()) -> list[Member]:
    """Every file of the zip `path` below `folder`, whole or not at all; `room`: for unfinished ones, same file system.

    `taken`: files that came from elsewhere and stay as they are; what has such a name and another content is left out,
    with a warning. Returns what is there now under the names of the archive.

    A file that is there with the same size and checksum is left alone; with another content it is refused (UserError):
    it may be somebody's work. Raises SpaceError before anything is written, CorruptError at a damaged member.
    """
    with opened(path) as archive:
        found, theirs = members(archive), {one.path: one for one in taken}
        kept = [theirs[one.path] for one in found if theirs.get(one.path, one) != one]
        wanted = [one for one in found if theirs.get(one.path, one) == one]
        homes = {parent: inside(folder, str(parent)) for parent in {one.path.parent for one in wanted}}
        targets = {one.path: homes[one.path.parent] / one.path.name for one in wanted}
        missing = [one for one in wanted if not _there(one, targets[one.path])]
        _check_space(missing, folder)
        infos = {checked(info.orig_filename, path.name): info for info in archive.infolist() if not info.is_dir()}
        with console.progress("unpack", len(wanted), "files") as meter:
            meter.skip(len(wanted) - len(missing))
            for one in missing:
                _write(archive, infos[one.path], one, targets[one.path], room)
                meter.advance()
    if kept:
        console.warn(
            f"{path.name}: {len(kept):,} of its files are there from another competition with another content, such as "
            f"{kept[0].path}; those that came first are kept."
        )
    os.sync()  # once, not a file: the archive is still there if the machine stops before
    return [*wanted, *kept]


def _there(one: Member, target: Path) -> bool:
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


def _check_space(missing: list[Member], folder: Path) -> None:
    needed, free = sum(one.size for one in missing), shutil.disk_usage(folder).free
    if needed + SPARE > free:
        raise SpaceError(f"Unpacking needs {needed:,} bytes in {folder}, {free:,} are free; free some and run again.")


def _write(archive: zipfile.ZipFile, info: zipfile.ZipInfo, one: Member, target: Path, room: Path) -> None:
    partial = room / "unpacking"
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
