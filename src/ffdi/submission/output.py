"""The output of a pushed kernel: waited for, fetched, and known by the id of its run.

Kaggle may show the status and output of another version (kaggle-cli #1200). So the script writes the id that its push
gave it into run.json, and only an output with that id is taken.
"""

import json
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ffdi.core import checksum, console, digest
from ffdi.core.errors import CorruptError, UserError
from ffdi.core.layout import PUSH_STATE, RUN_RECORD, SUBMISSION_CSV
from ffdi.submission.answers import KernelState
from ffdi.submission.errors import Refused
from ffdi.submission.kernel import Kernel, KernelSession, Push
from ffdi.submission.ledger import one_line
from ffdi.submission.retry import poll

LOOKS_AT_OTHER_RUN = 4  # at the output of another run before it is taken to be the newer one
LOOKS_WHILE_MISSING = 3  # in which Kaggle may deny a version that was just made
LOG_LINES = 25  # that are shown of a run that failed


def await_output(session: KernelSession, kernel: Kernel, push: Push) -> Path:
    """Return the folder with the checked output of this push, fetched once its run is complete.

    Args:
        session: Of the kernel.
        kernel: That was pushed.
        push: Its version.

    Raises:
        UserError: if the run failed (the end of its log is shown) or another run took its place.
        Paused: if the time is up.
    """
    if push.output and (session.folder / push.output).is_dir():
        return session.folder / push.output
    told: set[str] = set()
    others: list[str] = []

    def look(number: int) -> Path | None:
        try:
            state = session.kaggle.kernel_status(kernel.about.id, push.version)
        except Refused as error:
            if number >= LOOKS_WHILE_MISSING or not error.missing:
                raise
            return None
        if state.status not in told:
            told.add(state.status)
            console.say(f"{kernel.about.id}: {one_line(state.status)}")
        return None if state.running else _take(session, kernel, push, state, others)

    return poll(f"{kernel.about.id} is still running", look, session.until, session.clock)


def facts_of(folder: Path) -> dict[str, Any]:
    """Return what the script says of its run; nothing if it left no record, or a damaged one."""
    try:
        return checksum.read_json(folder / RUN_RECORD)
    except UserError:
        return {}


def log_lines(text: str) -> list[str]:
    """Return the lines of a log, which Kaggle keeps as a JSON list of pieces or as text, without control codes."""
    with suppress(ValueError, AttributeError, TypeError):
        text = "".join(str(piece.get("data", "")) for piece in json.loads(text))
    lines = [line for line in text.splitlines() if line.strip()]
    return ["".join(letter if letter.isprintable() else " " for letter in line) for line in lines]


def _take(session: KernelSession, kernel: Kernel, push: Push, state: KernelState, others: list[str]) -> Path | None:
    """Return the checked output of a run that has ended; None for that of another run, which may give way to ours."""
    fetched = session.folder / "fetched"
    shutil.rmtree(fetched, ignore_errors=True)  # of a command that was killed, or of a run that failed
    fetched.mkdir()
    try:
        session.kaggle.kernel_output(kernel.about.id, fetched, push.version)
    except UserError:
        if state.status == "complete":  # a run that failed may have left nothing
            raise
    facts = facts_of(fetched)
    if facts.get("run", push.run) != push.run:
        others.append(one_line(str(facts["run"])))
        if len(others) < LOOKS_AT_OTHER_RUN:
            console.warn(f"Kaggle still shows the output of another run ({others[-1]}); looking again.")
            return None
        session.forget()
        raise UserError(
            f"Kaggle shows the output of run {others[-1]!r} of {kernel.about.id}, not of ours ({push.run!r}, version "
            f"{push.version}): another version was run since; run one at a time, and push again."
        )
    if state.status != "complete":
        raise _failure(session, kernel, state, fetched)
    _check(fetched, facts, kernel, push)
    output = session.folder / f"output-v{push.version}"
    shutil.rmtree(output, ignore_errors=True)
    session.save(replace(push, output=fetched.rename(output).name))
    return output


def _check(folder: Path, facts: dict[str, Any], kernel: Kernel, push: Push) -> None:
    """Raise unless the output is of our run and its submission, if it has one, came whole."""
    if "run" not in facts:
        raise UserError(
            f"The output of {kernel.about.id} has no valid {RUN_RECORD}, so it cannot be told whose it is: {push.url}. "
            f"To push anew, delete {folder.parent / PUSH_STATE}."
        )
    wanted, path = facts.get("submission"), folder / SUBMISSION_CSV
    if wanted is not None and (not path.is_file() or digest.of_file(path) != wanted):
        raise CorruptError(
            f"{SUBMISSION_CSV} of {kernel.about.id} is not what the kernel wrote; run the same command again."
        )


def _failure(session: KernelSession, kernel: Kernel, state: KernelState, output: Path) -> UserError:
    """Show the end of the log, forget the push, and return the error that names the rest."""
    log = output / f"{kernel.about.slug}.log"
    lines = log_lines(log.read_text(errors="replace")) if log.is_file() else []
    session.forget()
    for line in lines[-LOG_LINES:]:
        console.say(f"  {line}")
    reason = f" ({one_line(state.failure_message)})" if state.failure_message else ""
    return UserError(
        f"{kernel.about.id} ended as {state.status}{reason}; what it left is in {output}, with its log; "
        "repair what it says and push again."
    )
