import errno
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path
from unittest.mock import Mock

import pytest

from ffdi.__main__ import main
from tests.fixtures.command_line import CommandLine, command_line


@pytest.fixture
def line(tmp_path: Path) -> CommandLine:
    return command_line(tmp_path, 'name = "tiny"\n[[member]]\nname = "one"\nmodel = "test_resnet"\n')


def test_ctrl_c_is_one_sentence(line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ffdi.cli.folds.run", Mock(side_effect=KeyboardInterrupt))
    assert line.run("folds") == 130
    assert line.err.strip() == "error: Interrupted; what was finished is saved, run the same command to go on."


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError("of nothing"),
        pytest.param(BrokenPipeError(errno.EPIPE, "Broken pipe"), id="Typer would end with 1 in silence"),
        pytest.param(EOFError("Ran out of input"), id="Typer would say that it aborted"),
    ],
)
def test_a_defect_is_one_line_and_its_traceback_is_in_a_file(
    error: Exception, line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ffdi.cli.folds.run", Mock(side_effect=error))
    monkeypatch.chdir(line.folder)
    assert line.run("folds") == 1
    told = " ".join(line.err.split())
    assert f"error: ffdi folds failed ({type(error).__name__}: " in told
    assert told.endswith("The traceback, for a report, is in work/error.txt.")
    assert "Traceback" not in line.err
    assert str(error) in Path("work/error.txt").read_text()


def test_ctrl_c_while_modules_are_imported_says_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupted(MetaPathFinder):
        def find_spec(self, name: str, path: object, target: object = None) -> None:
            if name == "ffdi.cli.main":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "ffdi.cli.main")
    monkeypatch.delattr("ffdi.cli.main")
    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == ""


def test_the_command_is_the_command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["ffdi", "--help"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert "explain" in capsys.readouterr().out
