"""Recognise what lies in the place of a file that was not really copied, known by how it begins."""

from typing import NamedTuple


class StandIn(NamedTuple):
    """`name`: of the defect in a manifest."""

    name: str
    what: str
    remedy: str


BY_START = {
    b"version https://git-lfs": StandIn("lfs_pointer", "a pointer of Git LFS", "run `git lfs pull`"),
    b"/annex/objects/": StandIn("annex_pointer", "a pointer of git-annex", "run `git annex get .`"),
    b"<": StandIn("html", "text with tags, such as a web page", "download it again"),
    b"\0\5\x16\7": StandIn("appledouble", "what macOS puts beside a file (AppleDouble)", "take the file itself"),
}


def stand_in(data: bytes) -> StandIn | None:
    """Return what `data`, the beginning of a file, stands for; None for anything else.

    Example:
        >>> stand_in(b"<!DOCTYPE html>").remedy
        'download it again'
    """
    start = data[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    return next((found for mark, found in BY_START.items() if start.startswith(mark)), None)
