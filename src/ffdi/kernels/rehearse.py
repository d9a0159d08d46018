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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from ffdi.core import checksum, console
from ffdi.core.digest import PACKAGE
from ffdi.core.errors import UserError
from ffdi.core.layout import RUN_RECORD, SUBMISSION_CSV
from ffdi.kernels import guard, mock_input, script, team
from ffdi.kernels.mock_input import MockInput, folders_of
from ffdi.kernels.script import Script
from ffdi.kernels.team import TeamPack
from ffdi.submission.check import check
from ffdi.submission.kernel import with_settings

RUN_SECONDS = 3_600.0
SHOWN = 12  # lines of a failed kernel's output
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "OMP_NUM_THREADS", "LD_LIBRARY_PATH")
OUTPUT, ATTEMPTS = "output.txt", "attempts.log"


@dataclass(frozen=True)
class Scenario:
    """`newer`: of the two layouts of mounts. `until`: the deadline in its SETTINGS; "" for none."""

    name: str
    newer: bool = True
    hidden: bool = False
    until: str = ""


SCENARIOS = (
    Scenario("newer mounts"),
    Scenario("older mounts", newer=False),
    Scenario("hidden rerun", hidden=True),
    Scenario("short of time", newer=False, hidden=True, until="1s"),
)


@dataclass(frozen=True)
class Ended:
    """`code`: of the exit, -9 if it took too long. `attempts`: what the guard refused."""

    code: int
    output: str
    attempts: tuple[str, ...]


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
            slug = kernel.setting("competition") or packed.competition.slug
            folders = folders_of(slug, kernel.setting("pack") or packed.folder.resolve().name, scenario.newer)
            # In a hidden rerun the number of images is another one, too.
            mock = mock_input.build(root, folders, packed, data, images + scenario.hidden, scenario.hidden)
            verdicts.append(_run(kernel, packed, mock, scenario))
    return verdicts


def _run(kernel: Script, pack: TeamPack, mock: MockInput, scenario: Scenario) -> Verdict:
    """Run the script once and compare what it submits."""
    path = mock.root / kernel.path.name
    path.write_text(with_settings(kernel.text, run=mock.root.name, until=scenario.until))
    begun = time.monotonic()
    ended = run_offline(path, mock.working, _environment(mock, scenario), mock.root, RUN_SECONDS)
    verdict = Verdict(scenario, len(mock.rows), time.monotonic() - begun, tuple(_faults_of_process(ended)))
    if ended.code:
        return verdict
    try:
        facts = checksum.read_json(mock.working / RUN_RECORD)
        faults, equal = _compared(pack, mock, scenario, facts)
        return replace(verdict, faults=(*verdict.faults, *faults), equal=equal, given_up=tuple(facts["degraded"]))
    except (OSError, UserError) as error:
        return replace(verdict, faults=(*verdict.faults, str(error)))
    except KeyError as error:
        return replace(verdict, faults=(*verdict.faults, f"{RUN_RECORD} says nothing of {error}."))


def _compared(
    pack: TeamPack, mock: MockInput, scenario: Scenario, facts: Mapping[str, Any]
) -> tuple[list[str], bool | None]:
    """Return what is wrong with submission and run.json, and whether every bit is right (None: nothing to compare)."""
    from ffdi.kernels import infer  # imported lazily: it imports torch

    wanted, ids = pack.competition, mock.rows["id"].tolist()
    faults = []
    if facts["run"] != mock.root.name:
        faults.append(f"{RUN_RECORD} names the run {facts['run']!r}, not {mock.root.name!r}.")
    if facts["degraded"] and not scenario.until:
        faults.append(f"it did not use all nets and views: {'; '.join(facts['degraded'])}.")
    if scenario.until:  # there was no time to predict
        sent = pd.read_csv(mock.working / SUBMISSION_CSV, dtype={wanted.id_column: str})
        lost = sent[wanted.id_column].tolist() != ids or sent[wanted.prediction_column].isna().any()
        return [*faults, f"{SUBMISSION_CSV} lacks images."] if lost else faults, None
    score_R = check(mock.working / SUBMISSION_CSV, wanted, ids)[wanted.prediction_column].to_numpy()
    expected_R = infer.predict(pack, mock.rows, mock.folder, workers=0).score_R
    differ = int((score_R != expected_R).sum())
    if differ:
        moved = float(np.abs(score_R - expected_R).max())
        faults.append(f"{differ} of {len(ids)} predictions are not what the team gives here, by up to {moved:.3g}.")
    return faults, not differ


def _faults_of_process(ended: Ended) -> Iterator[str]:
    if ended.code:
        last = "\n".join(ended.output.strip().splitlines()[-SHOWN:])
        yield f"it ended with exit code {ended.code}:\n{last}"
    for attempt in ended.attempts:
        yield f"it tried to {attempt}, which Kaggle does not offer."


def run_offline(script: Path, working: Path, environment: Mapping[str, str], folder: Path, seconds: float) -> Ended:
    """Run a script in a fresh interpreter.

    Args:
        script: the file.
        working: its current folder.
        environment: its variables, beside those that every process needs.
        folder: a folder for the guard and what it writes down.
        seconds: after these it is killed with all that it started.
    """
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
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    attempts = log.read_text().splitlines() if log.exists() else []
    return Ended(process.returncode, output.read_text(errors="replace"), tuple(dict.fromkeys(attempts)))


def _environment(mock: MockInput, scenario: Scenario) -> dict[str, str]:
    scratch = mock.root / "scratch"
    scratch.mkdir()
    given = {"FFDI_INPUT": str(mock.root / "input"), "FFDI_WORKING": str(mock.working)}
    given |= {"HOME": str(scratch), "TMPDIR": str(scratch)}
    given |= {"KAGGLE_KERNEL_RUN_TYPE": "Batch", "CUDA_VISIBLE_DEVICES": ""}
    return given | ({"KAGGLE_IS_COMPETITION_RERUN": "1"} if scenario.hidden else {})
