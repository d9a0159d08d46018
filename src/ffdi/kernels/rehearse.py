"""Run an infer kernel as Kaggle would, before any quota is spent, and compare every bit of what it submits.

In both known layouts of mounts, as in a hidden rerun, and with too little time. GPUs are hidden from it: fp16 there
rounds differently, and cannot be compared bit for bit. Shapes: R rows.
"""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ffdi.core import checksum, console
from ffdi.core.errors import UserError
from ffdi.core.layout import RUN_RECORD, SUBMISSION_CSV
from ffdi.kernels import mock_input, sandbox, script, team
from ffdi.kernels.mock_input import MockInput, Mounts
from ffdi.kernels.sandbox import Ended
from ffdi.kernels.script import Script
from ffdi.kernels.team import TeamPack
from ffdi.submission.check import check

MIN_SECONDS = 10.0  # of predicting in a hidden rerun: of a shorter time a deadline could not take a share
MIN_BATCHES = 12  # for the same reason
MAX_IMAGES = 3_000
SHARE = 0.3  # of that time which a deadline leaves
RUN_SECONDS = 3_600.0
SHOWN = 12  # lines of a failed kernel's output


@dataclass(frozen=True)
class Scenario:
    """`short`: with less time than a `hidden` scenario before it took."""

    name: str
    layout: str = "newer"
    hidden: bool = False
    short: bool = False


SCENARIOS = (
    Scenario("newer mounts"),
    Scenario("older mounts", layout="older"),
    Scenario("hidden rerun", hidden=True),
    Scenario("short of time", layout="older", hidden=True, short=True),
)


@dataclass(frozen=True)
class Verdict:
    """`faults`: sentences, none if it passed. `equal`: bit for bit as `ffdi train` and `ffdi blend` predict.

    `given_up`: views, folds and members, for lack of time. `seconds`: of the whole run. `predicting`: seconds by the
    kernel's own count, loading included.
    """

    scenario: Scenario
    images: int
    seconds: float
    faults: tuple[str, ...]
    equal: bool | None = None
    given_up: tuple[str, ...] = ()
    predicting: float = 0.0


def rehearse(
    path: Path, pack: Path, data: Path, images: int, scenarios: Sequence[Scenario] = SCENARIOS
) -> list[Verdict]:
    """Return a verdict for each scenario.

    Args:
        path: an infer script.
        pack: the folder with team.json.
        data: the competition folder that test images are taken from.
        images: how many of them, at most.
        scenarios: one that is `short` needs a plain and a hidden one before it.

    Raises:
        UserError: the script is no infer kernel, or pack or test table cannot be read.
    """
    packed, kernel = team.read(pack), script.read(path)
    if kernel.kind != "infer" or not packed.members:
        raise UserError(f"Only kernels/infer.py with a packed team can be rehearsed, not {path} with {pack}.")
    with TemporaryDirectory(prefix="ffdi-rehearsal-") as name:
        root = Path(name).resolve()
        rehearsal = Rehearsal(kernel, packed, data, root)
        verdicts: list[Verdict] = []
        for scenario in scenarios:
            console.say(f"rehearsal: {scenario.name}")
            verdicts.append(rehearsal.short(scenario, verdicts) if scenario.short else rehearsal.run(scenario, images))
        return verdicts


