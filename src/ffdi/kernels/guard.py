"""What a rehearsed kernel may not do, watched from inside its interpreter: reach the network or the checkout.

Copied into the sandbox, where nothing of the kit can be imported: the standard library alone. An attempt is refused and
written down, since a kernel may well survive the refusal and still fail on Kaggle.
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
    """From now on: no file below the `forbidden` folders, no name looked up, no address but a local socket file."""
    roots = tuple(str(Path(root).resolve()) for root in forbidden)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        what = _offence(event, arguments, roots)
        if what:
            os.write(descriptor, f"{what}\n".encode())
            raise PermissionError(f"refused in a rehearsal: {what}")

    sys.addaudithook(hook)


def _offence(event: str, arguments: tuple[Any, ...], roots: tuple[str, ...]) -> str:
    if event in READS and isinstance(arguments[0], str | bytes | os.PathLike):
        path = os.path.abspath(os.fsdecode(arguments[0]))
        return f"read {path}" if any(path == root or path.startswith(root + os.sep) for root in roots) else ""
    if event in LOOKUPS:
        return f"look up the host {arguments[0]!r}"
    if event in CONNECTS and isinstance(arguments[1], tuple):
        return f"reach the address {arguments[1][0]!r} (port {arguments[1][1]})"
    return ""
