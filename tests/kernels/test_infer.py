"""The infer kernel: once as Kaggle runs it, a process of its own that sees the built file and the mounts; the variants
of a hidden rerun in this process, through its main."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ffdi.core import digest, checksum
from ffdi.core.errors import FfdiError, UserError
from ffdi.kernels import mounted, settings
from ffdi.kernels.entry import infer
from ffdi.kernels.entry.infer import blended
from ffdi.kernels.plan import read
from ffdi.infer.engine import TeamLogits
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
    shutil.copytree(home.pack, made.input / "datasets/someone/tiny-weights")
    assert made.run(cell=True, PYTHONPATH=str(tmp_path)) == 0, made.out
    assert (made.working / "submission.csv").read_bytes() == render(home.result.submission, home.competition)
    record = checksum.read_json(made.working / "run.json")
    assert (record["kind"], record["run"], record["degraded"], record["doubt"]) == ("infer", "abc-1", [], "")
    assert record["imputed"] == [BROKEN]
    assert record["pack"] == checksum.digest(home.pack / "plan.json")
    assert {path.name for path in made.working.iterdir()} == {"submission.csv", "run.json"}


def run(**values: object) -> dict[str, Any]:
    given = {one.name: one.value for one in settings.changed(settings.infer(), workers=0, **values)}
    infer.main(given)
    return checksum.read_json(mounted.working_root() / "run.json")


def test_a_hidden_rerun_has_other_images_and_another_number(home: Home, mounts: Mounts) -> None:
    """The older mounts, the competition one level down, a sample_submission that nobody exchanged."""
    images = mounts.add(home.images, f"{SLUG}/data")
    mounts.add(home.pack, "tiny-weights")
    names = {old: f"new-{old}" for old in pd.read_csv(images / TABLE).img_name if old not in (BROKEN, WIDE)}
    names |= {f"again-{old}": f"copy-{old}" for old in names}
    (images / "sample_submission.csv").write_text("img_name,y_pred\n" + "".join(f"{old},0.5\n" for old in names))
    for old, new in names.items():
        shutil.copy(home.images / TEST / old.removeprefix("again-"), images / TEST / new)
    (images / TABLE).write_text("img_name\n" + "".join(f"{new}\n" for new in [*names.values(), "absent.png"]))
    record = run()
    checked = check(mounts.working / "submission.csv", home.competition, [*names.values(), "absent.png"])
    score = checked.frame.set_index("img_name")["y_pred"]
    assert score["absent.png"] == read(home.pack).prior
    assert (record["rows"], record["imputed"]) == (17, ["absent.png"])
    for old in [old for old in names if not old.startswith("again-")]:
        assert score[names[old]] == score[names[f"again-{old}"]]


def test_a_table_that_nobody_exchanged_gives_way_to_the_images(
    home: Home, mounts: Mounts, capsys: pytest.CaptureFixture[str]
) -> None:
    images = mounts.add(home.images, f"competitions/{SLUG}")
    mounts.add(home.pack, "tiny-weights")
    (images / TABLE).write_text("img_name\nof-the-public-test.png\n")
    assert run()["rows"] == 10
    assert "the 10 files there are the list" in capsys.readouterr().err
    assert pd.read_csv(mounts.working / "submission.csv").img_name.tolist() == sorted(
        pd.read_csv(home.images / TABLE).img_name
    )


def test_a_submission_is_written_though_not_one_image_can_be_read(home: Home, mounts: Mounts) -> None:
    images = mounts.add(home.images, f"competitions/{SLUG}")
    mounts.add(home.pack, "tiny-weights")
    for path in (images / TEST).iterdir():
        path.write_bytes(b"\0\0")
    record = run()
    assert "every prediction is" in record["doubt"]
    assert set(pd.read_csv(mounts.working / "submission.csv").y_pred) == {read(home.pack).prior}


def test_weights_that_make_another_network_here_are_refused_before_anything_is_predicted(
    home: Home, mounts: Mounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts.add(home.images, SLUG)
    folder = mounts.add(home.pack, "tiny-weights")
    path = folder / "two-fold0.safetensors"
    arrays, facts = checksum.read_tensors(path)
    arrays["golden/outputs_BK"] += np.float32(0.02)
    checksum.write_tensors(path, arrays, facts)
    told = (folder / "SHA256SUMS").read_text()
    named = next(line for line in told.splitlines() if path.name in line)
    (folder / "SHA256SUMS").write_text(told.replace(named, f"{digest.of_file(path)}  {path.name}"))
    monkeypatch.setattr(infer, "predict_team", None)
    with pytest.raises(FfdiError, match=r"golden outputs moved by 0\.02"):
        run()


def test_what_was_given_up_leaves_its_share_to_the_others(home: Home) -> None:
    """A member gone: as a blend of the rest. Views gone: as their mean without them."""
    plan = read(home.pack)
    rows = pd.DataFrame({"id": ["b", "a", "c"], "relpath": ""})
    logits_RV = np.array([[1, 5], [2, -9], [3, 0]], np.float32)
    none = np.zeros(3, bool)
    found = TeamLogits({("one", 1): logits_RV[:, :1]}, {("one", 1): ("hflip",)}, none, none, ("the rest",))
    made = blended(plan, rows, found)
    assert made["id"].tolist() == ["b", "a", "c"]
    assert made["blend"].tolist() == sorted(made["blend"])
    both = TeamLogits({("one", 0): logits_RV}, {("one", 0): ("identity", "hflip")}, none, none, ())
    assert blended(plan, rows, both)["blend"].rank().tolist() == [3, 1, 2]


@pytest.mark.parametrize(
    ("competition", "weights", "message"),
    [
        (None, "tiny-weights", f"Not mounted: the table {TABLE}; attach it to the notebook. .*holds tiny-weights"),
        (SLUG, None, r"Not mounted: the weights dataset \(plan.json\); attach it.*holds multi-ffdi-phase2"),
    ],
)
def test_a_missing_mount_ends_in_a_sentence_with_a_listing(
    home: Home, mounts: Mounts, competition: str | None, weights: str | None, message: str
) -> None:
    if competition:
        mounts.add(home.images, competition)
    if weights:
        mounts.add(home.pack, weights)
    with pytest.raises(UserError, match=message):
        run()
