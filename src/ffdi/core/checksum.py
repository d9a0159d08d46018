"""Artefacts that carry the sha256 of their own bytes.

The 64 digits stand inside the file (a JSON value, a parquet footer entry, a safetensors header entry) and count as
zeros while the hash is made. So one rename commits content and checksum together, any reader of the format still
opens the file, and every single bit is covered: safetensors alone loads 500 of 500 flipped payloads silently, parquet
332 of 400 (own measurement).
"""

import hashlib
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ffdi.core import atomic
from ffdi.core.errors import CorruptError, UserError

MARK = b"ffdi-sha256:"
BLANK = "0" * 64
_SEAL = re.compile(MARK + rb"([0-9a-f]{64})")


def seal(data: bytes) -> bytes:
    """Fill in the one blank seal of `data`."""
    match = _only_seal(data, "new artefact")
    return data[: match.start(1)] + _hash(data, match).encode() + data[match.end(1) :]


def read(path: Path) -> bytes:
    """The bytes of a sealed file. Raises UserError if it is missing, CorruptError if one bit is not as written."""
    data = _bytes_of(path)
    match = _only_seal(data, str(path))
    if _hash(data, match).encode() != match.group(1):
        raise CorruptError(f"{path} is damaged: its bytes do not match its seal; delete it and run the verb again.")
    return data


def digest(path: Path) -> str:
    """The identity of a sealed file: its seal, verified."""
    return _only_seal(read(path), str(path)).group(1).decode()


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    body = {**value, "seal": MARK.decode() + BLANK}
    text = json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    atomic.write_bytes(path, seal(text.encode()))


def read_json(path: Path) -> dict[str, Any]:
    value = json.loads(read(path))
    del value["seal"]
    return value


def write_table(path: Path, frame: pd.DataFrame, facts: Mapping[str, Any] | None = None) -> None:
    """A frame (its index is dropped) as parquet, with `facts` (JSON values) in the footer."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    # Only the columns: pandas' own metadata would carry its version into the digest.
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    metadata = {"facts": json.dumps(dict(facts or {}), sort_keys=True), "seal": MARK.decode() + BLANK}
    buffer = io.BytesIO()
    # Without the stored Arrow schema, which would repeat the blank seal in base64.
    with pq.ParquetWriter(buffer, table.schema, compression="zstd", store_schema=False) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(metadata)
    atomic.write_bytes(path, seal(buffer.getvalue()))


def read_table(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    import pyarrow.parquet as pq

    return pq.read_table(io.BytesIO(read(path)), columns=columns, use_threads=False).to_pandas()


def read_facts(path: Path) -> dict[str, Any]:
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(io.BytesIO(read(path))).metadata
    return json.loads(metadata[b"facts"])


def write_tensors(path: Path, tensors: Mapping[str, np.ndarray], facts: Mapping[str, Any] | None = None) -> None:
    """Named arrays as safetensors, with `facts` (JSON values) in the header."""
    from safetensors.numpy import save

    # One entry: with two, safetensors writes them in a random order.
    body = {"facts": dict(facts or {}), "seal": MARK.decode() + BLANK}
    metadata = {"ffdi": json.dumps(body, sort_keys=True)}
    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    atomic.write_bytes(path, seal(save(arrays, metadata)))


def read_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """(arrays by name, facts); the arrays are writable copies."""
    from safetensors.numpy import load

    data = read(path)
    size = int.from_bytes(data[:8], "little")
    facts = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["ffdi"])["facts"]
    return {name: array.copy() for name, array in load(data).items()}, facts


def _hash(data: bytes, match: re.Match[bytes]) -> str:
    digest = hashlib.sha256(memoryview(data)[: match.start(1)])
    digest.update(BLANK.encode())
    digest.update(memoryview(data)[match.end(1) :])
    return digest.hexdigest()


def _only_seal(data: bytes, name: str) -> re.Match[bytes]:
    matches = list(_SEAL.finditer(data))
    if len(matches) != 1:
        raise CorruptError(f"{name} is damaged: {len(matches)} seals in it, not one; delete it and run the verb again.")
    return matches[0]


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist; run the verb that writes it first.") from error
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}.") from error
