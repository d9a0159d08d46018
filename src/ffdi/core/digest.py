"""sha256 of bytes, files and plain values: the identity of everything the kit reads or writes."""

import hashlib
import json
from pathlib import Path
from typing import Any


def of_bytes(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def of_json(value: Any) -> str:
    """Digest of a value made of dicts, lists, strings, numbers, booleans and None; key order does not matter.

    Raises ValueError for NaN and infinity, which JSON does not have.
    """
    return of_bytes(canonical(value).encode())


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
