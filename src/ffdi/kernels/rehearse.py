"""Run a built infer kernel as Kaggle would, before any quota is spent.

In each of the two known layouts of mounts, as in a hidden rerun, and against a deadline that is too short for all it
has to do. What it submits is compared, bit for bit, with what `ffdi predict` and `ffdi blend` make of the same weights.
GPUs are hidden from it: fp16 there rounds otherwise, and cannot be compared so.

Shapes: R rows.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ffdi.core import console, checksum
from ffdi.core.errors import UserError
from ffdi.kernels import built, minutes, plan, reference, sandbox, stage
from ffdi.kernels.built import Built
from ffdi.kernels.plan import Plan
from ffdi.kernels.sandbox import Ended, Sandbox
from ffdi.kernels.stage import Sources, Stage
from ffdi.submission.check import check

CSV, RUN = "submission.csv", "run.json"
FACTS = {"run", "rows", "imputed", "unreached", "degraded", "kept", "seconds"}  # of what a kernel says of its run
RESERVE = 60.0  # seconds that an infer kernel keeps before its deadline
LASTS = 10.0  # seconds of predicting, at least: of a shorter time a deadline could not take a share
BATCHES = 12  # at least, for the same reason
MOST_IMAGES = 3_000
SHARES = (0.6, 0.3)  # of the time for predicting that a short deadline leaves; the second if the first was enough
PATIENCE = 3_600.0  # seconds for one run
SHOWN = 12  # lines of a failed kernel's output


@dataclass(frozen=True)
class Scenario:
    """`short`: of time, by what a `hidden` scenario before it took."""

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
    """`faults`: sentences, none if it passed. `equal`: bit for bit as ffdi predict; None if there was no submission.
    `given_up`: nets and views, for want of time. `predicting`: seconds of the kernel's own count, loading included."""

    scenario: Scenario
    images: int
    ended: Ended
    faults: tuple[str, ...]
    equal: bool | None = None
    given_up: tuple[str, ...] = ()
    predicting: float = 0.0

    @property
    def passed(self) -> bool:
        return not self.faults


@dataclass(frozen=True)
class Rehearsed:
    verdicts: tuple[Verdict, ...]
    forecast: minutes.Forecast


def rehearse(folder: Path, pack: Path, data: Path, images: int, scenarios: Sequence[Scenario] = SCENARIOS) -> Rehearsed:
    """The infer kernel in `folder` with the weights `pack` on up to `images` test images of the competition `data`.

    Raises UserError for a folder that holds no infer kernel, a pack or a test table that cannot be read.
    """
    team, kernel = plan.read(pack), built.read(folder)
    if kernel.kind != "infer":
        raise UserError(f"{kernel.script} is a {kernel.kind} kernel; only infer kernels can be rehearsed.")
    with TemporaryDirectory(prefix="ffdi-rehearsal-") as name:
        root = Path(name).resolve()
        theatre = Theatre(kernel, team, pack, data, root, sandbox.make(root / "environment"))
        verdicts: list[Verdict] = []
        for scenario in scenarios:
            console.say(f"rehearsal: {scenario.name}")
            verdicts.append(_play(theatre, scenario, images, verdicts))
        return Rehearsed(tuple(verdicts), theatre.forecast())


def _play(theatre: "Theatre", scenario: Scenario, images: int, before: Sequence[Verdict]) -> Verdict:
    few, many = (next((one for one in before if one.scenario.hidden is hidden), None) for hidden in (False, True))
    if not scenario.short or few is None or many is None:
        return theatre.run(scenario, theatre.many_images(images) if scenario.hidden else images, "")
    for share in SHARES:
        left = few.predicting + share * (many.predicting - few.predicting)
        verdict = theatre.run(scenario, many.images, f"{math.ceil(RESERVE + max(left, 0.0))}s")
        if verdict.faults or verdict.given_up:
            return verdict
    fault = "nothing had to be given up, so nothing was shown; rehearse again on a machine with less noise."
    return replace(verdict, faults=(fault,))


