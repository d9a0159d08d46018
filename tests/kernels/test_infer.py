"""The infer kernel: once as Kaggle runs it, a process of its own that sees the script and the mounts; the variants of a
hidden rerun in this process, through its main."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ffdi.core import checksum, digest
from ffdi.core.errors import FfdiError, UserError
from ffdi.infer.engine import TeamLogits
from ffdi.kernels import infer, team
from ffdi.kernels.run import complete
from ffdi.submission.check import render
from tests.kernels.conftest import BROKEN, LACKING, SLUG, TABLE, TEST, Home, Mounts, script_of


def test_the_kernel_gives_the_submission_of_the_blend_byte_for_byte(
    home: Home, mounts: Mounts, run_script: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    """As a cell of a notebook, in a process where what the image lacks cannot be imported."""
    for name in LACKING:
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('the image has no {name}')\n")
    mounts.add(home.images, f"competitions/{SLUG}")
    mounts.add(home.pack, "datasets/someone/tiny-team")
    code, out = run_script(script_of("infer", run="abc-1"), cell=True, PYTHONPATH=str(tmp_path))
    assert code == 0, out
    assert (mounts.working / "submission.csv").read_bytes() == render(home.result.submission, home.competition)
    record = checksum.read_json(mounts.working / "run.json")
    assert (record["kind"], record["run"], record["degraded"], record["doubt"]) == ("infer", "abc-1", [], "")
    assert record["imputed"] == [BROKEN]
    assert record["pack"] == home.team.digest
    assert {path.name for path in mounts.working.iterdir()} == {"submission.csv", "run.json"}


def run(mounts: Mounts, **values: object) -> dict[str, Any]:
    (folder,) = (path.parent for path in mounts.input.rglob("team.json"))
    return infer.main(complete("infer", {"workers": 0, "until": "", **values}), team.read(folder))


def test_a_submission_is_written_though_not_one_image_can_be_read(home: Home, mounts: Mounts) -> None:
    images = mounts.add(home.images, f"competitions/{SLUG}")
    mounts.add(home.pack, "tiny-team")
    for path in (images / TEST).iterdir():
        path.write_bytes(b"\0\0")
    record = run(mounts)
    assert "every prediction is" in record["doubt"]
    assert set(pd.read_csv(mounts.working / "submission.csv").y_pred) == {home.team.prior}


def test_weights_that_make_another_network_here_are_refused_before_anything_is_predicted(
    home: Home, mounts: Mounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts.add(home.images, SLUG)
    folder = mounts.add(home.pack, "tiny-team")
    path = folder / "two-fold0.safetensors"
    arrays, facts = checksum.read_tensors(path)
    arrays["golden/outputs_BK"] += np.float32(0.02)
    checksum.write_tensors(path, arrays, facts)
    about = checksum.read_json(folder / "team.json")
    checksum.write_json(folder / "team.json", {**about, "files": {**about["files"], path.name: digest.of_file(path)}})
    monkeypatch.setattr(infer, "predict_team", None)
    with pytest.raises(FfdiError, match=r"golden outputs moved by 0\.02"):
        run(mounts)


def test_without_any_time_a_full_submission_comes_all_the_same(home: Home, mounts: Mounts) -> None:
    """60 s are what it keeps to blend and to write."""
    mounts.add(home.images, f"competitions/{SLUG}")
    mounts.add(home.pack, "tiny-team")
    record = run(mounts, until="60s")
    table = pd.read_csv(home.images / TABLE).img_name
    frame = pd.read_csv(mounts.working / "submission.csv")
    assert frame.img_name.tolist() == table.tolist()
    assert record["unreached"] > 0
    assert frame.y_pred.between(0, 1).all()


def test_what_was_given_up_leaves_its_share_to_the_others(home: Home) -> None:
    """A member gone: as a blend of the rest. Views gone: as their mean without them."""
    rows = pd.DataFrame({"id": ["b", "a", "c"], "relpath": ""})
    logits_RV = np.array([[1, 5], [2, -9], [3, 0]], np.float32)
    none = np.zeros(3, bool)
    found = TeamLogits({("one", 1): logits_RV[:, :1]}, {("one", 1): ("hflip",)}, none, none, ("the rest",))
    made = infer.blended(home.team, rows, found)
    assert made.tolist() == sorted(made)
    both = TeamLogits({("one", 0): logits_RV}, {("one", 0): ("identity", "hflip")}, none, none, ())
    assert pd.Series(infer.blended(home.team, rows, both)).rank().tolist() == [3, 1, 2]


def test_a_dataset_without_a_team_is_refused(home: Home, mounts: Mounts) -> None:
    folder = mounts.add(home.pack, "tiny-team")
    checksum.write_json(folder / "team.json", {**checksum.read_json(folder / "team.json"), "members": []})
    with pytest.raises(UserError, match="holds no team; run `ffdi kernels pack` without --train"):
        run(mounts)
