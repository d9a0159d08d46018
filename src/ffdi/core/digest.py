"""Hash bytes, files, plain values and the kit itself by sha256: the identity of everything it reads or writes."""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[1]


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
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return of_bytes(text.encode())


@cache
def code_digest() -> str:
    """Return 64 hex digits over the name and content of every `.py` file of the package."""
    paths = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
    return of_json({str(path): of_file(PACKAGE / path) for path in paths if "sample" not in path.parts})
