"""Names that came over the network: below the folder they are meant for, or refused."""

from collections.abc import Iterable
from pathlib import PurePosixPath

from ffdi.core.errors import UserError


def safe_path(name: str, source: str) -> PurePosixPath:
    """Return `name` as a relative path. Raise UserError, naming the `source`, for one that could lead elsewhere."""
    path = PurePosixPath(name)
    fault = ""
    if not path.parts or "\0" in name:
        fault = "is empty or holds a NUL"
    elif "\\" in name or path.is_absolute() or (len(name) > 1 and name[1] == ":"):
        fault = "is absolute or written for another system"
    elif ".." in path.parts:
        fault = "leads upwards"
    elif any(ord(letter) < 32 for letter in name):
        fault = "holds control characters"
    if fault:
        raise UserError(f"{source} names a file {name!r}, which {fault}; nothing of it was written.")
    return path


def check_collisions(paths: Iterable[PurePosixPath], source: str) -> None:
    """Raise UserError for two files of one name, and for a file where another needs a folder."""
    seen: set[PurePosixPath] = set()
    folders: set[PurePosixPath] = set()
    for path in paths:
        if path in seen:
            raise UserError(f"{source} names {str(path)!r} twice; nothing of it was written.")
        seen.add(path)
        folders.update(path.parents)
    if clash := sorted(seen & folders):
        raise UserError(f"{source} names {str(clash[0])!r} as a file and as a folder; nothing of it was written.")
