"""What would end the first step is told in one sentence before the first fold, by training and by doctor alike."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ffdi.core.errors import UserError
from ffdi.model import compiling
from ffdi.training import launch, memory
from ffdi.training.fit import check
from ffdi.training.job import FoldJob
from ffdi.training.probe import probe
from ffdi.training.world import World
from tests.fixtures.training import CPU, finished

MakeJob = Callable[..., FoldJob]
ONE = {"model": "test_resnet", "epochs": 1}  # its last map has one pixel at 32 px: a single value of each channel


@pytest.mark.parametrize(
    ("images", "asked", "sizes"), [(8, 1, [8]), (8, 3, [3, 3, 2]), (5, 4, [2, 2, 1]), (7, 3, [3, 3, 1])]
)
def test_parts_hold_every_image_once(images: int, asked: int, sizes: list[int]) -> None:
    assert [one.stop - one.start for one in memory.slices(images, asked)] == sizes


@pytest.mark.parametrize(
    ("refused", "remedy"),
    [
        ({"batch_size": 5, "micro_batches": 4}, {"micro_batches": 2}),
        ({"batch_size": 1}, {"batch_size": 2}),
        ({"batch_size": 1}, {"model": "test_vit"}),  # without batch norm one image is enough
    ],
)
def test_batch_norm_on_one_image_is_told_before_the_first_fold_and_the_remedy_trains(
    make_job: MakeJob, refused: dict[str, int], remedy: dict[str, object]
) -> None:
    job = make_job(**ONE | refused)
    with pytest.raises(
        UserError, match=r"tiny fold 0: batch norm cannot train on one image.*raise batch_size or lower"
    ):
        launch.train([make_job(model="test_vit"), job], ["cpu"], None)
    assert not job.folder.exists()
    with pytest.raises(UserError, match="batch norm cannot train on one image"):
        probe(job.member, CPU.device, steps=4)
    mended = make_job(**ONE | refused | remedy)
    assert probe(mended.member, CPU.device, steps=4).train_seconds > 0
    assert finished(mended).folder.done.exists()


@pytest.mark.parametrize("batch", [8, 32])
def test_a_batch_that_processes_cannot_share_is_one_sentence_and_the_remedy_works(
    make_job: MakeJob, batch: int
) -> None:
    five = World(CPU.device, 0, 5)
    with pytest.raises(UserError, match="by 5 processes; choose batch_size as a multiple of 5, at most 24"):
        check(make_job(batch_size=batch), five, 1)
    assert check(make_job(batch_size=20), five, 1).batch_size == 20


def test_a_missing_compiler_is_told_before_the_first_fold(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch._inductor import config

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(config.cpp, "cxx", (None, str(tmp_path / "g++")))
    torch._dynamo.reset()
    job = make_job(**ONE, compile=True)
    told = r"torch.compile does not work on this machine \(.*C\+\+ compiler.*set compile = false, or install g\+\+"
    for attempt in (lambda: launch.train([job], ["cpu"], None), lambda: probe(job.member, CPU.device, steps=4)):
        with pytest.raises(UserError, match=told):
            attempt()
    assert not compiling.is_for_training(make_job(**ONE, compile=False).member, 4, CPU.device)


def test_a_training_is_compiled_as_in_a_new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    resets = []
    monkeypatch.setattr(torch.compiler, "reset", lambda: resets.append("reset"))
    compiling.choose_by_rule()
    assert resets == ["reset"]
