"""Folds on a real Ray cluster of two nodes: the same bytes as on one machine, whatever is lost."""

import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np
import pytest

from ffdi.config.recipe import Cluster
from ffdi.core import checksum
from ffdi.core.stop import Stop
from ffdi.training import launch
from ffdi.training.fit import fit
from ffdi.training.job import FoldJob
from tests.fixtures.cluster import SmallCluster, kill_worker
from tests.fixtures.training import CPU, artefacts

MakeJob = Callable[..., FoldJob]
ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]


@pytest.mark.parametrize("kills", [6, pytest.param(20, marks=pytest.mark.slow)])
def test_lost_workers_and_nodes_cost_nothing(
    kills: int, make_job: MakeJob, cluster: SmallCluster, capfd: pytest.CaptureFixture[str]
) -> None:
    """Folds of a cluster are those of one machine, byte for byte, though two nodes and more workers are lost.

    Each fold is trained to the end once: its weights are written once.
    """
    wishes = {"epochs": 12, "drop_rate": 0.3}
    for _ in range(2):  # to be lost
        cluster.add()
    folds = [make_job(fold=fold, at="killed", **wishes) for fold in range(4)]
    killer = Killer(folds, cluster, kills)
    killer.start()
    launch.train(folds, [], None, Cluster(address=cluster.address))
    killer.join()
    assert killer.kills == kills
    assert {label: len(written) for label, written in killer.written.items()} == {job.label: 1 for job in folds}
    assert "127.0.0." in capfd.readouterr().err  # a warning names the node
    for job in folds:
        whole = make_job(fold=job.fold, at="whole", **wishes)
        fit(whole, CPU, Stop())
        assert artefacts(job) == artefacts(whole)


class Killer(threading.Thread):
    """Kill the worker of a fold whenever that has a new save; note every file of weights that appears."""

    def __init__(self, folds: list[FoldJob], cluster: SmallCluster, wanted: int) -> None:
        super().__init__(daemon=True)  # a test that fails must not wait for it
        self.folds, self.cluster, self.kills, self.wanted = folds, cluster, 0, wanted
        self.written: dict[str, set[tuple[int, int]]] = {job.label: set() for job in folds}
        self.saves = {job.label: "" for job in folds}

    def run(self) -> None:
        while not all((job.folder / "done.json").exists() for job in self.folds):
            for job in self.folds:
                if (path := job.folder.weights).exists():
                    self.written[job.label].add((path.stat().st_ino, path.stat().st_mtime_ns))
                elif self.kills < self.wanted:
                    self._kill(job)
            time.sleep(0.01)

    def _kill(self, job: FoldJob) -> None:
        newest = max((path.name for path in job.folder.state.glob("step-*")), default="")
        if newest == self.saves[job.label]:
            return
        lost = self.kills in (self.wanted // 4, 3 * self.wanted // 4)
        if lost:
            self.cluster.lose()
        if lost or kill_worker(job.label):
            self.kills += 1
            self.saves[job.label] = newest


def test_a_stopped_and_a_killed_driver_lose_nothing(make_job: MakeJob, cluster: SmallCluster, tmp_path: Path) -> None:
    """The first driver gets SIGTERM and ends with 75, the second SIGKILL; the third goes on beside what may be left."""
    wishes = {"epochs": 20}
    jobs = [make_job(fold=fold, at="stopped", **wishes) for fold in range(2)]
    joblib.dump(jobs, tmp_path / "jobs")
    code = f"""
        import joblib, sys
        from ffdi.config.recipe import Cluster
        from ffdi.core.errors import Paused
        from ffdi.training import launch
        try:
            launch.train(joblib.load({str(tmp_path / "jobs")!r}), [], None, Cluster(address={cluster.address!r}))
        except Paused as pause:
            sys.exit(pause.exit_code)
    """
    (tmp_path / "main.py").write_text(textwrap.dedent(code))
    for number, code in ((signal.SIGTERM, 75), (signal.SIGKILL, -signal.SIGKILL)):
        before = _saves(jobs)
        child = subprocess.Popen([sys.executable, str(tmp_path / "main.py")], cwd=ROOT)
        while not all(new - old for new, old in zip(_saves(jobs), before, strict=True)):
            assert child.poll() is None
            time.sleep(0.05)
        child.send_signal(number)
        assert child.wait(timeout=120) == code
        assert not any(job.folder.done.exists() for job in jobs)
    launch.train(jobs, [], None, Cluster(address=cluster.address))
    whole = make_job(fold=0, at="whole", **wishes)
    fit(whole, CPU, Stop())
    assert artefacts(jobs[0]) == artefacts(whole)


def _saves(jobs: list[FoldJob]) -> list[set[str]]:
    return [{path.name for path in job.folder.state.glob("step-*")} for job in jobs]


def test_one_fold_on_two_nodes_trains_as_on_one(make_job: MakeJob, cluster: SmallCluster) -> None:
    """LayerNorm only, so the gradients of two half batches are those of the batch."""
    wishes = {"model": "test_vit", "epochs": 2}
    alone, shared = make_job(at="alone", **wishes), make_job(at="shared", **wishes)
    fit(alone, CPU, Stop())
    launch.train([shared], [], None, Cluster(address=cluster.address, gpus_per_fold=2))
    for name in ("oof", "val", "test"):
        one, two = (checksum.read_table(job.folder.table(name)) for job in (alone, shared))
        assert one.id.tolist() == two.id.tolist()
        np.testing.assert_allclose(two.logit, one.logit, atol=2e-4)
