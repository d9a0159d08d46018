"""Bytes to and from Kaggle's storage: signed URLs, to which no credential is ever sent."""

import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import requests

from ffdi.core import console
from ffdi.core.errors import SpaceError
from ffdi.submission.errors import Unreachable, explain
from ffdi.submission.retry import RetryPolicy

CHUNK = 1 << 18
CONNECT_TIMEOUT = 10.0  # seconds
MEGA = 1_000_000


def put(url: str, path: Path, stall: float) -> None:
    """Send a file. Raise what requests raises, and Unreachable if the server has received only a part of it."""
    with requests.Session() as session, path.open("rb") as file:
        session.auth = _no_auth
        body = file if path.stat().st_size else b""  # an empty file object is sent in chunks, which storage refuses
        response = session.put(url, data=body, timeout=(CONNECT_TIMEOUT, stall), allow_redirects=False)
        if response.status_code == 308:
            raise Unreachable(f"Kaggle has received only a part of {path.name}; run again.")
        if response.status_code not in (200, 201):
            raise requests.HTTPError(f"HTTP {response.status_code}", response=response)


def get(url: str, stall: float, start: int = 0, etag: str = "") -> requests.Response:
    """Return an open response: 200, or 206 from byte `start` of the content `etag`. Raise what requests raises."""
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": etag}
    with requests.Session() as session:
        session.auth = _no_auth
        response = session.get(url, headers=headers, stream=True, timeout=(CONNECT_TIMEOUT, stall))
    if response.status_code not in (200, 206):
        _ = response.content  # read here, within the caller's deadline
        raise requests.HTTPError(f"HTTP {response.status_code}", response=response)
    return response


def fetch(begin: Callable[[], requests.Response], path: Path, policy: RetryPolicy, label: str = "") -> None:
    """Write the content that `begin` opens to `path`, whole; go on from the part that an earlier run left.

    Args:
        begin: opens the response, and raises the errors of `ffdi.submission.errors`.
        path: where the file goes; the part lies beside it until it is whole.
        policy: how many tries in a row may bring no byte.
        label: the name of a progress bar; without one there is none.

    Raises:
        Unreachable: if it could not be fetched; what came is kept.
    """
    part, idle = _Part(path), 0
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        before, response = part.size, begin()
        try:
            _fetch_rest(response, part, policy, label)
            break
        except Exception as raised:
            error = explain(raised, f"send {path.name}")
        finally:
            response.close()
        idle = 0 if part.size > before else idle + 1
        if idle >= policy.tries or not isinstance(error, Unreachable):
            raise error
        policy.sleep(min(policy.max_backoff, policy.backoff * 2**idle))
    part.finish(path)


class _Part:
    """The part of a file that is there already, and a note of the content [etag, size] that it belongs to."""

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(path.name + ".part")
        self._note = path.with_name(path.name + ".part.json")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def belongs_to(self, etag: str, size: int | None) -> bool:
        try:
            return (
                bool(etag) and json.loads(self._note.read_text()) == [etag, size] and self.size <= (size or self.size)
            )
        except (OSError, ValueError):
            return False

    def restart(self, etag: str, size: int | None) -> None:
        self.path.write_bytes(b"")
        self._note.write_text(json.dumps([etag, size]))

    def finish(self, path: Path) -> None:
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(self.path, path)
        self._note.unlink(missing_ok=True)


def _fetch_rest(response: requests.Response, part: _Part, policy: RetryPolicy, label: str) -> None:
    """Bring the part to its full size; part and note agree at every moment."""
    (etag, size), name = _content_of(response), part.path.stem
    if not part.belongs_to(etag, size):
        part.restart(etag, size)
    if size is not None and part.size == size:
        return
    needed, free = (size or 0) - part.size, shutil.disk_usage(part.path.parent).free
    if needed > free:
        raise SpaceError(f"{name} needs {needed:,} more bytes, {free:,} are free; free some and run again.")
    if part.size:
        response.close()
        response = get(response.url, policy.stall_timeout, part.size, etag)
        if not response.headers.get("Content-Range", "").startswith(f"bytes {part.size}-"):
            part.restart(etag, size)  # the server sends all of it: it takes no ranges, or the content has changed
    with console.progress(label, -(-size // MEGA), "MB") if label and size else nullcontext() as meter:
        _receive(response, part, time.monotonic() + policy.transfer_timeout(size or 10**12), meter)
    if size is not None and part.size != size:
        raise Unreachable(f"Only {part.size:,} of {size:,} bytes of {name} came; run again to go on.")


def _content_of(response: requests.Response) -> tuple[str, int | None]:
    """Return what tells this content from another ("" if no part of it can be asked for), and its bytes if known."""
    headers = response.headers
    if headers.get("Content-Encoding"):  # the length is not that of the file
        return "", None
    etag = headers.get("ETag") or headers.get("Last-Modified") or ""
    resumable = headers.get("Accept-Ranges") == "bytes" and not etag.startswith("W/")
    length = headers.get("Content-Length", "")
    return etag if resumable else "", int(length) if length.isdigit() else None


def _receive(response: requests.Response, part: _Part, until: float, meter: console.Meter | None) -> None:
    there = part.size
    if meter:
        meter.skip(-(-there // MEGA))
    with response, part.path.open("ab", buffering=0) as file:
        # read1, since read drops what came of a chunk when the connection ends.
        while chunk := response.raw.read1(CHUNK, decode_content=True):
            file.write(chunk)
            there += len(chunk)
            if meter and (more := -(-there // MEGA) - meter.done) > 0:
                meter.advance(more)
            if time.monotonic() > until:  # a stalled read is noticed by the socket, a slow one only here
                raise TimeoutError


def _no_auth(request: Any) -> Any:
    """Return the request as it is: without this, requests would add a credential from ~/.netrc."""
    return request
