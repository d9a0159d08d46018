"""Pairs in training: the same bytes after a stop, and other bytes than without."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ffdi.core import keys
from ffdi.core.errors import Paused, UserError
from ffdi.core.stop import Stop
from ffdi.training.fit import fit
from ffdi.training.job import Job
from ffdi.training.run import Run
from ffdi.training.step import micro_batches, update
from tests.training.test_fit import CPU, StopAt, artefacts

PAIRED = {"pairs": True, "micro_batches": 2, "pair_mixup": 0.5, "epochs": 2}


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


def test_twins_never_go_through_the_net_together(make_job: Callable[..., Job]) -> None:
    job = paired(make_job(**PAIRED))
    running = Run(job, CPU)
    names = job.train.set_index("id")["group"]
    parts: list[torch.Tensor] = []
    running.trainee.bare.register_forward_pre_hook(lambda _, given: parts.append(given[0].clone()))
    for step, batch in running.batches(0):
        ids = running.ids(batch)
        parts.clear()
        update(running.trainee, batch, ids, job.member, step, CPU)
        pixels = running.trainee.pixels
        assert pixels is not None
        assert len(parts) == 2
        for part in parts:
            rows = [next(row for row, image in enumerate(pixels) if torch.equal(image, seen)) for seen in part]
            assert names[[ids[row] for row in rows]].is_unique


@given(images=st.integers(1, 40), parts=st.integers(1, 9), apart=st.booleans())
def test_micro_batches_hold_every_image_once(images: int, parts: int, apart: bool) -> None:
    found = [list(range(images)[rows]) for rows in micro_batches(images, parts, apart)]
    assert sorted(row for part in found for row in part) == list(range(images))
    assert all(found)
    if not apart:
        assert found == [part.tolist() for part in torch.arange(images).chunk(parts)]
    elif parts > 1:
        assert all(two - one > 1 for part in found for one, two in pairwise(part))


def test_pairs_that_would_meet_in_a_batch_norm_are_refused(make_job: Callable[..., Job]) -> None:
    with pytest.raises(UserError, match="micro_batches = 2"):
        Run(paired(make_job(**PAIRED | {"micro_batches": 1})), CPU)


@pytest.mark.parametrize("blend", ["mixup", "cutmix"])
def test_images_blended_across_parts_are_refused_with_pairs(make_job: Callable[..., Job], blend: str) -> None:
    with pytest.raises(UserError, match="pair_mixup"):
        Run(paired(make_job(**PAIRED | {blend: 0.5})), CPU)


def test_a_net_without_batch_norm_may_see_twins_together(make_job: Callable[..., Job]) -> None:
    Run(paired(make_job(**PAIRED | {"micro_batches": 1, "model": "test_vit", "image_size": 160})), CPU)


def test_a_resumed_paired_fold_ends_with_the_same_bytes(make_job: Callable[..., Job]) -> None:
    whole, parted = paired(make_job(at="whole", **PAIRED)), paired(make_job(at="parted", **PAIRED))
    fit(whole, CPU, Stop())
    with pytest.raises(Paused):
        fit(parted, CPU, StopAt(2))
    fit(parted, CPU, Stop())
    assert artefacts(parted) == artefacts(whole)
