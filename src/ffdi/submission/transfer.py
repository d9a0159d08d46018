"""Bytes to and from Kaggle's storage: signed URLs, to which no credential is ever sent."""

import glob
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from ffdi.core import console, digest
from ffdi.submission.errors import Unreachable, explained
from ffdi.submission.retry import RetryPolicy, retry

CHUNK = 1 << 18
CONNECT_TIMEOUT = 10.0  # seconds
MEGA = 1_000_000


def put(url: str, path: Path, stall: float) -> None:
    """Send a file.

    Args:
        url: Where Kaggle wants it.
        path: The file.
        stall: Seconds without progress.

    Raises:
        requests.RequestException: As requests raises them.
        Unreachable: The storage refuses; another URL may do.
    """
    with path.open("rb") as file:
        body = file if path.stat().st_size else b""  # an empty file object is sent in chunks, which storage refuses
        timeout = (CONNECT_TIMEOUT, stall)
        response = requests.put(url, data=body, auth=_no_auth, timeout=timeout, allow_redirects=False)
    if response.status_code not in (200, 201):
        raise Unreachable(f"Kaggle's storage did not take {path.name} (HTTP {response.status_code}); run again.")


def get(url: str, stall: float, start: int = 0, etag: str = "") -> requests.Response:
    """Return an open response: 200, or 206 from byte `start` of the content `etag`. Raise as `put`.

    Args:
        url: A signed one.
        stall: Seconds without progress.
        start: First byte that is wanted.
        etag: Of the content whose part is here.
    """
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": etag}
    response = requests.get(url, headers=headers, auth=_no_auth, timeout=(CONNECT_TIMEOUT, stall), stream=True)
    if response.status_code not in (200, 206):
        response.close()
        raise Unreachable(f"Kaggle's storage did not send the file (HTTP {response.status_code}); run again.")
    return response


def fetch(begin: Callable[[], requests.Response], path: Path, policy: RetryPolicy) -> None:
    """Write the content that `begin` opens to `path`, whole; go on from the part that an earlier run left.

    Args:
        begin: opens the response, and raises the errors of `ffdi.submission.errors`.
        path: where the file goes; the part lies beside it until it is whole.
        policy: how often it is tried; tries that brought something earn as many more.

    Raises:
        Unreachable: if it could not be fetched; what came is kept.
    """
    path.parent.mkdir(parents=True, exist_ok=True)

    def once() -> None:
        explained(lambda: _fetch_rest(begin(), path, policy.timeout), f"send {path.name}")

    while True:
        there = _received(path)
        try:
            return retry(once, policy)
        except Unreachable:
            if _received(path) <= there:
                raise


def _parts(path: Path) -> list[Path]:
    return list(path.parent.glob(f"{glob.escape(path.name)}.*.part"))


def _received(path: Path) -> int:
    """Return the bytes that have come."""
    return sum(part.stat().st_size for part in _parts(path))


def _part(path: Path, etag: str, size: int | None) -> Path:
    """Return the file that collects this content, named after it, and remove those of other contents."""
    part = path.with_name(f"{path.name}.{digest.of_json([etag, size])[:12]}.part")
    for other in _parts(path):
        if other != part or not etag:
            other.unlink()
    part.touch()
    return part


def _fetch_rest(response: requests.Response, path: Path, stall: float) -> None:
    """Bring the part of this content to its full size and name it `path`."""
    with response:
        length = response.headers.get("Content-Length", "")
        size = int(length) if length.isdigit() else None
        etag = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
        part = _part(path, etag, size)
        there = part.stat().st_size
        if not there:
            _receive(response, part, size, path.name)
    if there and there != size:
        with get(response.url, stall, there, etag) as rest:
            if not rest.headers.get("Content-Range", "").startswith(f"bytes {there}-"):
                part.write_bytes(b"")  # the server sends all of it: it takes no ranges, or the content has changed
            _receive(rest, part, size, path.name)
    came = part.stat().st_size
    if size is not None and came != size:
        raise Unreachable(f"Only {came:,} of {size:,} bytes of {path.name} came; run again to go on.")
    os.replace(part, path)


def _receive(response: requests.Response, part: Path, size: int | None, name: str) -> None:
    total, there = _megabytes(size or 0), part.stat().st_size
    with part.open("ab", buffering=0) as file, console.progress(f"download {name}", total, "MB") as meter:
        meter.skip(_megabytes(there))
        # read1, since read drops what came of a chunk when the connection ends.
        while chunk := response.raw.read1(CHUNK, decode_content=True):
            file.write(chunk)
            there += len(chunk)
            meter.advance(_megabytes(there) - meter.done)
        os.fsync(file.fileno())


def _megabytes(size: int) -> int:
    return -(-size // MEGA)


def _no_auth(request: Any) -> Any:
    """Return the request as it is: without this, requests would add a credential from ~/.netrc."""
    return request
