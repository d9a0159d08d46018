"""A folder in which the verbs have been run, made once, and copies of it to change."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fixtures.command_line import RECIPE, CommandLine, command_line


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A folder in which folds, train and blend were run once."""
    line = command_line(tmp_path_factory.mktemp("finished"), RECIPE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(line.folder)
        for verb in ("folds", "train", "blend"):
            assert line.run(verb) == 0, line.err
    return line


@pytest.fixture
def line(finished: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """A copy of the finished folder, which a test may change."""
    shutil.copytree(finished.folder, tmp_path / "copy")
    folder = tmp_path / "copy"
    monkeypatch.chdir(folder)
    return replace(finished, folder=folder, images=folder / "contest", recipe=folder / "tiny.toml")
