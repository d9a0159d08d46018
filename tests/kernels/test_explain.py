"""`ffdi explain` on a trained team: its errors by the nets that did not see them, and any image by what was packed."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ffdi.blending.apply import BLEND
from ffdi.cli import explain as verb
from ffdi.cli.project import Project
from ffdi.core.errors import UserError
from ffdi.core.layout import Workspace
from tests.kernels.conftest import Home


def project(home: Home, places: Workspace | None = None) -> Project:
    return Project(Path("tiny.toml"), home.recipe, home.competition, home.images, places or home.places)


def test_the_worst_errors_by_the_fold_that_held_them_out(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    found = verb._explained(verb._worst(project(home), 3))
    oof = home.result.blended.oof.set_index("id")
    error = (oof["target"] - oof[BLEND]).abs()
    assert error[[one.name for one in found]].tolist() == sorted(error, reverse=True)[:3]
    runs = {path.name.rsplit("-", 1)[0]: path for path in home.places.runs.iterdir()}
    for one in found:
        member, _, fold = one.net.partition(" fold ")
        assert int(fold) == oof.loc[one.name, "fold"]
        logits = pd.read_parquet(runs[member] / f"fold{fold}" / "oof.parquet").set_index(["id", "view"])["logit"]
        assert one.logit == pytest.approx(logits[one.name, "identity"], abs=1e-3)
    verb.run([], 1, project(home), None)
    assert "page: " in capsys.readouterr().out
    html = home.places.report("explain").read_text()
    assert found[0].name in html
    assert "did not train on it" in html


def test_any_image_by_the_packed_team_and_without_a_manifest(home: Home, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (50, 40, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "face.png")
    places = Workspace(tmp_path / "work", tmp_path / "submissions")
    verb.run([tmp_path / "face.png"], 0, project(home, places), home.pack)
    html = places.report("explain").read_text()
    assert "face.png: unlabelled. The team gives it P(fake)" in html
    assert "The net shown is one fold model of the packed member" in html


def test_what_cannot_be_explained_is_one_sentence(home: Home, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no image")
    place = project(home, Workspace(tmp_path / "work", tmp_path))
    for images, worst, pack, message in (
        ([], 0, None, "one of the two"),
        ([tmp_path / "a.jpg"], 3, None, "one of the two"),
        ([], 3, home.pack, "leave --pack away"),
        ([tmp_path / "a.jpg"], 0, home.pack, r"a\.jpg cannot be explained: not_image"),
        ([tmp_path], 0, home.pack, "cannot be explained: Is a directory"),
        ([tmp_path / "a.jpg"], 0, None, "run `ffdi kernels pack`"),
    ):
        with pytest.raises(UserError, match=message):
            verb.run(images, worst, place, pack)
