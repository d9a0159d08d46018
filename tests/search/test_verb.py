"""`ffdi search` as a person uses it."""

from pathlib import Path

import pytest

from ffdi.config.load import load_competition, load_recipe
from ffdi.core.layout import Workspace
from ffdi.data import folds, scan
from tests.fixtures import command_line
from tests.fixtures.command_line import CommandLine

RECIPE = (
    command_line.RECIPE
    + """
[search]
member = "one"
trials = 2
[search.proxy]
epochs = 1
folds = [0]
[search.space]
lr = {low = 1e-4, high = 1e-2, log = true}
"augment.strength" = {low = 0, high = 2}
"""
)


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return command_line.command_line(tmp_path, RECIPE)


def prepared(line: CommandLine) -> None:
    """As scan and folds leave it, without their pages."""
    recipe, places = load_recipe(line.recipe), Workspace(line.work, line.work)
    rows = scan.scan(load_competition(recipe.competition), line.images, places, 0)
    folds.make(places, recipe.folds, rows, recipe.data.train_splits)


def test_from_the_folds_to_the_table_of_trials(line: CommandLine) -> None:
    prepared(line)
    assert line.run("search", "--status") == 2
    assert "has not begun" in line.err
    assert not (line.work / "search").exists()
    assert line.run("search", "--workers", "1", "--no-rerun") == 0, line.err
    for told in ("The search: Best trials", "augment.strength", "2 complete; budget 2 trials"):
        assert told in line.out
    runs = {path: path.stat().st_mtime_ns for path in line.work.rglob("runs/**/*") if path.is_file()}
    assert [path.parent.name for path in runs if path.name == "oof.parquet"] == ["fold0", "fold0"]
    line.recipe.write_text(RECIPE.replace("trials = 2", "trials = 3"))
    assert line.run("search", "--workers", "1", "--no-rerun") == 0, line.err
    assert line.run("search", "--status") == 0, line.err
    assert "3 complete; budget 3 trials" in line.out
    assert runs.items() <= {path: path.stat().st_mtime_ns for path in line.work.rglob("runs/**/*")}.items()


def test_the_best_are_run_again_and_promoted_only_beyond_noise(line: CommandLine) -> None:
    line.recipe.write_text(RECIPE.replace("trials = 2", "trials = 1\ntop_k = 1\nrerun_seeds = 1"))
    prepared(line)
    assert line.run("search", "--workers", "1", "--no-rerun") == 0, line.err
    assert line.run("search", "--promote") == 2
    assert "4 of 4 re-runs are not done; run ffdi search" in line.err
    assert line.run("search", "--workers", "1") == 0, line.err
    for told in ("4 of 4 re-runs to do", "Fresh seeds: Run again", "beyond noise", "page:"):
        assert told in line.out
    again = [path for path in line.work.rglob("runs/one-*-seed*/fold*/*") if path.is_file()]
    assert {path.parent.parent.name.rsplit("-", 1)[0] for path in again} == {
        "one-default-seed1",
        "one-t0-seed1",
    }
    assert not [path for path in again if path.name == "weights.safetensors"]
    before = {path: path.stat().st_mtime_ns for path in again}
    left_by_a_kill = again[0].parent / "weights.safetensors"
    left_by_a_kill.touch()
    html = (line.work / "reports/search.html").read_text()
    for told in ("Run again", "History"):
        assert told in html
    text = line.recipe.read_text()
    assert line.run("search", "--promote") == 0, line.err
    assert ("stays as it is" in line.out) == (line.recipe.read_text() == text)
    assert line.run("search", "--workers", "1") == 0, line.err
    assert "re-runs to do" not in line.out
    assert not left_by_a_kill.exists()
    assert {path: path.stat().st_mtime_ns for path in again} == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--until", "2001-01-01T00:00"), "is over already"),
        (("--cluster", "auto", "--storage", "sqlite://"), "leave out --storage"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(line: CommandLine, arguments: tuple[str, ...], told: str) -> None:
    assert line.run("search", *arguments, "--workers", "1") == 2
    assert told in " ".join(line.err.split())
    assert "Traceback" not in line.err + line.out


@pytest.mark.slow
def test_two_workers_that_train(line: CommandLine) -> None:
    prepared(line)
    line.recipe.write_text(RECIPE.replace("trials = 2", "trials = 4"))
    assert line.run("search", "--workers", "2", "--no-rerun") == 0, line.err
    assert "4 complete; budget 4 trials" in line.out
