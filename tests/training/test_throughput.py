from collections.abc import Callable
from pathlib import Path

import torch

from ffdi.core import checksum
from ffdi.core.stop import Stop
from ffdi.training import throughput
from ffdi.training.fit import fit
from ffdi.training.job import FoldJob
from tests.fixtures.training import CPU, artefacts

MakeJob = Callable[..., FoldJob]


def test_a_finished_fold_leaves_its_speed_beside_what_is_sealed_in_done(make_job: MakeJob) -> None:
    job = make_job()
    fit(job, CPU, Stop())
    found = checksum.read_json(job.folder.speed)
    assert found["images"] == len(job.oof) + len(job.val) + len(job.test)
    assert found["images_per_second"] > 0
    assert found["device"] == "CPU"
    assert job.folder.speed.name not in checksum.read_json(job.folder / "done.json")["files"]


def test_predicting_again_measures_again_and_changes_nothing_else(make_job: MakeJob) -> None:
    job = make_job()
    fit(job, CPU, Stop())
    before = artefacts(job)
    for name in (job.folder.done.name, job.folder.speed.name):
        (job.folder / name).unlink()
    fit(job, CPU, Stop())
    assert artefacts(job) == before
    assert (job.folder.speed).exists()


def test_what_lay_there_already_is_no_measurement(tmp_path: Path) -> None:
    throughput.Throughput().write(tmp_path, torch.device("cpu"))
    assert list(tmp_path.iterdir()) == []
