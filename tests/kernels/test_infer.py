"""The infer kernel: once as Kaggle runs it, a process of its own that sees the script and the mounts; the variants of a
hidden rerun in this process, through its main."""

import shutil
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
from ffdi.submission.check import check, render
from tests.kernels.conftest import BROKEN, LACKING, SLUG, TABLE, TEST, WIDE, Home, Kernel, Mounts


def test_the_kernel_gives_the_submission_of_the_blend_byte_for_byte(
    home: Home, kernel: Callable[..., Kernel], tmp_path: Path
) -> None:
    """As a cell of a notebook, in a process where what the image lacks cannot be imported."""
    for name in LACKING:
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('the image has no {name}')\n")
    made = kernel("infer", run="abc-1")
    shutil.copytree(home.images, made.input / f"competitions/{SLUG}")
    shutil.copytree(home.pack, made.input / "datasets/someone/tiny-team")
    assert made.run(cell=True, PYTHONPATH=str(tmp_path)) == 0, made.out
    assert (made.working / "submission.csv").read_bytes() == render(home.result.submission, home.competition)
    record = checksum.read_json(made.working / "run.json")
    assert (record["kind"], record["run"], record["degraded"], record["doubt"]) == ("infer", "abc-1", [], "")
    assert record["imputed"] == [BROKEN]
    assert record["pack"] == home.team.digest
    assert {path.name for path in made.working.iterdir()} == {"submission.csv", "run.json"}


def run(mounts: Mounts, **values: object) -> dict[str, Any]:
    (folder,) = (path.parent for path in mounts.input.rglob("team.json"))
    return infer.main(complete("infer", {"workers": 0, "until": "", **values}), team.read(folder))


def test_a_hidden_rerun_has_other_images_and_another_number(home: Home, mounts: Mounts) -> None:
    """The older mounts, the competition one level down, a sample_submission that nobody exchanged."""
    images = mounts.add(home.images, f"{SLUG}/data")
    mounts.add(home.pack, "tiny-team")
    names = {old: f"new-{old}" for old in pd.read_csv(images / TABLE).img_name if old not in (BROKEN, WIDE)}
    names |= {f"again-{old}": f"copy-{old}" for old in names}
    (images / "sample_submission.csv").write_text("img_name,y_pred\n" + "".join(f"{old},0.5\n" for old in names))
    for old, new in names.items():
        shutil.copy(home.images / TEST / old.removeprefix("again-"), images / TEST / new)
    (images / TABLE).write_text("img_name\n" + "".join(f"{new}\n" for new in [*names.values(), "absent.png"]))
    record = run(mounts)
    checked = check(mounts.working / "submission.csv", home.competition, [*names.values(), "absent.png"])
    score = checked.set_index("img_name")["y_pred"]
    assert score["absent.png"] == home.team.prior
    assert (record["rows"], record["imputed"]) == (17, ["absent.png"])
    for old in [old for old in names if not old.startswith("again-")]:
        assert score[names[old]] == score[names[f"again-{old}"]]


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


@pytest.mark.parametrize("until", ["0s", "60s"])
def test_without_any_time_a_full_submission_comes_all_the_same(home: Home, mounts: Mounts, until: str) -> None:
    """60 s are what it keeps to blend and to write."""
    mounts.add(home.images, f"competitions/{SLUG}")
    mounts.add(home.pack, "tiny-team")
    record = run(mounts, until=until)
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


def test_a_missing_competition_ends_in_a_sentence_with_a_listing(home: Home, mounts: Mounts) -> None:
    mounts.add(home.pack, "tiny-team")
    with pytest.raises(
        UserError, match=f"Not mounted: the table {TABLE}; attach it to the notebook. .*holds tiny-team"
    ):
        run(mounts)


def test_a_dataset_without_a_team_is_refused(home: Home, mounts: Mounts) -> None:
    folder = mounts.add(home.pack, "tiny-team")
    checksum.write_json(folder / "team.json", {**checksum.read_json(folder / "team.json"), "members": []})
    with pytest.raises(UserError, match="holds no team; run `ffdi kernels pack` without --train"):
        run(mounts)
