import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ffdi.cli import score as verb
from ffdi.core.errors import UserError
from ffdi.kernels.scorer import load_team
from tests.kernels.conftest import TEST, Home


def test_a_single_image_scores_as_its_rows_of_the_team(home: Home) -> None:
    """The weighted mean of the fold models' probabilities, from the logits that `ffdi train` left."""
    scorer = load_team(home.pack)
    weights = home.result.blended.weights
    runs = {path.name.rsplit("-", 1)[0]: path for path in home.places.runs.iterdir()}
    tables = {
        name: [pd.read_parquet(path) for path in sorted(run.glob("fold*/test.parquet"))] for name, run in runs.items()
    }
    for image in home.result.blended.test.query("~imputed")["id"].iloc[[0, 1, 2]]:
        wanted = 0.0
        for name, weight in weights.items():
            logits_K = [table[table["id"] == image]["logit"].mean() for table in tables[name]]
            wanted += weight * np.mean(1 / (1 + np.exp(-np.array(logits_K))))
        assert scorer.score(home.images / TEST / image) == pytest.approx(wanted, abs=1e-4)


def test_a_folder_scores_as_the_kernel_blends_and_as_its_images_alone(home: Home, tmp_path: Path) -> None:
    names = home.result.blended.test.query("~imputed")["id"].tolist()
    for name in names:
        shutil.copy(home.images / TEST / name, tmp_path / name)
    (tmp_path / "broken.png").write_bytes(b"no image")
    scorer = load_team(home.pack)
    found = scorer.predict(tmp_path, workers=0).set_index("id")
    assert sorted(found.index) == sorted([*names, "broken.png"])
    assert found["score"]["broken.png"] == home.team.prior
    assert np.isnan(found["probability"]["broken.png"])
    blend = home.result.blended.test.set_index("id")["blend"]
    assert found["score"].rank().loc[names].corr(blend.loc[names], method="spearman") > 0.99
    for name in names[:3]:
        assert found["probability"][name] == pytest.approx(scorer.score(tmp_path / name), abs=1e-4)
    with pytest.raises(UserError, match="There is no image in"):
        scorer.predict(tmp_path / "nowhere")


def test_a_missing_or_broken_image_is_one_sentence(home: Home, tmp_path: Path) -> None:
    scorer = load_team(home.pack)
    (tmp_path / "a.jpg").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"a\.jpg cannot be scored: not_image"):
        scorer.score(tmp_path / "a.jpg")
    with pytest.raises(UserError, match=r"b\.jpg cannot be scored: No such file"):
        scorer.score(tmp_path / "b.jpg")


def test_the_verb_takes_images_and_folders(home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("b.png", "a.png"):
        Image.fromarray(np.full((20, 30, 3), 90, np.uint8)).save(tmp_path / name)
    verb.run([tmp_path, tmp_path / "b.png"], home.pack)
    assert capsys.readouterr().out.count(".png") == 3
    for name in ("c.png", "._a.png", ".DS_Store", "Thumbs.db"):
        (tmp_path / name).write_bytes(b"no image")
    with pytest.raises(UserError, match=r"c\.png cannot be scored: not_image: [^.]*\.$"):  # the others are passed over
        verb.run([tmp_path], home.pack)
    assert capsys.readouterr().out.count(".png") == 2  # what could be scored is shown first