class Rehearsal:
    """A script with its team, the images, and a folder for everything that it is given and writes."""

    def __init__(self, kernel: Script, pack: TeamPack, data: Path, root: Path) -> None:
        self.kernel, self.pack, self.data, self._root = kernel, pack, data, root
        self._runs = 0
        self._image_seconds = 0.0  # of predicting, for all nets and views

    def short(self, scenario: Scenario, before: Sequence[Verdict]) -> Verdict:
        """Run with too little time, so that something must be given up."""
        from ffdi.kernels.infer import RESERVE_SECONDS  # imported lazily: it imports torch

        few, many = (next(one for one in before if one.scenario.hidden is hidden) for hidden in (False, True))
        left = max(few.predicting + SHARE * (many.predicting - few.predicting), 0.0)
        verdict = self.run(scenario, many.images, f"{math.ceil(RESERVE_SECONDS + left)}s")
        if verdict.faults or verdict.given_up:
            return verdict
        fault = "nothing had to be given up, so nothing was shown; rehearse again on a machine with less noise."
        return replace(verdict, faults=(fault,))

    def run(self, scenario: Scenario, images: int, until: str = "") -> Verdict:
        """Run the script once and compare what it submits.

        Args:
            scenario: What Kaggle mounts.
            images: Test images, at most.
            until: The deadline in its SETTINGS; "" for none.
        """
        self._runs += 1
        root = self._root / f"{self._runs}-{scenario.name.replace(' ', '-')}"
        mounts = Mounts(
            slug=self.kernel.setting("competition") or self.pack.competition.slug,
            dataset=self.kernel.setting("pack") or self.pack.folder.resolve().name,
            newer=scenario.layout == "newer",
        )
        images = self._enough(images) if scenario.hidden else images
        mock = mock_input.build(root, mounts, self.pack, self.data, images, scenario.hidden)
        path = root / self.kernel.path.name
        path.write_text(self.kernel.with_settings({"run": root.name, "until": until}))
        begun = time.monotonic()
        ended = sandbox.run(path, mock.working, _environment(mock, scenario), root, RUN_SECONDS)
        seconds = time.monotonic() - begun
        verdict = Verdict(scenario, len(mock.rows), seconds, tuple(_faults_of_process(ended)))
        return verdict if ended.code else self._compared(verdict, mock)

    def _enough(self, images: int) -> int:
        """Return a number other than `images`, so large that predicting lasts a while."""
        batch = max(one.member.batch_size for one in self.pack.members)
        lasting = math.ceil(MIN_SECONDS / self._image_seconds) if self._image_seconds else 0
        return min(max(lasting, MIN_BATCHES * batch, images + 1), MAX_IMAGES)

    def _compared(self, verdict: Verdict, mock: MockInput) -> Verdict:
        """Return the verdict with what the submission and run.json show."""
        from ffdi.kernels import infer  # imported lazily: it imports torch

        wanted, ids = self.pack.competition, mock.rows["id"].tolist()
        try:
            frame = check(mock.working / SUBMISSION_CSV, wanted, ids)
            facts = checksum.read_json(mock.working / RUN_RECORD)
            kept = {(name, fold): tuple(views) for name, fold, views in facts["kept"]}
            faults = [*verdict.faults, *_faults_of_record(facts, mock, verdict.scenario)]
        except UserError as error:
            return replace(verdict, faults=(*verdict.faults, str(error)))
        except KeyError as error:
            return replace(verdict, faults=(*verdict.faults, f"{RUN_RECORD} says nothing of {error}."))
        score_R = frame[wanted.prediction_column].to_numpy()
        begun = time.monotonic()
        expected_R = infer.predict(self.pack, mock.rows, mock.folder, workers=0, kept=kept).score_R
        if not verdict.scenario.short:
            self._image_seconds = (time.monotonic() - begun) / len(ids)
        differ = int((score_R != expected_R).sum())
        if differ:
            moved = float(np.abs(score_R - expected_R).max())
            faults.append(f"{differ} of {len(ids)} predictions are not what the team gives here, by up to {moved:.3g}.")
        given_up, predicting = tuple(facts["degraded"]), facts["seconds"]["predict"]
        return replace(verdict, faults=tuple(faults), equal=not differ, given_up=given_up, predicting=predicting)


def _faults_of_process(ended: Ended) -> Iterator[str]:
    if ended.code:
        last = "\n".join(ended.output.strip().splitlines()[-SHOWN:])
        yield f"it ended with exit code {ended.code}:\n{last}"
    for attempt in ended.attempts:
        yield f"it tried to {attempt}, which Kaggle does not offer."


def _faults_of_record(facts: Mapping[str, Any], mock: MockInput, scenario: Scenario) -> Iterator[str]:
    if facts["run"] != mock.root.name:
        yield f"{RUN_RECORD} names the run {facts['run']!r}, not {mock.root.name!r}."
    if facts["rows"] != len(mock.rows):
        yield f"{RUN_RECORD} counts {facts['rows']} images, {len(mock.rows)} are mounted."
    if facts["unreached"]:
        busy = "(or this machine was busy: rehearse again)"
        yield f"{facts['unreached']} images were reached by no net before the deadline {busy}."
    if facts["degraded"] and not scenario.short:
        yield f"it did not use all nets and views: {'; '.join(facts['degraded'])}."
    if scenario.hidden and mock.broken not in facts["imputed"]:
        yield f"the broken image {mock.broken} is not among those that got the prior."


def _environment(mock: MockInput, scenario: Scenario) -> dict[str, str]:
    scratch = mock.root / "scratch"
    scratch.mkdir()
    given = {"FFDI_INPUT": str(mock.root / "input"), "FFDI_WORKING": str(mock.working)}
    given |= {"HOME": str(scratch), "TMPDIR": str(scratch)}
    given |= {"KAGGLE_KERNEL_RUN_TYPE": "Batch", "CUDA_VISIBLE_DEVICES": ""}
    return given | ({"KAGGLE_IS_COMPETITION_RERUN": "1"} if scenario.hidden else {})
