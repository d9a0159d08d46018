"""Bytes to and from Kaggle's storage: signed URLs, to which no credential is ever sent."""

import glob
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from ffdi.core import console, digest
from ffdi.submission.errors import Unreachable, explain
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
    with requests.Session() as session, path.open("rb") as file:
        session.auth = _no_auth
        body = file if path.stat().st_size else b""  # an empty file object is sent in chunks, which storage refuses
        response = session.put(url, data=body, timeout=(CONNECT_TIMEOUT, stall), allow_redirects=False)
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
    with requests.Session() as session:
        session.auth = _no_auth
        response = session.get(url, headers=headers, stream=True, timeout=(CONNECT_TIMEOUT, stall))
    if response.status_code not in (200, 206):
        response.close()
        raise Unreachable(f"Kaggle's storage did not send the file (HTTP {response.status_code}); run again.")
    return response


def fetch(begin: Callable[[], requests.Response], path: Path, policy: RetryPolicy) -> None:
    """Write the content that `begin` opens to `path`, whole; go on from the part that an earlier run left.

    Args:
        begin: opens the response, and raises the errors of `ffdi.submission.errors`.
        path: where the file goes; the part lies beside it until it is whole.
        policy: how many tries in a row may bring no byte.

    Raises:
        Unreachable: if it could not be fetched; what came is kept.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    idle = 0
    while True:
        response = retry(begin, policy)
        etag, size = _content_of(response)
        part = _part(path, etag, size)
        before = part.stat().st_size
        try:
            _fetch_rest(response, part, etag, size, policy, path.name)
            return os.replace(part, path)
        except Exception as raised:
            error = explain(raised, f"send {path.name}")
        finally:
            response.close()
        idle = 0 if part.stat().st_size > before else idle + 1
        if idle >= policy.tries or not isinstance(error, Unreachable):
            raise error
        policy.sleep(min(policy.max_backoff, policy.backoff * 2**idle))


def _content_of(response: requests.Response) -> tuple[str, int | None]:
    """Return what tells this content from another ("" if no part of it can be asked for), and its bytes if known."""
    headers = response.headers
    if headers.get("Content-Encoding"):  # the length is not that of the file
        return "", None
    etag = headers.get("ETag") or headers.get("Last-Modified") or ""
    resumable = headers.get("Accept-Ranges") == "bytes" and not etag.startswith("W/")
    length = headers.get("Content-Length", "")
    return etag if resumable else "", int(length) if length.isdigit() else None


def _part(path: Path, etag: str, size: int | None) -> Path:
    """Return the file that collects this content, named after it, and remove those of other contents."""
    part = path.with_name(f"{path.name}.{digest.of_json([etag, size])[:12]}.part")
    for other in path.parent.glob(f"{glob.escape(path.name)}.*.part"):
        if other != part or not etag:
            other.unlink()
    part.touch()
    return part


def _fetch_rest(
    response: requests.Response, part: Path, etag: str, size: int | None, policy: RetryPolicy, name: str
) -> None:
    """Bring the part to its full size."""
    there = part.stat().st_size
    if size is not None and there == size:
        return
    if there:
        response.close()
        response = get(response.url, policy.timeout, there, etag)
        if not response.headers.get("Content-Range", "").startswith(f"bytes {there}-"):
            part.write_bytes(b"")  # the server sends all of it: it takes no ranges, or the content has changed
    _receive(response, part, size, name)
    if size is not None and (came := part.stat().st_size) != size:
        raise Unreachable(f"Only {came:,} of {size:,} bytes of {name} came; run again to go on.")


def _receive(response: requests.Response, part: Path, size: int | None, name: str) -> None:
    there = part.stat().st_size
    with (
        response,
        part.open("ab", buffering=0) as file,
        console.progress(f"download {name}", _megabytes(size or 0), "MB") as meter,
    ):
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
