"""`ffdi kernels build` and `pack` as a person uses them."""

import json
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from ffdi.cli import main as command
from ffdi.kernels import contest

RECIPE = """
name = "my_team"
competition = "{competition}"
[[member]]
name = "one"
model = "test_resnet"
"""


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["ffdi", "kernels", *arguments])
    with pytest.raises(SystemExit) as ended:
        command.main()
    return int(ended.value.code or 0)


def test_build_writes_the_kernels_that_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("recipe.toml").write_text(RECIPE.format(competition="multi-ffdi-phase1"))
    assert run(monkeypatch, "build", "--recipe", "recipe.toml", "--kind", "infer") == 0
    assert run(monkeypatch, "build", "--recipe", "recipe.toml", "--kind", "blend", "--name", "other-name") == 0
    made = {path.relative_to("kernels").as_posix() for path in Path("kernels").rglob("*.*")}
    homes = ("my-team-infer", "other-name-blend")
    assert made == {f"{name}/{file}" for name in homes for file in (f"{name}.py", "kernel-metadata.json")}
    assert '"OWNER/my-team-weights"' in Path("kernels/my-team-infer/kernel-metadata.json").read_text()


def test_a_competition_of_ones_own_travels_in_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = (files("ffdi") / "competitions" / "multi-ffdi-phase2.toml").read_text()
    monkeypatch.chdir(tmp_path)
    Path("contests").mkdir()
    Path("contests/other.toml").write_text(shipped.replace('"multi-ffdi-phase2"', '"other"'))
    Path("recipe.toml").write_text(RECIPE.format(competition="contests/other.toml"))
    assert run(monkeypatch, "build", "--recipe", "recipe.toml", "--kind", "train") == 0
    text = Path("kernels/my-team-train/my-team-train.py").read_text()
    assert 'SOURCES["ffdi/competitions/other.toml"]' in text
    about = json.loads(Path("kernels/my-team-train/kernel-metadata.json").read_text())
    assert about["competition_sources"] == ["other", "multi-ffdi"]  # an earlier phase holds images to train on
    assert contest.shipped_name("contests/other.toml") == "other"


def test_a_mistake_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("recipe.toml").write_text(RECIPE.format(competition="multi-ffdi-phase2"))
    assert run(monkeypatch, "build", "--recipe", "recipe.toml", "--name", "No Name") == 2
    assert "A kernel cannot be called 'No Name-infer'" in capsys.readouterr().err
    assert run(monkeypatch, "pack", "--recipe", "recipe.toml", "--data", str(tmp_path)) == 2
    assert "manifest.parquet does not exist; run `ffdi scan` first." in capsys.readouterr().err
