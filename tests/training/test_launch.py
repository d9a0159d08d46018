"""Several processes: DDP by torchrun on gloo, folds side by side by joblib, a deadline."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import joblib
import numpy as np
import pytest

from ffdi.core import checksum
from ffdi.core.errors import Paused, UserError
from ffdi.training import launch, world
from ffdi.training.job import FoldJob
from tests.fixtures.training import artefacts, finished

MakeJob = Callable[..., FoldJob]
ROOT = Path(__file__).parents[2]


def script(folder: Path, code: str) -> str:
    """Write a program, which finds what `joblib.dump` wrote as "jobs"; return its path."""
    (folder / "main.py").write_text(textwrap.dedent(code).replace("JOBS", repr(str(folder / "jobs"))))
    return str(folder / "main.py")


def test_two_gloo_processes_train_as_one(make_job: MakeJob, tmp_path: Path) -> None:
    """LayerNorm only, so the gradients of two half batches are those of the batch."""
    fields = {"model": "test_vit", "epochs": 2}
    alone, shared = finished(make_job(at="alone", **fields)), make_job(at="shared", **fields)
    joblib.dump([shared], tmp_path / "jobs")
    code = """
        import joblib, torch
        from ffdi.training import launch
        torch.set_num_threads(1)
        launch.train(joblib.load(JOBS), ["cpu"], None)
    """
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1", "--nproc-per-node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, *torchrun, script(tmp_path, code)]
    subprocess.run(command, check=True, cwd=ROOT, env=environment, timeout=240)
    for name in ("oof", "val", "test"):
        one, two = (checksum.read_table(job.folder / f"{name}.parquet") for job in (alone, shared))
        assert one.id.tolist() == two.id.tolist()
        np.testing.assert_allclose(two.logit, one.logit, atol=2e-4)
    expected, _ = checksum.read_tensors(alone.folder / "weights.safetensors")
    tensors, _ = checksum.read_tensors(shared.folder / "weights.safetensors")
    for name, value in expected.items():
        np.testing.assert_allclose(tensors[name], value, atol=2e-4, err_msg=name)


def test_folds_that_a_deadline_paused_run_side_by_side_with_the_same_result(make_job: MakeJob) -> None:
    alone = [finished(make_job(fold=fold, at="alone", epochs=1)) for fold in range(2)]
    shared = [make_job(fold=fold, at="shared", epochs=1) for fold in range(2)]
    for places in (["cpu"], ["cpu", "cpu"]):
        with pytest.raises(Paused) as paused:
            launch.train(shared, places, time.time() - 1)
        assert paused.value.exit_code == 75
    launch.train(shared, ["cpu", "cpu"], time.time() + 600)
    assert [artefacts(job) for job in shared] == [artefacts(job) for job in alone]


def test_a_forked_fold_does_not_wait_for_threads_of_its_parent(tmp_path: Path) -> None:
    code = """
        import joblib, torch
        from ffdi.training import launch

        def walk(*_):
            print("sum", torch.ones(4_000_000).sum().item(), flush=True)

        torch.set_num_threads(4)
        torch.ones(4_000_000).sum()  # OpenMP's threads begin, here
        launch._walk = walk
        print(launch._forked([joblib.delayed(launch._worker)([], "cpu", None, "")]))
    """
    command = [sys.executable, script(tmp_path, code)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split("\n")[:2] == ["sum 4000000.0", "[None]"], done.stderr


def test_the_longest_fold_begins_first_and_equal_ones_in_their_order(make_job: MakeJob) -> None:
    short, long, alike = (make_job(at=at, epochs=epochs) for at, epochs in (("a", 1), ("b", 3), ("c", 1)))
    assert launch.longest_first([short, long, alike]) == [long, short, alike]
    refit = make_job(at="d", epochs=9, refit_full=True)
    assert launch.longest_first([refit, short, long]) == [long, short, refit]  # nothing is blended without OOF


def test_every_gpu_has_a_fold_before_any_has_a_second(make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    """As two small folds on Kaggle's two T4 with four cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(4))
    jobs = [make_job(fold=fold) for fold in range(5)]
    assert launch.places_for(jobs[:2], ["cuda:0", "cuda:1"]) == ["cuda:0", "cuda:1"]
    assert launch.places_for(jobs, ["cuda:0", "cuda:1"]) == ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]
    assert launch.places_for([], ["cuda:0"]) == ["cuda:0"]


def test_processes_of_torchrun_share_the_cores_of_a_machine(make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    """As torchrun on Kaggle's two T4 with four cores."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(4))
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    given: list[FoldJob] = []
    monkeypatch.setattr(launch, "_train_together", lambda jobs, _: given.extend(jobs))
    launch.train([make_job(workers=None)], [], None)
    assert given[0].data.workers == 2


def test_more_processes_than_gpus_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "2")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    with pytest.raises(UserError, match="4 processes for 2 GPUs; use --nproc-per-node 2"), world.joined():
        pass


def test_sigterm_while_folds_run_side_by_side_saves_and_exits_75(make_job: MakeJob, tmp_path: Path) -> None:
    """With loaders at work, which must not see the signal; afterwards the folds end as if nothing had happened."""
    fields = {"epochs": 20, "workers": 1}
    jobs = [make_job(fold=fold, at="stopped", **fields) for fold in range(2)]
    joblib.dump(jobs, tmp_path / "jobs")
    code = """
        import joblib, sys
        from ffdi.core.errors import Paused
        from ffdi.training import launch
        if __name__ == "__main__":
            try:
                launch.train(joblib.load(JOBS), ["cpu", "cpu"], None)
            except Paused as pause:
                sys.exit(pause.exit_code)
    """
    child = subprocess.Popen([sys.executable, script(tmp_path, code)], cwd=ROOT)
    while not any(list((job.folder / "state").glob("*")) for job in jobs):  # the other may begin late
        assert child.poll() is None
        time.sleep(0.05)
    child.terminate()
    assert child.wait(timeout=120) == 75
    assert not any((job.folder / "done.json").exists() for job in jobs)
    launch.train(jobs[:1], ["cpu"], None)
    assert artefacts(jobs[0]) == artefacts(finished(make_job(fold=0, at="whole", **fields)))


def test_a_process_that_has_touched_cuda_does_not_fork() -> None:
    code = """
        import torch
        from ffdi.training import launch
        gpus = ["cuda:0", "cuda:0"]
        print(launch.can_fork(gpus), launch.can_fork(["cpu", "cpu"]))
        torch._C._cuda_getDeviceCount()
        print(launch.can_fork(gpus))
    """
    told = subprocess.check_output([sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, text=True)
    assert told.split() == ["True", "False", "False"]


def test_a_forked_process_that_is_killed_breaks_the_run() -> None:
    with pytest.raises(BrokenProcessPool):
        launch._forked([joblib.delayed(_kill)([], "cuda:0", None, "")] * 2)


def _kill(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
