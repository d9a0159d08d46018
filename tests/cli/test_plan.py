"""A budget of minutes becomes a recipe, and the time that is over does not lose what is finished."""

import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import timm
import torch
from safetensors.torch import save_file

from ffdi.cli import plan
from ffdi.cli.project import Options
from ffdi.config import presets
from ffdi.config.load import load_recipe
from ffdi.config.recipe import Recipe
from ffdi.core import checksum
from ffdi.core.errors import Paused
from ffdi.training import budget, launch
from ffdi.training.budget import Speed
from tests.fixtures.command_line import CommandLine, command_line

OWN = '[[member]]\nname = "own"\nmodel = "test_resnet"\nweights = "none"\nimage_size = 32\n'


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """A folder without a recipe, on a machine whose steps are known and whose networks are tiny."""
    made = command_line(tmp_path, f'name = "own"\n{OWN}')
    (tmp_path / "weights").mkdir()
    torch.manual_seed(0)  # the folds are grouped by what this network sees
    save_file(timm.create_model("test_resnet").state_dict(), tmp_path / "weights" / "test_resnet.safetensors")
    monkeypatch.chdir(tmp_path)
    for module in (presets, plan):
        monkeypatch.setattr(module, "LARGE", ())
        monkeypatch.setattr(module, "SMALL", ("test_resnet",))
    monkeypatch.setattr(budget, "measure", lambda *_: Speed(0.4, 0.1, 0.01))
    return made


def run(line: CommandLine, *arguments: str) -> int:
    return line.run(*arguments, recipe=False)


def planned(line: CommandLine, minutes: float | None, recipe: Path | None = None) -> Path:
    plan.ensure(Options(recipe, line.images, line.folder / "work", line.folder / "submissions", minutes=minutes))
    return line.work / "recipe.toml"


def test_a_folder_without_a_recipe_gets_one_that_fits(line: CommandLine) -> None:
    assert run(line, "blend") == 2
    assert "run `ffdi folds` first" in line.err
    path = planned(line, 10)
    recipe = load_recipe(path)
    assert recipe.name == "minutes_10"
    assert "image_size = 64  # the images' own size" in path.read_text()
    assert "the flip alone: for few steps" in path.read_text()
    assert recipe.member[0].forge.share == 0
    assert load_recipe(planned(line, None)) == recipe  # without --minutes it stays
    assert load_recipe(planned(line, 100)).name == "minutes_100"
    assert len(load_recipe(path).member) >= len(recipe.member)


@pytest.mark.parametrize("minutes", ["0", "inf", "nan", "soon"])
def test_minutes_are_a_number_of_some_use(line: CommandLine, minutes: str) -> None:
    assert run(line, "folds", "--minutes", minutes) == 2
    assert "Invalid value for '--minutes'" in line.err
    assert not line.work.exists()


def test_a_named_recipe_wins_and_a_planned_one_can_be_copied(line: CommandLine) -> None:
    assert not planned(line, 10, line.recipe).exists()
    path = planned(line, None)
    assert load_recipe(path).name == "minutes_30"
    copied = line.recipe.with_name("copied.toml")
    copied.write_text(path.read_text())
    assert load_recipe(copied).data.folder == str(line.images)


def test_the_time_over_leaves_what_is_finished_to_the_blend(line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(line, "folds", "--minutes", "3") == 0, line.err
    path, whole = line.work / "recipe.toml", launch.train
    assert path.read_text() in line.out
    path.write_text(path.read_text().replace("epochs = ", "epochs = 1  # ") + OWN + "refit_full = true\n")
    monkeypatch.setattr("ffdi.cli.train.LAST_SAVES", 1e6)
    monkeypatch.setattr(launch, "train", stops_before("test_resnet", whole))
    assert run(line, "train") == 75  # nothing is finished
    monkeypatch.setattr(launch, "train", stops_before("own", whole))
    before = load_recipe(path)
    assert run(line, "train") == 0, line.err
    assert "the recipe goes on without own" in line.err
    assert path.read_text().partition("# Not finished in time:\n# [[member]]\n")[2].count('# name = "own"') == 1
    assert "the refits train for 2 epochs, not 1" in line.out
    assert [(one.name, one.epochs) for one in load_recipe(path).member] == [
        (one.name, 1 + one.refit_full) for one in before.member[:-1]
    ]
    assert run(line, "blend") == 0, line.err
    submission = line.folder / "submissions" / "001-minutes_3" / "submission.csv"
    assert pd.read_csv(submission).y_pred.between(0, 1).all()


def test_a_training_that_goes_on_keeps_the_epochs_of_its_refits(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(line, "folds", "--minutes", "30") == 0, line.err
    path, whole = line.work / "recipe.toml", launch.train
    path.write_text(path.read_text().replace("epochs = ", "epochs = 1  # "))
    monkeypatch.setattr(launch, "train", stops_before("test_resnet_all", whole))
    monkeypatch.setattr(budget, "read_seconds", lambda member, *_: 0.5 if member.refit_full else 0.25)
    seen, real = list[float](), budget.refit_epochs

    def spy(recipe: Recipe, rows: dict[str, int], speeds: dict[str, Speed], *seconds: float) -> int:
        seen.extend(speed.read for speed in speeds.values())
        return real(recipe, rows, speeds, *seconds)

    monkeypatch.setattr(budget, "refit_epochs", spy)
    assert run(line, "train") == 75
    assert seen == [0.25, 0.5, 0.5]  # each member has its own
    kept = path.read_text()
    assert "as many as fit" in kept
    monkeypatch.setattr(launch, "train", stops_before("nobody", whole))
    assert run(line, "train") == 0, line.err
    assert path.read_text() == kept


def test_only_refits_that_are_trained_get_other_epochs(tmp_path: Path) -> None:
    block = '[[member]]\nname = "a"\nepochs = 3\n'
    refit = '[[member]]\nname = "b"\nepochs = 4\nrefit_full = true\n'
    left_out = "".join(f"# {line}\n" for line in refit.splitlines())
    path = tmp_path / "recipe.toml"
    path.write_text(block + refit + left_out)
    plan.set_refit_epochs(path, 9)
    assert [line[:10] for line in path.read_text().splitlines() if "epochs" in line] == [
        "epochs = 3", "epochs = 9", "# epochs =",
    ]  # fmt: skip


@pytest.mark.parametrize("minutes", [0.1, 1])
def test_too_little_time_says_how_much_the_smallest_preset_takes_and_gives_it(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], minutes: float
) -> None:
    monkeypatch.setattr(budget, "measure", lambda *_: Speed(40.0, 10.0, 0.01))
    path = planned(line, minutes)
    assert f"Not even the smallest preset fits into {minutes:g} minutes; it takes about" in capsys.readouterr().err
    assert checksum.read_json(path.with_name("plan.json"))["training_seconds"] > 40.0


def stops_before(name: str, whole: Callable[..., None]) -> Callable[..., None]:
    """Train the members before `name`, in this process, then find the time over."""

    def train(jobs: list[launch.FoldJob], _: list[str], deadline: float, *others: object) -> None:
        assert deadline > time.time()
        names = [*(job.member.name for job in jobs), name]
        whole(jobs[: names.index(name)], ["cpu"], None)
        if name in names[:-1]:
            raise Paused("stopped (deadline)")

    return train
