"""SIGKILL at random instants: the fold ends bit-equal to the uninterrupted one, and the harness has teeth."""

import shutil
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from ffdi.base import keys
from ffdi.base.paths import Places
from ffdi.base.stop import Stop
from ffdi.data import folds
from ffdi.data.job import Job, plan
from ffdi.data.scan import scan
from ffdi.spec.load import load_competition, load_recipe
from ffdi.train.fit import fit
from tests.fault.kills import run_killed
from tests.train.test_fit import CPU, artefacts

ROOT = Path(__file__).parents[2]
MakeJob = Callable[..., Job]
WISHES: dict[str, object] = {"epochs": 8, "drop_rate": 0.3, "mixup": 0.3, "views": ("identity", "hflip")}


def _fold(make_job: MakeJob, at: str) -> tuple[Job, Callable[[], None]]:
    job = make_job(at=at, **WISHES)
    return job, lambda: fit(job, CPU, Stop(), save_steps=3)


def _kills_and_equal(make_job: MakeJob, wanted: int) -> tuple[int, list[bool]]:
    whole, work = _fold(make_job, "whole")
    work()  # in this process: it warms everything that is imported late
    expected, kills, equal = artefacts(whole), 0, []
    while kills < wanted:
        job, work = _fold(make_job, f"run{len(equal)}")
        kills += run_killed(work, 1.0, 6, len(equal))
        equal.append(artefacts(job) == expected)
    return kills, equal


def test_25_kills_lose_nothing(make_job: MakeJob) -> None:
    kills, equal = _kills_and_equal(make_job, 25)
    assert kills >= 25
    assert all(equal)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_200_kills_of_the_samples_smallest_member_lose_nothing(tmp_path: Path) -> None:
    """The member of the shipped recipe, on real images with pretrained weights; two epochs, to kill it many times."""
    images = Path(str(files("ffdi"))) / "sample"
    recipe, competition = load_recipe(ROOT / "ensembles/sample.toml"), load_competition("multi-ffdi-phase2")
    member = recipe.member[0].model_copy(update={"epochs": 2})
    recipe = recipe.model_copy(update={"member": (member,)})

    def job(at: str) -> Job:
        places = Places(tmp_path / at, tmp_path)
        table = folds.make(places, recipe.folds, manifest, recipe.data.fit)
        return plan(recipe, competition, manifest, table, "f" * 64, images, places)[0]

    manifest = scan(competition, images, Places(tmp_path / "scan", tmp_path), 0)
    whole = job("whole")
    begun = time.monotonic()
    fit(whole, CPU, Stop())
    lasted = time.monotonic() - begun
    kills, runs = 0, 0
    while kills < 200:
        killed = job(f"run{runs}")
        kills += run_killed(lambda job=killed: fit(job, CPU, Stop(), save_steps=2), lasted / 8, 50, "sample", runs)
        runs += 1
        assert artefacts(killed) == artefacts(whole)
        shutil.rmtree(tmp_path / f"run{runs - 1}")
        print(f"{kills} kills, {runs} of {runs} runs bit-equal")


def test_global_random_state_fails_the_same_harness(make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the same loop drawing from one global generator, as usual loops do."""
    state = np.random.default_rng(0)
    monkeypatch.setattr(keys, "key", lambda *_: int(state.integers(2**62)))
    monkeypatch.setattr(keys, "rng", lambda *_: state)
    whole, work = _fold(make_job, "whole")
    assert run_killed(work, 600, 0) == 0
    job, work = _fold(make_job, "killed")
    assert run_killed(work, 0.5, 8) > 0
    assert artefacts(job) != artefacts(whole)


def test_the_control_is_steady_without_kills(make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two uninterrupted control runs agree: it is the kills that break it."""
    state = np.random.default_rng(0)
    monkeypatch.setattr(keys, "key", lambda *_: int(state.integers(2**62)))
    monkeypatch.setattr(keys, "rng", lambda *_: state)
    folds = [_fold(make_job, at) for at in ("one", "two")]
    for _, work in folds:
        run_killed(work, 600, 0)
    assert artefacts(folds[0][0]) == artefacts(folds[1][0])
