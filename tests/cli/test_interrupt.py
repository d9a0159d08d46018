from pathlib import Path

import pytest

from tests.fixtures.command_line import command_line


def test_ctrl_c_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ffdi.cli.folds.run", interrupted)
    line = command_line(tmp_path, 'name = "tiny"\n[[member]]\nname = "one"\nmodel = "test_resnet"\n')
    assert line.run("folds") == 130
    assert line.err.strip() == "error: Interrupted; what was finished is saved, run the same command to go on."
