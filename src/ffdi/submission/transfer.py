"""Bytes to and from Kaggle's storage: addresses with a signature in them, to which no credential is ever sent."""

import json
import os
import shutil
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ffdi.core import console
from ffdi.core.errors import SpaceError
from ffdi.submission.patience import Patience, within
from ffdi.submission.refusals import Refused, Unreachable, explain

CHUNK = 1 << 18
CONNECT = 10.0  # seconds for a connection to come about
MEGA = 1_000_000


@dataclass(frozen=True)
class Remote:
    """What is being fetched. `mark` tells one content from the next; "" where the server gives none."""

    url: str
    size: int | None
    mark: str

    @classmethod
    def of(cls, response: Any) -> "Remote":
        headers = response.headers
        length = headers.get("Content-Length", "")
        if headers.get("Content-Encoding"):  # the length is then not the file's, and no byte of it can be asked for
            return cls(response.url, None, "")
        mark = headers.get("ETag") or headers.get("Last-Modified") or ""
        resumable = headers.get("Accept-Ranges") == "bytes" and not mark.startswith("W/")
        return cls(response.url, int(length) if length.isdigit() else None, mark if resumable else "")


class Part:
    """The part of a file that is there already, with the mark of the content that it belongs to."""

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(path.name + ".part")
        self._mark = path.with_name(path.name + ".part.json")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def belongs_to(self, remote: Remote) -> bool:
        try:
            known = json.loads(self._mark.read_text())
        except (OSError, ValueError):
            return False
        return bool(remote.mark) and known == [remote.mark, remote.size] and self.size <= (remote.size or self.size)

    def restart(self, remote: Remote) -> None:
        self.path.write_bytes(b"")
        self._mark.write_text(json.dumps([remote.mark, remote.size]))

    def finish(self, path: Path) -> None:
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(self.path, path)
        self._mark.unlink(missing_ok=True)


def put(url: str, path: Path, stall: float) -> None:
    """Send a file as it is. Raises what requests raises, and Unreachable if the server has only a part of it."""
    import requests

    with requests.Session() as session, path.open("rb") as file:
        session.auth = _as_it_is  # and none from ~/.netrc
        body = (
            file if path.stat().st_size else b""
        )  # an empty file object would go out in chunks, which storage refuses
        response = session.put(url, data=body, timeout=(CONNECT, stall), allow_redirects=False)
        if response.status_code == 308:
            raise Unreachable(f"Kaggle has received only a part of {path.name}; run again.")
        if response.status_code not in (200, 201):
            raise requests.HTTPError(f"HTTP {response.status_code}", response=response)


def get(url: str, stall: float, start: int = 0, mark: str = "") -> Any:
    """An open answer (200, or 206 from byte `start` of the content `mark`). Raises what requests raises."""
    import requests

    headers = {"Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": mark}
    with requests.Session() as session:
        session.auth = _as_it_is
        response = session.get(url, headers=headers, stream=True, timeout=(CONNECT, stall))
    if response.status_code not in (200, 206):
        _ = response.content  # read here, under the caller's deadline
        raise requests.HTTPError(f"HTTP {response.status_code}", response=response)
    return response


def fetch(begin: Callable[[], Any], path: Path, patience: Patience, label: str = "") -> None:
    """The content that `begin` opens, whole, under `path`; goes on where an earlier run or a cut left off.

    `begin` gives an open answer of requests and raises our errors. Tries end when several in a row bring no byte:
    then Unreachable, and what came is kept. With a `label`, progress is shown.
    """
    doing, part, idle = f"send {path.name}", Part(path), 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        show = _Show(label, stack)
        while True:
            before = part.size
            trouble = _attempt(begin, part, patience, doing, show)
            if trouble is None:
                break
            idle = 0 if part.size > before else idle + 1
            if idle >= patience.tries or isinstance(trouble, Refused):
                raise trouble
            patience.sleep(min(patience.longest, patience.wait * 2**idle))
    part.finish(path)


class _Show:
    """A progress bar that begins when the size is known, in megabytes."""

    def __init__(self, label: str, stack: ExitStack) -> None:
        self._label, self._stack = label, stack
        self._meter: console.Meter | None = None

    def begin(self, size: int | None, there: int) -> None:
        if self._label and self._meter is None and size:
            self._meter = self._stack.enter_context(console.progress(self._label, -(-size // MEGA), "MB"))
            self._meter.skip(-(-there // MEGA))

    def at(self, there: int) -> None:
        if self._meter is not None and (more := -(-there // MEGA) - self._meter.done) > 0:
            self._meter.advance(more)


def _attempt(begin: Callable[[], Any], part: Part, patience: Patience, doing: str, show: _Show) -> Exception | None:
    """One way from the address to the last byte; what stopped it, or None. Part and mark are left consistent."""
    response = begin()
    remote = Remote.of(response)
    if not part.belongs_to(remote):
        part.restart(remote)
    show.begin(remote.size, part.size)
    if remote.size is not None and part.size == remote.size:
        response.close()
        return None
    _check_space(remote, part)
    given_up = threading.Event()
    limit = patience.transfer(remote.size or 10**12)
    _, error = within(limit, lambda: _receive(response, remote, part, patience.stall, show, given_up))
    given_up.set()
    if error is not None:
        return explain(error, doing)
    if remote.size is not None and part.size != remote.size:
        return Unreachable(f"Only {part.size:,} of {remote.size:,} bytes of {part.path.stem} came; run again to go on.")
    return None


def _check_space(remote: Remote, part: Part) -> None:
    needed, free = (remote.size or 0) - part.size, shutil.disk_usage(part.path.parent).free
    if needed > free:
        raise SpaceError(f"{part.path.stem} needs {needed:,} more bytes, {free:,} are free; free some and run again.")


def _receive(response: Any, remote: Remote, part: Part, stall: float, show: _Show, given_up: threading.Event) -> None:
    if part.size:
        response.close()
        response = get(remote.url, stall, part.size, remote.mark)
        if not response.headers.get("Content-Range", "").startswith(f"bytes {part.size}-"):
            part.restart(remote)  # the server sends all of it: ranges are not kept, or the content has changed
    there = part.size
    with response, part.path.open("ab", buffering=0) as file:
        # read1, since a plain read of a chunk drops what had come of it when the connection ends.
        while (chunk := response.raw.read1(CHUNK, decode_content=True)) and not given_up.is_set():
            file.write(chunk)
            there += len(chunk)
            show.at(there)


def _as_it_is(request: Any) -> Any:
    return request
