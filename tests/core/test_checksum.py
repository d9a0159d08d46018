import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ffdi.core import atomic, checksum, keys
from ffdi.core.errors import CorruptError, UserError


def _json(path: Path) -> None:
    checksum.write_json(path, {"name": "lite0", "scores": [0.5, 1e-9], "empty": {}})


def _table(path: Path) -> None:
    frame = pd.DataFrame(
        {"id": ["a", "b"], "view": ["identity"] * 2, "logit": np.float32([0.5, -2]), "imputed": [True, False]}
    )
    checksum.write_table(path, frame, {"fold": 1})


def _tensors(path: Path) -> None:
    checksum.write_tensors(path, {"w": np.arange(6, dtype=np.float32).reshape(2, 3)}, {"step": 7})


WRITERS: dict[str, tuple[Callable[[Path], None], Callable[[Path], object]]] = {
    "json": (_json, checksum.read_json),
    "table": (_table, checksum.read_table),
    "tensors": (_tensors, checksum.read_tensors),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_every_flipped_bit_and_truncation_is_refused(tmp_path: Path, kind: str) -> None:
    write, read = WRITERS[kind]
    path = tmp_path / "artefact"
    write(path)
    good = path.read_bytes()
    rng = keys.rng("flip", kind)
    for position in rng.choice(len(good) * 8, 400, replace=False):
        bad = bytearray(good)
        bad[position // 8] ^= 1 << (position % 8)
        path.write_bytes(bytes(bad))
        with pytest.raises(CorruptError, match="artefact"):
            read(path)
    for length in rng.integers(0, len(good), 50):
        path.write_bytes(good[:length])
        with pytest.raises(CorruptError, match="artefact"):
            read(path)
    path.write_bytes(good)
    read(path)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_kill_in_a_writer_leaves_a_whole_artefact(tmp_path: Path, kind: str) -> None:
    write, read = WRITERS[kind]
    _killed_in(write, read, tmp_path / "artefact", 12)


@pytest.mark.slow
@pytest.mark.parametrize("kind", WRITERS)
def test_100_kills_in_each_writer(tmp_path: Path, kind: str) -> None:
    write, read = WRITERS[kind]
    _killed_in(write, read, tmp_path / "artefact", 100)


def _killed_in(write: Callable[[Path], None], read: Callable[[Path], object], path: Path, kills: int) -> None:
    write(path)
    rng = keys.rng("kill", path.name)
    for _ in range(kills):
        child = os.fork()
        if child == 0:
            while True:
                write(path)
        time.sleep(rng.uniform(0, 0.05))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        read(path)
    atomic.sweep(path.parent)
    assert list(path.parent.iterdir()) == [path]


def test_values_come_back(tmp_path: Path) -> None:
    path = tmp_path / "a"
    _json(path)
    assert checksum.read_json(path) == {"name": "lite0", "scores": [0.5, 1e-9], "empty": {}}
    _table(path)
    frame = checksum.read_table(path)
    assert frame.dtypes.astype(str).to_dict() == {"id": "str", "view": "str", "logit": "float32", "imputed": "bool"}
    assert checksum.read_table(path, ["id"]).id.tolist() == ["a", "b"]
    assert checksum.read_facts(path) == {"fold": 1}
    _tensors(path)
    tensors, facts = checksum.read_tensors(path)
    assert tensors["w"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert facts == {"step": 7}


def test_the_same_content_has_the_same_bytes(tmp_path: Path) -> None:
    for write, _ in WRITERS.values():
        write(tmp_path / "a")
        write(tmp_path / "b")
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
        assert checksum.digest(tmp_path / "a") == checksum.digest(tmp_path / "b")


def test_other_tools_open_the_files(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    _json(tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text())["name"] == "lite0"
    _table(tmp_path / "a.parquet")
    assert len(pd.read_parquet(tmp_path / "a.parquet")) == 2
    _tensors(tmp_path / "a.safetensors")
    assert load_file(tmp_path / "a.safetensors")["w"].shape == (2, 3)


def test_content_cannot_forge_a_checksum(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="too many values"):
        checksum.write_json(tmp_path / "a", {"note": "ffdi-sha256:" + "0" * 64})


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        checksum.read_json(tmp_path / "a")
