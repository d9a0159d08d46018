"""Hash bytes, files and plain values by sha256: the identity of everything the kit reads or writes."""

import hashlib
import json
from pathlib import Path
from typing import Any


def of_bytes(data: bytes) -> str:
    """Return 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def of_file(path: Path) -> str:
    """Return 64 hex digits over the content of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def of_json(value: Any) -> str:
    """Return 64 hex digits over a value that JSON can hold; the order of keys does not matter.

    Raise ValueError for NaN and infinity, which JSON does not have.
    """
    return of_bytes(canonical(value).encode())


def canonical(value: Any) -> str:
    """Return the one JSON text of a value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
