import errno
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path

import pytest

from ffdi.__main__ import main
from tests.fixtures.command_line import CommandLine, command_line


@pytest.fixture
def line(tmp_path: Path) -> CommandLine:
    return command_line(tmp_path, 'name = "tiny"\n[[member]]\nname = "one"\nmodel = "test_resnet"\n')


def test_ctrl_c_is_one_sentence(line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ffdi.cli.folds.run", interrupted)
    assert line.run("folds") == 130
    assert line.err.strip() == "error: Interrupted; what was finished is saved, run the same command to go on."


def test_a_defect_is_one_line_and_its_traceback_is_in_a_file(
    line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("of nothing")

    monkeypatch.setattr("ffdi.cli.folds.run", fail)
    assert line.run("folds") == 1
    path = line.folder / "work" / "error.txt"
    assert " ".join(line.err.split()).startswith(
        "error: ffdi folds failed (ZeroDivisionError: of nothing). The traceback, for a report, is in"
    )
    assert "Traceback" not in line.err
    assert "ZeroDivisionError: of nothing" in path.read_text()


@pytest.mark.parametrize("work", [("--work", "else where"), ("--work=else where",)])
def test_the_traceback_lies_below_work(
    work: tuple[str, ...], line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(line.folder)
    monkeypatch.setattr("ffdi.cli.folds.run", lambda _: 1 / 0)
    assert line.run("folds", "--data", str(line.images), *work, places=False) == 1
    assert "is in else where/error.txt" in " ".join(line.err.split())
    assert (line.folder / "else where" / "error.txt").exists()


@pytest.mark.parametrize("error", [BrokenPipeError(errno.EPIPE, "Broken pipe"), EOFError("Ran out of input")])
def test_what_typer_would_keep_to_itself_is_told(
    error: Exception, line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a process or a connection that is gone: Typer ends with 1 in silence, or says that it aborted."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("ffdi.cli.folds.run", fail)
    assert line.run("folds") == 1
    assert f"error: ffdi folds failed ({type(error).__name__}: " in line.err
    assert str(error) in (line.folder / "work" / "error.txt").read_text()


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
