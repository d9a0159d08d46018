import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from ffdi.core import atomic, checksum, keys
from ffdi.core.errors import CorruptError, UserError
from tests.fixtures.kills import repeat_and_kill

VALUE = {"name": "lite0", "scores": [0.5, 1e-9], "empty": {}}
FRAME = pd.DataFrame(
    {"id": ["a", "b"], "view": ["identity"] * 2, "logit": np.float32([0.5, -2]), "imputed": [True, False]}
)
WRITERS: dict[str, tuple[Callable[[Path], None], Callable[[Path], object]]] = {
    "json": (lambda path: checksum.write_json(path, VALUE), checksum.read_json),
    "parquet": (lambda path: checksum.write_table(path, FRAME, {"fold": 1}), checksum.read_table),
    "safetensors": (
        lambda path: checksum.write_tensors(path, {"w": np.arange(6, dtype=np.float32).reshape(2, 3)}, {"step": 7}),
        checksum.read_tensors,
    ),
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


@pytest.mark.parametrize("kills", [12, pytest.param(100, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", WRITERS)
def test_a_kill_in_a_writer_leaves_a_whole_artefact(tmp_path: Path, kind: str, kills: int) -> None:
    (write, read), path = WRITERS[kind], tmp_path / "artefact"
    write(path)
    rng = keys.rng("kill", path.name)
    for _ in range(kills):
        repeat_and_kill(lambda: write(path), rng.uniform(0, 0.05))
        read(path)
    atomic.sweep(tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_values_come_back_also_by_other_tools_and_have_the_same_bytes_again(tmp_path: Path) -> None:
    for write, _ in WRITERS.values():
        write(tmp_path / "again")
        write(tmp_path / "a")
        assert (tmp_path / "a").read_bytes() == (tmp_path / "again").read_bytes()
        assert checksum.digest(tmp_path / "a") == checksum.digest(tmp_path / "again")
    (write_json, _), (write_table, _), (write_tensors, _) = WRITERS.values()
    path = tmp_path / "a"
    write_json(path)
    assert checksum.read_json(path) == VALUE
    assert json.loads(path.read_text())["name"] == "lite0"
    write_table(path)
    for frame in (checksum.read_table(path), pd.read_parquet(path)):
        pd.testing.assert_frame_equal(frame, FRAME)
    assert checksum.read_table(path, ["id"]).columns.tolist() == ["id"]
    assert checksum.read_facts(path) == {"fold": 1}
    write_tensors(path)
    tensors, facts = checksum.read_tensors(path)
    assert tensors["w"].tolist() == load_file(path)["w"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert facts == {"step": 7}


def test_content_cannot_forge_a_checksum(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="too many values"):
        checksum.write_json(tmp_path / "a", {"note": "ffdi-sha256:" + "0" * 64})


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        checksum.read_json(tmp_path / "a")
