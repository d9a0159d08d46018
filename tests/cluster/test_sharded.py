"""Trials, scans and predictions on a real Ray cluster: what one machine makes, also when workers are lost."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from optuna.trial import TrialState

from ffdi.cli import search as cli
from ffdi.cluster import session
from ffdi.cluster.run import MAX_LOSSES, Attempt, Runner, Task
from ffdi.cluster.session import Needs
from ffdi.config.recipe import Cluster
from ffdi.core.errors import FfdiError, Paused, UserError
from ffdi.core.layout import Workspace
from ffdi.core.stop import Stop
from ffdi.data import manifest, scan
from ffdi.search import objective, workers
from ffdi.search import study as studies
from ffdi.training import degraded, launch, predictions
from ffdi.training.fit import fit
from ffdi.training.job import FoldJob
from tests.fixtures.cluster import SmallCluster, kill_worker
from tests.fixtures.pictures import CONTEST, contest_folder, jpeg
from tests.fixtures.search import Contest, by_draw, cheap_objective, context, found, options, until
from tests.fixtures.training import CPU, artefacts

MakeJob = Callable[..., FoldJob]
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]
KILLS, TRIALS = 5, 40


class Leaves:
    """A task that leaves for `reason`, and does its work where the mark says that it was here before."""

    def __init__(self, reason: str, mark: Path) -> None:
        self.reason, self.mark = reason, mark

    def __call__(self, stop: Stop) -> str:
        if self.mark.exists():
            return "done"
        self.mark.touch()
        stop.reason = self.reason
        raise Paused("stopped")


@pytest.mark.usefixtures("cluster")
def test_a_task_that_a_signal_ends_on_its_node_is_run_again(tmp_path: Path) -> None:
    task = Task("one", Leaves("SIGTERM", tmp_path / "mark"), ())
    assert [value for _, value in Runner(Needs(), Stop()).results([task])] == ["done"]


@pytest.mark.usefixtures("cluster")
def test_a_task_that_keeps_time_to_save_before_the_deadline_stops_all(tmp_path: Path) -> None:
    """It leaves before the driver's own deadline has come."""
    task = Task("one", Leaves("deadline", tmp_path / "mark"), ())
    with pytest.raises(Paused, match="deadline"):
        list(Runner(Needs(), Stop(time.time() + 3600)).results([task]))


def test_a_task_that_is_lost_before_it_begins_is_not_tried_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "nodes", list)
    runner, attempt = Runner(Needs(), Stop()), Attempt(Task("one", print, ()), [])
    for _ in range(MAX_LOSSES - 1):
        runner._note_loss(attempt, MemoryError())
    with pytest.raises(FfdiError, match="one was killed 10 times without progress, at last on a node"):
        runner._note_loss(attempt, MemoryError())


def test_40_trials_over_3_nodes_end_once_though_5_workers_are_lost(cluster: SmallCluster, tmp_path: Path) -> None:
    cluster.add()
    wanted = options(tmp_path / "search", trials=TRIALS, pruner="none")
    kills: list[int] = []

    def kill() -> None:
        """Kill the worker of every seventh trial once it has reported."""
        for number in range(3, 3 + 7 * KILLS, 7):
            until(lambda number=number: _has_reported(wanted, number) and kill_worker(f"trial {number}"))
            kills.append(number)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    make = partial(cheap_objective, 0.15)
    workers.launch_on_cluster(wanted, make, Needs(), None, None)
    killer.join()
    trials = found(wanted)
    assert len(kills) == KILLS
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * TRIALS
    assert sorted(by_draw(trials)) == list(range(TRIALS))
    assert all(len(trial.intermediate_values) == 6 for trial in trials)


def test_trials_that_train_have_the_scores_of_one_machine(
    contest: Contest, cluster: SmallCluster, tmp_path: Path
) -> None:
    """One at a time, so that both samplers know as much."""
    alone, shared = (context(contest, tmp_path / name, trials=2) for name in ("alone", "shared"))
    workers.launch(alone.options(), partial(objective.make_objective, alone, 1), ["cpu"], None)
    cli.run_on(Cluster(address=cluster.address), shared, shared.options(), 1, None)
    one, two = (found(each.options()) for each in (alone, shared))
    assert [(trial.params, trial.value) for trial in two] == [(trial.params, trial.value) for trial in one]


def _has_reported(wanted: studies.StudyOptions, number: int) -> bool:
    with suppress(UserError):  # the study has not begun
        return any(one.number == number and one.intermediate_values for one in found(wanted))
    return False


def test_a_scan_over_two_nodes_equals_that_of_one_machine(
    cluster: SmallCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = contest_folder(tmp_path / "contest", {f"{number}.jpg": jpeg(number) for number in range(12)})
    monkeypatch.setattr(scan, "CHUNK", 2)
    alone, shared = (Workspace(tmp_path / name, tmp_path) for name in ("alone", "shared"))
    scan.scan(CONTEST, folder, alone, 0)
    scan.scan(CONTEST, folder, shared, 0, cluster=cluster.address)
    assert shared.manifest.read_bytes() == alone.manifest.read_bytes()


def test_parts_of_a_prediction_and_degraded_copies_are_shared_out(
    make_job: MakeJob, cluster: SmallCluster, tmp_path: Path
) -> None:
    """A part has 500 batches, so 1,200 rows in batches of 2 are two parts."""
    alone, shared = (_with_many_test_rows(make_job(at=at, epochs=1, batch_size=2)) for at in ("alone", "shared"))
    fit(alone, CPU, Stop())
    there = Cluster(address=cluster.address)
    launch.train([shared], [], None, there)
    assert artefacts(shared) == artefacts(alone)
    assert len(predictions.parts(shared, "test", CPU.device)) == 2

    tables = [degraded.tables([job], ["jpeg", "noise"], tmp_path / at) for job, at in ((alone, "one"), (shared, "two"))]
    degraded.predict(tables[0], tmp_path / "one", CPU, Stop())
    degraded.predict(tables[1], tmp_path / "two", CPU, Stop(), there)
    assert [one.path.read_bytes() for one in tables[1]] == [one.path.read_bytes() for one in tables[0]]


def _with_many_test_rows(job: FoldJob) -> FoldJob:
    test = pd.concat([job.test] * 200, ignore_index=True)
    test["id"] = [f"{number:04d}-{name}" for number, name in enumerate(test["id"])]
    return replace(job, test=test, rows={**job.rows, "test": manifest.digest(test)})
