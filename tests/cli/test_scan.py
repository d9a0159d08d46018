from pathlib import Path

import pytest

from ffdi.cli import scan
from ffdi.cli.desk import open_desk
from ffdi.core.errors import UserError
from ffdi.data import detector

RECIPE = 'name = "r"\n[data]\nlandmarks = "detector"\n[[member]]\nname = "a"\nmodel = "test_resnet"\n'


def test_a_wanted_detector_that_is_missing_is_told_before_the_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detector, "find_spec", lambda _: None)
    (tmp_path / "r.toml").write_text(RECIPE)
    desk = open_desk(tmp_path / "r.toml", tmp_path, tmp_path / "work", tmp_path / "submissions")
    with pytest.raises(
        UserError, match=r"install it with `pip install --no-deps facenet-pytorch==2\.6\.0 requests`, or s"
    ):
        scan.run(desk)
    assert not (tmp_path / "work").exists()