class Theatre:
    """A kernel, its weights and images, and the sandbox that it runs in."""

    def __init__(self, kernel: Built, team: Plan, pack: Path, data: Path, root: Path, box: Sandbox) -> None:
        self.kernel, self.team, self.pack, self.data = kernel, team, pack, data
        self._root, self._box = root, box
        self._runs = 0
        self._last: Stage | None = None
        self._image_seconds = 0.0  # for all nets and views

    def many_images(self, few: int) -> int:
        """Another number than `few`, and enough of them that predicting lasts a while."""
        batch = max(one.member.batch_size for one in self.team.members)
        lasting = math.ceil(LASTS / self._image_seconds) if self._image_seconds else 0
        return min(max(lasting, BATCHES * batch, few + 1), MOST_IMAGES)

    def run(self, scenario: Scenario, images: int, until: str) -> Verdict:
        self._runs += 1
        root = self._root / f"{self._runs}-{scenario.name.replace(' ', '-')}"
        competition = self.team.competition
        set_up = stage.build(
            root, self._sources(), scenario.layout, self.pack, self.data, competition, images, scenario.hidden
        )
        self._last = set_up
        script = root / self.kernel.script.name
        script.write_text(self.kernel.with_settings({"run": root.name, "until": until}))
        ended = self._box.run(script, set_up.working, _environment(set_up, scenario), PATIENCE)
        verdict = Verdict(scenario, len(set_up.rows), ended, tuple(_faults_of_process(ended)))
        return verdict if ended.code else self._judged(verdict, set_up)

    def forecast(self) -> minutes.Forecast:
        assert self._last is not None
        board, rows = self.team.competition.board, len(self._last.rows)
        if board is not None:
            rows = board.public_rows + (board.private_rows if board.private_in_test else 0)
        size = max(one.member.test_size or one.member.image_size for one in self.team.members)
        return minutes.forecast(self.team, rows, minutes.read_seconds(self._last.rows, self._last.folder, size))

    def _judged(self, verdict: Verdict, set_up: Stage) -> Verdict:
        """`verdict` after a look at what the kernel left."""
        wanted, ids = self.team.competition, set_up.rows["id"].tolist()
        try:
            found = check(set_up.working / CSV, wanted, ids, set_up.sample).frame
            facts = checksum.read_json(set_up.working / RUN)
        except UserError as error:
            return replace(verdict, faults=(*verdict.faults, str(error)))
        lacking = sorted(FACTS - set(facts))
        if lacking:
            return replace(verdict, faults=(*verdict.faults, f"{RUN} says nothing of {', '.join(lacking)}."))
        kept = {(name, fold): tuple(views) for name, fold, views in facts["kept"]}
        expected = reference.predict(self.team, self.pack, set_up.rows, set_up.folder, kept)
        score_R = found[wanted.prediction_column].to_numpy()
        faults = [*verdict.faults, *_faults_of_record(facts, set_up, verdict.scenario)]
        faults += _faults_of_scores(score_R, expected.score_R)
        if kept == reference.everything(self.team):
            self._image_seconds = expected.seconds / len(ids)
        elif not verdict.scenario.short:
            faults.append(f"it did not use all nets and views: {'; '.join(facts['degraded'])}.")
        return replace(
            verdict,
            faults=tuple(faults),
            equal=np.array_equal(score_R, expected.score_R),
            given_up=tuple(facts["degraded"]),
            predicting=facts["seconds"]["predict"],
        )

    def _sources(self) -> Sources:
        """The names that the settings ask for, else those of the metadata, else any."""
        dataset = self.kernel.setting("weights") or next(iter(self.kernel.datasets), self.pack.resolve().name)
        slug = self.kernel.setting("competition") or next(iter(self.kernel.competitions), self.team.competition.slug)
        return Sources(slug, dataset if "/" in dataset else f"rehearsal/{dataset}")


def _faults_of_process(ended: Ended) -> Iterator[str]:
    if ended.code:
        last = "\n".join(ended.output.strip().splitlines()[-SHOWN:])
        yield f"it ended with exit code {ended.code}:\n{last}"
    for attempt in ended.attempts:
        yield f"it tried to {attempt}, which Kaggle does not offer."


def _faults_of_record(facts: Mapping[str, Any], set_up: Stage, scenario: Scenario) -> Iterator[str]:
    if facts["run"] != set_up.root.name:
        yield f"{RUN} names the run {facts['run']!r}, not {set_up.root.name!r}."
    if facts["rows"] != len(set_up.rows):
        yield f"{RUN} counts {facts['rows']} images, {len(set_up.rows)} are mounted."
    if facts["unreached"]:
        yield f"{facts['unreached']} images were reached by no net before the deadline."
    broken = set_up.rows["id"].iloc[1] if scenario.hidden else None
    if broken is not None and broken not in facts["imputed"]:
        yield f"the broken image {broken} is not among those that got the prior."


def _faults_of_scores(score_R: NDArray[np.float64], expected_R: NDArray[np.float64]) -> Iterator[str]:
    differ = int((score_R != expected_R).sum())
    if differ:
        moved = float(np.abs(score_R - expected_R).max())
        yield f"{differ} of {len(score_R)} predictions are not those of ffdi predict, by up to {moved:.3g}."


def _environment(set_up: Stage, scenario: Scenario) -> dict[str, str]:
    scratch = set_up.root / "scratch"
    scratch.mkdir()
    given = {
        "FFDI_INPUT": str(set_up.input),
        "FFDI_WORKING": str(set_up.working),
        "KAGGLE_KERNEL_RUN_TYPE": "Batch",
        "CUDA_VISIBLE_DEVICES": "",
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
    }
    return given | ({"KAGGLE_IS_COMPETITION_RERUN": "1"} if scenario.hidden else {})
