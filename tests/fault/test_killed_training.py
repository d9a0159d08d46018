"""SIGKILL at random instants: the fold ends bit-equal to the uninterrupted one, and the harness has teeth."""

import os
import shutil
import signal
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffdi.config.load import load_competition, load_recipe
from ffdi.core import keys
from ffdi.core.layout import Workspace
from ffdi.core.stop import Stop
from ffdi.data import folds
from ffdi.data.scan import scan
from ffdi.training import state
from ffdi.training.fit import fit
from ffdi.training.job import FoldJob, plan
from tests.fixtures.kills import run_killed, run_once
from tests.fixtures.training import CPU, artefacts

ROOT = Path(__file__).parents[2]
MakeJob = Callable[..., FoldJob]
OPTIONS: dict[str, object] = {
    "epochs": 8,
    "drop_rate": 0.3,
    "mixup": 0.3,
    "stem": "npr",
    "forge": {"share": 0.3, "families": {"self_blend": 1, "erasure": 1}},
    "loss": {"class_balanced": True, "supcon": 0.2, "consistency": 0.2},
    "tta": ("identity", "hflip"),
}


def _fold(make_job: MakeJob, at: str) -> tuple[FoldJob, Callable[[], None]]:
    job = make_job(at=at, **OPTIONS)
    return job, lambda: fit(job, CPU, Stop(), save_steps=3)


def test_25_kills_lose_nothing(make_job: MakeJob) -> None:
    whole, work = _fold(make_job, "whole")
    work()  # in this process: it warms everything that is imported late
    kills = runs = 0
    while kills < 25:
        job, work = _fold(make_job, f"run{runs}")
        kills, runs = kills + run_killed(work, 1.0, 6, runs), runs + 1
        assert artefacts(job) == artefacts(whole)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_200_kills_of_the_samples_smallest_member_lose_nothing(tmp_path: Path) -> None:
    """The member of the shipped recipe, on real images with pretrained weights; two epochs, to kill it many times."""
    images = Path(str(files("ffdi"))) / "sample"
    recipe, competition = load_recipe(ROOT / "ensembles/sample.toml"), load_competition("multi-ffdi-phase2")
    member = recipe.member[0].model_copy(update={"epochs": 2})
    recipe = recipe.model_copy(update={"member": (member,)})

    def job(at: str) -> FoldJob:
        places = Workspace(tmp_path / at, tmp_path)
        table = folds.make(places, recipe.folds, manifest, recipe.data.train_splits)
        return plan(recipe, competition, manifest, table, images, places)[0]

    manifest = scan(competition, images, Workspace(tmp_path / "scan", tmp_path), 0)
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
    """The control: the same loop drawing from one global generator, as usual loops do. Without a kill it is steady."""
    generator = np.random.default_rng(0)
    monkeypatch.setattr(keys, "key", lambda *_: int(generator.integers(2**62)))
    monkeypatch.setattr(keys, "rng", lambda *_: generator)
    (one, work_one), (two, work_two), (killed, work) = (_fold(make_job, at) for at in ("one", "two", "killed"))
    assert run_once(work_one) == run_once(work_two) == 0
    assert artefacts(one) == artefacts(two)
    save, calls = state.save, []

    def save_and_die(*given: Any) -> None:
        """Save, and be killed at the second time: a random instant could fall before the first."""
        save(*given)
        calls.append(given)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    with monkeypatch.context() as patch:
        patch.setattr(state, "save", save_and_die)
        assert run_once(work) == signal.SIGKILL
    assert run_once(work) == 0
    assert artefacts(killed) != artefacts(one)
