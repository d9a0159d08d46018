import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ffdi.core import console


def test_progress_is_plain_lines_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress("decode", 10) as meter:
        for _ in range(10):
            meter.advance()
    shown = capsys.readouterr().out
    assert "decode: 10/10 images" in shown
    assert "images/s" in shown


def test_resumed_work_counts_as_done_but_not_for_the_rate(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress("train", 1_000_000) as meter:
        meter.skip(999_999)
        meter.advance(0)
    assert capsys.readouterr().out == ""


PRINTS = "from ffdi.core import console; console.never_fail(); [console.say('é' * 99) for _ in range(9_999)]"


@pytest.mark.parametrize("output", ["2>/dev/null | head -1", ">/dev/full 2>&1", ">&- 2>&-", "| true"])
def test_no_work_ends_by_what_is_printed(output: str, tmp_path: Path) -> None:
    """What is printed nobody may read, and it may not fit: what follows is done all the same, and the exit is 0."""
    code = f"{PRINTS}; console.warn('x'); open('done', 'w')"
    command = f"set -o pipefail; {sys.executable} -c {shlex.quote(code)} {output}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True
    )
    assert (tmp_path / "done").exists()
    assert done.returncode == 0, done.stderr


def test_names_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Rich would read [old] as a style, fail at [/new], and make pictures of :cat: and :100:."""
    console.say("data/[old]/a:100:b")
    console.table("data/[old] [/new] :cat:", ["a", "[i]AUC"], [["[x] :cat:", "0.97"], ["[red]y", "0.96"]])
    told = " ".join(capsys.readouterr().out.split())  # a long title is wrapped
    names = ("data/[old]/a:100:b", "data/[old] [/new] :cat:", "[i]AUC", "[x] :cat:", "0.97", "[red]y", "0.96")
    assert all(name in told for name in names)
