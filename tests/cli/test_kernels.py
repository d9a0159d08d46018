"""`ffdi kernels pack` as a person uses it; the rest of `ffdi kernels` is in `tests/kernels`."""

import sys
from importlib.resources import files
from pathlib import Path

import pytest

from ffdi.cli import main as command
from ffdi.kernels import team

RECIPE = """
name = "my_team"
competition = "{competition}"
[[member]]
name = "one"
model = "test_resnet"
weights = "none"
"""


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["ffdi", "kernels", *arguments, "--recipe", "recipe.toml", "--data", "."])
    with pytest.raises(SystemExit) as ended:
        command.main()
    return int(ended.value.code or 0)


def test_a_competition_of_ones_own_travels_in_the_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped = (files("ffdi") / "competitions" / "multi-ffdi-phase2.toml").read_text()
    monkeypatch.chdir(tmp_path)
    Path("other.toml").write_text(shipped.replace('"multi-ffdi-phase2"', '"other"'))
    Path("recipe.toml").write_text(RECIPE.format(competition="other.toml"))
    script = Path(__file__).parents[2] / "kernels" / "train.py"
    assert run(monkeypatch, "pack", "--train", "--single-file", str(script)) == 0
    folder = Path("work/other") / tmp_path.name / "kernels" / "my-team-recipe"
    assert (team.read(folder).competition.name, team.read(folder).recipe.competition) == ("other", "other")
    written = folder.parent / "my-team-train.py"
    assert f"{written}: " in capsys.readouterr().out
    assert script.read_text().partition("def install")[2].partition("PACK =")[0] in written.read_text()
    assert run(monkeypatch, "pack", "--train") == 0
    assert "upload the folder as a dataset, attach it, and paste kernels/train.py" in capsys.readouterr().out


def test_what_cannot_be_packed_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("recipe.toml").write_text(RECIPE.format(competition="multi-ffdi-phase2"))
    assert run(monkeypatch, "pack") == 2
    assert "run `ffdi blend` with this recipe first" in capsys.readouterr().err
    assert run(monkeypatch, "pack", "--train", "--wheels", "nowhere") == 2
    assert "nowhere holds no wheels" in capsys.readouterr().err
