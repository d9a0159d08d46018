"""Refuse network and checkout inside a rehearsed kernel, and write each attempt down.

Copied into the sandbox, where the kit cannot be imported: the standard library alone. Attempts are written down because
a kernel may survive the refusal here and still fail on Kaggle.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

READS = ("open", "os.listdir", "os.scandir")
CONNECTS = ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind")
LOOKUPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")


def watch(forbidden: Sequence[str], log: str) -> None:
    """From now on refuse files below the `forbidden` folders, name look-ups, and addresses that are no local socket."""
    roots = tuple(str(Path(root).resolve()) for root in forbidden)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        what = _refused(event, arguments, roots)
        if what:
            os.write(descriptor, f"{what}\n".encode())
            raise PermissionError(f"refused in a rehearsal: {what}")

    sys.addaudithook(hook)


def _refused(event: str, arguments: tuple[Any, ...], roots: tuple[str, ...]) -> str:
    if event in READS and isinstance(arguments[0], str | bytes | os.PathLike):
        path = os.path.abspath(os.fsdecode(arguments[0]))
        return f"read {path}" if any(path == root or path.startswith(root + os.sep) for root in roots) else ""
    if event in LOOKUPS:
        return f"look up the host {arguments[0]!r}"
    if event in CONNECTS and isinstance(arguments[1], tuple):
        return f"reach the address {arguments[1][0]!r} (port {arguments[1][1]})"
    return ""
