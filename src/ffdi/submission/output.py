"""The output of a pushed kernel: waited for, fetched, and known by its run id.

Status and output may be those of another version (kaggle-cli #1200), so the kernel writes the id that its push gave it
into run.json, and only an output with that id is taken.
"""

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ffdi.core import atomic, checksum, console, digest
from ffdi.core.errors import CorruptError, UserError
from ffdi.submission.answers import KernelState
from ffdi.submission.folder import CSV
from ffdi.submission.kernel import STATE, Kernel, Pad, Push, save
from ffdi.submission.refusals import Refused
from ffdi.submission.row import plain

FACTS = "run.json"
STALE_LOOKS = 4  # at outputs of another run, before that is taken to be the newer one
LATE_LOOKS = 3  # in which a version that was just made may be denied
LOG, LOG_LINES = "log.txt", 25


def await_output(pad: Pad, kernel: Kernel, push: Push) -> Path:
    """The folder with the output of this push, fetched once its run is complete.

    Raises UserError with the end of the log when the run failed, Paused when the time is up.
    """
    if push.output and (pad.room / push.output).is_dir():
        return pad.room / push.output
    told: list[str] = []
    stale: list[str] = []

    def look(number: int) -> Path | None:
        try:
            state = pad.kaggle.kernel_status(kernel.about.owner, kernel.about.slug, push.version)
        except Refused as error:
            if number >= LATE_LOOKS or error.status not in (403, 404):
                raise
            return None
        if state.state not in told:
            told.append(state.state)
            _tell(kernel, state)
        return None if state.running else _ended(pad, kernel, push, state, stale)

    return pad.watch.wait(f"{kernel.about.id} is still running", look)


def _tell(kernel: Kernel, state: KernelState) -> None:
    if state.state.startswith("unknown"):
        console.warn(f"Kaggle calls the state of {kernel.about.id} {plain(state.state)}; taken as still running.")
    else:
        console.say(f"{kernel.about.id}: {state.state}")


def _ended(pad: Pad, kernel: Kernel, push: Push, state: KernelState, stale: list[str]) -> Path | None:
    """The checked output of a run that is over; None for that of another run, which may give way to ours."""
    fetched = Path(tempfile.mkdtemp(prefix="fetched-", dir=pad.room))
    try:
        _fetch(pad, kernel, push, state, fetched)
        facts = facts_of(fetched)
        if facts.get("run", push.run) != push.run:
            _stale(pad, kernel, push, str(facts["run"]), stale)
            return None
        if state.state != "complete":
            raise _failed(pad, kernel, state, _kept(fetched, pad.room / f"failed-v{push.version}"))
        _check(fetched, facts, kernel, push)
        output = _kept(fetched, pad.room / f"output-v{push.version}")
        save(pad.room, replace(push, output=output.name))
        return output
    finally:
        shutil.rmtree(fetched, ignore_errors=True)


def _kept(fetched: Path, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    return fetched.rename(folder)


def _fetch(pad: Pad, kernel: Kernel, push: Push, state: KernelState, folder: Path) -> None:
    """All that the run left. A run that failed may have left nothing that can be had, and is told of all the same."""
    try:
        pad.kaggle.kernel_output(kernel.about.owner, kernel.about.slug, folder, push.version)
    except UserError:
        if state.state == "complete":
            raise


def facts_of(folder: Path) -> dict[str, Any]:
    """What the kernel says of its run; nothing if it left no record, or a damaged one."""
    try:
        return checksum.read_json(folder / FACTS)
    except (UserError, ValueError, LookupError, TypeError, RecursionError):
        return {}


def _check(folder: Path, facts: Mapping[str, Any], kernel: Kernel, push: Push) -> None:
    """The output is of our run, and its submission, if it has one, came whole."""
    if "run" not in facts:
        raise UserError(
            f"The output of {kernel.about.id} has no sound {FACTS}, so nobody knows whose it is: {push.url}. To push "
            "anew, delete push.json beside the folder of the output."
        )
    wanted, path = facts.get("submission"), folder / CSV
    if wanted is not None and (not path.is_file() or digest.of_file(path) != wanted):
        raise CorruptError(f"{CSV} of {kernel.about.id} is not what the kernel wrote; run the same command again.")


def _stale(pad: Pad, kernel: Kernel, push: Push, run: str, stale: list[str]) -> None:
    """Raises UserError, and the push is forgotten, when the output of another run does not give way to ours."""
    stale.append(run)
    shown = plain(run)[:60]
    if len(stale) >= STALE_LOOKS:
        (pad.room / STATE).unlink()
        raise UserError(
            f"Kaggle shows the output of run {shown!r} of {kernel.about.id}, not of ours ({push.run!r}, version "
            f"{push.version}): another version was run since; run one at a time, and push again."
        )
    console.warn(f"Kaggle still shows the output of another run ({shown}); looking again.")


def _failed(pad: Pad, kernel: Kernel, state: KernelState, output: Path) -> UserError:
    """The end of the log is said, and the push forgotten: the next command is a new one."""
    log = output / f"{kernel.about.slug}.log"
    lines = log_lines(log.read_text(errors="replace")) if log.is_file() else []
    atomic.write_text(output / LOG, "\n".join(lines) + "\n")
    (pad.room / STATE).unlink()
    for line in lines[-LOG_LINES:]:
        console.say(f"  {line}")
    reason = f" ({plain(state.message)})" if state.message else ""
    return UserError(
        f"{kernel.about.id} ended as {state.state}{reason}; what it left is in {output}, the whole log in {LOG} there; "
        "mend what it says and push again."
    )


def log_lines(text: str) -> list[str]:
    """The lines of a kernel's log, which Kaggle keeps as a JSON list of pieces of output or as plain text."""
    try:
        pieces = json.loads(text)
        text = "".join(str(piece.get("data", "")) for piece in pieces)
    except (ValueError, AttributeError, TypeError, RecursionError):
        pass
    return [_printable(line) for line in text.splitlines() if line.strip()]


def _printable(text: str) -> str:
    """Without control characters, which a terminal would obey."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
