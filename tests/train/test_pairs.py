"""Pairs in training: the same bytes after a stop, and other bytes than without."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from ffdi.base import keys
from ffdi.base.errors import Paused
from ffdi.base.stop import Stop
from ffdi.data.job import Job
from ffdi.train.fit import fit
from ffdi.train.run import Run
from tests.train.test_fit import CPU, StopAt, artefacts

PAIRED = {"pairs": True, "pair_mixup": 0.5, "epochs": 2}


def paired(job: Job) -> Job:
    """Rows 2n and 2n + 1 are an original and its fake."""
    hashes = [keys.key("phash", number) for number in range(len(job.fit))]
    grouped = job.fit.assign(group=np.arange(len(job.fit)) // 2, phash=np.array(hashes, np.uint64))
    return replace(job, fit=grouped)


def test_a_batch_holds_originals_beside_their_fakes(make_job: Callable[..., Job]) -> None:
    job = paired(make_job(**PAIRED))
    names = job.train.set_index("id")["group"]
    running = Run(job, CPU)
    for _, batch in running.batches(0):
        groups = names[running.ids(batch)].to_numpy().reshape(-1, 2)
        assert (groups[:, 0] == groups[:, 1]).all()
        assert ((batch.targets_B > 0) & (batch.targets_B < 1)).float().mean() > 0.9


def test_a_resumed_paired_fold_ends_with_the_same_bytes(make_job: Callable[..., Job]) -> None:
    whole, parted = paired(make_job(at="whole", **PAIRED)), paired(make_job(at="parted", **PAIRED))
    fit(whole, CPU, Stop())
    with pytest.raises(Paused):
        fit(parted, CPU, StopAt(2))
    fit(parted, CPU, Stop())
    assert artefacts(parted) == artefacts(whole)
