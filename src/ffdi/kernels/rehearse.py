"""Run an infer kernel as Kaggle would, before any quota is spent, and compare every bit of what it submits.

In both known layouts of mounts, as in a hidden rerun, and without any time. It has nothing that a Kaggle kernel would
not have: no network, no sources of the kit. The guard, which refuses both, is loaded by the interpreter and by every
Python that it starts. GPUs are hidden from it: fp16 there rounds differently, and cannot be compared bit for bit.
Shapes: R rows.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from ffdi.core import checksum, console
from ffdi.core.digest import PACKAGE
from ffdi.core.errors import UserError
from ffdi.core.layout import RUN_RECORD, SUBMISSION_CSV
from ffdi.kernels import guard, mock_input, script, team
from ffdi.kernels.mock_input import MockInput, Scenario
from ffdi.kernels.script import Script
from ffdi.kernels.team import TeamPack
from ffdi.submission.check import check
from ffdi.submission.kernel import with_settings

SHOWN = 12  # lines of a failed kernel's output
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "OMP_NUM_THREADS", "LD_LIBRARY_PATH")
OUTPUT, ATTEMPTS = "output.txt", "attempts.log"


SCENARIOS = (
    Scenario("newer mounts"),
    Scenario("older mounts", newer=False),
    Scenario("hidden rerun", hidden=True),
    Scenario("short of time", newer=False, hidden=True, until="1s"),
)


@dataclass(frozen=True)
class Verdict:
    """The result of a scenario."""

    scenario: Scenario
    images: int
    seconds: float  # of the whole run
    faults: tuple[str, ...]  # sentences, none if it passed
    equal: bool | None = None  # bit for bit as `ffdi train` and `ffdi blend` predict; None: nothing to compare
    given_up: tuple[str, ...] = ()  # views, folds and members, for lack of time


def rehearse(
    path: Path, pack: Path, data: Path, images: int, scenarios: Sequence[Scenario] = SCENARIOS
) -> list[Verdict]:
    """Return a verdict for each scenario.

    Args:
        path: an infer script.
        pack: the folder with team.json.
        data: the competition folder that test images are taken from.
        images: how many of them, at most.
        scenarios: what is tried.

    Raises:
        UserError: the script is no infer kernel, or pack or test table cannot be read.
    """
    packed, kernel = team.read(pack), script.read(path)
    if kernel.kind != "infer" or not packed.members:
        raise UserError(f"Only kernels/infer.py with a packed team can be rehearsed, not {path} with {pack}.")
    verdicts = []
    with TemporaryDirectory(prefix="ffdi-rehearsal-") as name:
        for number, scenario in enumerate(scenarios, 1):
            console.say(f"rehearsal: {scenario.name}")
            root = Path(name).resolve() / f"{number}-{scenario.name.replace(' ', '-')}"
            dataset = kernel.setting("pack") or packed.folder.resolve().name
            mock = mock_input.build(root, scenario, packed, dataset, data, images)
            verdicts.append(_run(kernel, packed, mock, scenario))
    return verdicts


def _run(kernel: Script, pack: TeamPack, mock: MockInput, scenario: Scenario) -> Verdict:
    """Run the script once and compare what it submits."""
    path, scratch = mock.root / kernel.path.name, mock.root / "scratch"
    path.write_text(with_settings(kernel.text, run=mock.root.name, until=scenario.until))
    scratch.mkdir()
    environment = {"FFDI_INPUT": str(mock.root / "input"), "FFDI_WORKING": str(mock.working)}
    environment |= {"HOME": str(scratch), "TMPDIR": str(scratch)}
    environment |= {"KAGGLE_KERNEL_RUN_TYPE": "Batch", "CUDA_VISIBLE_DEVICES": ""}
    environment |= {"KAGGLE_IS_COMPETITION_RERUN": "1"} if scenario.hidden else {}
    begun = time.monotonic()
    code, output, attempts = run_offline(path, mock.working, environment)
    seconds = time.monotonic() - begun
    faults = [f"it tried to {attempt}, which Kaggle does not offer." for attempt in attempts]
    equal: bool | None = None
    given_up: tuple[str, ...] = ()
    try:
        if code:
            last = "\n".join(output.strip().splitlines()[-SHOWN:])
            raise UserError(f"it ended with exit code {code}:\n{last}")
        given_up = tuple(checksum.read_json(mock.working / RUN_RECORD).get("degraded", ()))
        if given_up and not scenario.until:
            faults.append(f"it did not use all nets and views: {'; '.join(given_up)}.")
        fault = _fault_of_submission(pack, mock, scenario)
        equal = None if scenario.until else not fault
        faults += [fault] if fault else []
    except (OSError, UserError) as error:
        faults.append(str(error))
    return Verdict(scenario, len(mock.rows), seconds, tuple(faults), equal, given_up)


def _fault_of_submission(pack: TeamPack, mock: MockInput, scenario: Scenario) -> str:
    """Return "" if every bit is right; where there was no time to predict, if no image is left out."""
    from ffdi.kernels import infer  # imported lazily: it imports torch

    wanted, ids = pack.competition, mock.rows["id"].tolist()
    if scenario.until:
        sent = pd.read_csv(mock.working / SUBMISSION_CSV, dtype={wanted.id_column: str})
        lost = sent[wanted.id_column].tolist() != ids or sent[wanted.prediction_column].isna().any()
        return f"{SUBMISSION_CSV} lacks images." if lost else ""
    score_R = check(mock.working / SUBMISSION_CSV, wanted, ids)[wanted.prediction_column].to_numpy()
    expected_R, _ = infer.predict(pack, mock.rows, mock.folder, workers=0)
    differ, moved = int((score_R != expected_R).sum()), float(np.abs(score_R - expected_R).max())
    if differ:
        return f"{differ} of {len(ids)} predictions are not what the team gives here, by up to {moved:.3g}."
    return ""


def run_offline(script: Path, working: Path, environment: Mapping[str, str]) -> tuple[int, str, tuple[str, ...]]:
    """Run a script in a fresh interpreter, and end with it all that it started.

    Args:
        script: the file; the guard, and what it writes down, lie beside it.
        working: its current folder.
        environment: its variables, beside those that every process needs.

    Returns:
        Its exit code, what it printed, and what the guard refused.
    """
    folder = script.parent
    log, output = folder / ATTEMPTS, folder / OUTPUT
    log.unlink(missing_ok=True)
    watch = f"watch({[str(PACKAGE)]!r}, {str(log)!r})\n"
    (folder / "sitecustomize.py").write_text(Path(guard.__file__).read_text() + watch)  # Python imports it at its start
    given = {name: os.environ[name] for name in PASSED_ON if name in os.environ} | dict(environment)
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, str(script)], cwd=working, env=given | {"PYTHONPATH": str(folder)},
            stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True,
        )  # fmt: skip
        try:
            process.wait()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    attempts = log.read_text().splitlines() if log.exists() else []
    return process.returncode, output.read_text(errors="replace"), tuple(dict.fromkeys(attempts))
