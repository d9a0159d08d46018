"""Read and write artefacts that carry the sha256 of their own bytes.

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
from ffdi.core.layout import verb_of

KEY = "checksum"
BLANK = "ffdi-sha256:" + "0" * 64
_FOUND = re.compile(rb"ffdi-sha256:([0-9a-f]{64})")


def read(path: Path) -> bytes:
    """Return the bytes of an artefact. Raise UserError if it is missing, CorruptError if one bit is not as written."""
    return _verified(path)[0]


def digest(path: Path) -> str:
    """Return the checksum of an artefact, verified: its identity."""
    return _verified(path)[1]


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a value made of dicts, lists, strings, finite numbers, booleans and None."""
    atomic.write_bytes(path, json_bytes(value))


def json_bytes(value: Mapping[str, Any]) -> bytes:
    """Return the content of a file as `write_json` writes it."""
    text = json.dumps({**value, KEY: BLANK}, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    return _filled_in(text.encode())


def read_json(path: Path) -> dict[str, Any]:
    """Return what `write_json` wrote."""
    value = json.loads(read(path))
    del value[KEY]
    return value


def write_table(path: Path, frame: pd.DataFrame, facts: Mapping[str, Any] | None = None) -> None:
    """Write a table as parquet, with a checksum.

    Args:
        path: The file.
        frame: Its columns; the index is dropped.
        facts: JSON values for the footer.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    # Only the columns: pandas' own metadata would carry its version into the digest.
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    buffer = io.BytesIO()
    # Without the stored Arrow schema, which would repeat the blank checksum in base64.
    with pq.ParquetWriter(buffer, table.schema, compression="zstd", store_schema=False) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({"facts": json.dumps(dict(facts or {}), sort_keys=True), KEY: BLANK})
    atomic.write_bytes(path, _filled_in(buffer.getvalue()))


def read_table(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Return what `write_table` wrote, or some of its columns."""
    import pyarrow.parquet as pq

    return pq.read_table(io.BytesIO(read(path)), columns=columns, use_threads=False).to_pandas()


def read_facts(path: Path) -> dict[str, Any]:
    """Return the facts beside a table."""
    import pyarrow.parquet as pq

    return json.loads(pq.read_metadata(io.BytesIO(read(path))).metadata[b"facts"])


def write_tensors(path: Path, tensors: Mapping[str, np.ndarray], facts: Mapping[str, Any] | None = None) -> None:
    """Write arrays as safetensors, with a checksum.

    Args:
        path: The file.
        tensors: Arrays by name.
        facts: JSON values for the header.
    """
    from safetensors.numpy import save

    # One entry: with two, safetensors writes them in a random order.
    metadata = {"ffdi": json.dumps({"facts": dict(facts or {}), KEY: BLANK}, sort_keys=True)}
    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    atomic.write_bytes(path, _filled_in(save(arrays, metadata)))


def read_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return (arrays by name, facts); the arrays are writable copies."""
    from safetensors.numpy import load

    data = read(path)
    size = int.from_bytes(data[:8], "little")
    facts = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["ffdi"])["facts"]
    return {name: array.copy() for name, array in load(data).items()}, facts


def _filled_in(data: bytes) -> bytes:
    """Return `data` with its one blank checksum filled in."""
    ((start, end),) = _places(data)
    return data[:start] + _hash(data, start, end) + data[end:]


def _verified(path: Path) -> tuple[bytes, str]:
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist; run {verb_of(path)} first.") from error
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}.") from error
    places = _places(data)
    if len(places) != 1 or _hash(data, *places[0]) != data[slice(*places[0])]:
        remedy = f"delete it and run {verb_of(path)} again"
        raise CorruptError(f"{path} is damaged: its bytes do not match its checksum; {remedy}.")
    return data, data[slice(*places[0])].decode()


def _places(data: bytes) -> list[tuple[int, int]]:
    """Return where the 64 digits begin and end; one place where nothing is damaged."""
    return [found.span(1) for found in _FOUND.finditer(data)]


def _hash(data: bytes, start: int, end: int) -> bytes:
    made = hashlib.sha256(memoryview(data)[:start])
    made.update(b"0" * 64)
    made.update(memoryview(data)[end:])
    return made.hexdigest().encode()
