from pathlib import Path

import pytest

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
