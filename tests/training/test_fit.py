from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import torch

from ffdi.core import checksum
from ffdi.core.errors import CorruptError, Paused, UserError
from ffdi.data.batches import normalise
from ffdi.model.build import build
from ffdi.training import finish, log, loss, predictions
from ffdi.training import fit as fits
from ffdi.training.fit import fit
from ffdi.training.job import FoldJob
from ffdi.training.world import World
from tests.fixtures.training import CPU, StopAt, artefacts, begun, finished

MakeJob = Callable[..., FoldJob]


def test_a_fold_learns_leaves_what_the_plan_says_and_is_not_trained_again(make_job: MakeJob) -> None:
    job = finished(make_job(epochs=6, tta=("identity", "hflip")))
    done = checksum.read_json(job.folder / "done.json")
    assert done["scores"]["auc"] > 0.8
    assert set(done["files"]) == {"weights.safetensors", "oof.parquet", "val.parquet", "test.parquet"}
    oof = checksum.read_table(job.folder / "oof.parquet")
    assert oof.id.tolist() == np.repeat(job.oof.id, 2).tolist()
    assert oof["view"].tolist() == ["identity", "hflip"] * len(job.oof)
    assert oof.logit.dtype == np.float32
    assert not oof.imputed.any()
    assert list((job.folder / "state").glob("*")) == []
    curve = pd.DataFrame(log.lines(job.folder / "log.jsonl"))
    assert (curve["split"] == "oof").sum() == job.member.epochs - 1
    assert curve.loc[curve["split"] == "train", "step"].max() == 6 * 3
    before = {path: path.stat().st_mtime_ns for path in job.folder.iterdir()}
    finished(job)
    assert {path: path.stat().st_mtime_ns for path in job.folder.iterdir()} == before


def test_a_log_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"Cannot write {tmp_path}: Is a directory; make room, or the place writable"):
        log.Log(tmp_path, 3, 8).held_out(3, {"auc": 0.5})


@pytest.mark.parametrize(
    "member",
    [
        {},
        {"model": "test_vit", "layer_decay": 0.7, "drop_rate": 0.2, "drop_path": 0.2, "mixup": 0.4, "cutmix": 0.5},
        {"num_classes": 2, "ema_decay": 0.0, "balance": True, "label_smoothing": 0.1, "micro_batches": 2},
        {"model": "test_efficientnet", "clip_grad": 0.0},
    ],
    ids=["plain", "vit", "two-classes", "efficientnet"],
)
def test_a_resumed_fold_ends_with_the_same_bytes(make_job: MakeJob, member: dict[str, object]) -> None:
    whole, broken = finished(make_job(at="whole", **member)), make_job(at="broken", **member)
    pauses = 0
    for question in (2, 3, 5, 4, 7, 6):
        try:
            fit(broken, CPU, StopAt(question))
        except Paused:
            pauses += 1
    assert pauses >= 3
    assert artefacts(finished(broken)) == artefacts(whole)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_workers_change_nothing(make_job: MakeJob, workers: int) -> None:
    alone = finished(make_job(at="alone", epochs=2))
    shared = finished(make_job(at="shared", epochs=2, workers=workers))
    assert artefacts(shared) == artefacts(alone)


def test_a_stop_while_held_out_images_are_predicted_saves_first(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise Paused("stopped")

    monkeypatch.setattr(fits, "SAVE_SHARE", -1.0)  # the end of an epoch alone does not save
    monkeypatch.setattr(finish, "held_out", stopped)
    job = make_job()
    with pytest.raises(Paused):
        finished(job)
    assert max((job.folder / "state").iterdir()).name == "step-00000003.safetensors"


def test_other_views_are_predicted_without_training(make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finish, "shutil", Mock())  # as killed before the parts were removed: they have other views
    job = finished(make_job())
    weights = (job.folder / "weights.safetensors").read_bytes()
    monkeypatch.setattr(fits, "prepare", None)  # training would need it
    more = replace(job, member=job.member.model_copy(update={"tta": ("identity", "vflip")}))
    assert not finish.is_done(more)
    finished(more)
    assert set(checksum.read_table(job.folder / "oof.parquet")["view"]) == {"identity", "vflip"}
    assert (job.folder / "weights.safetensors").read_bytes() == weights


def test_a_refit_on_all_rows_has_no_oof(make_job: MakeJob) -> None:
    job = finished(make_job(fold="full", refit_full=True, epochs=1))
    assert not (job.folder / "oof.parquet").exists()
    assert len(checksum.read_table(job.folder / "test.parquet")) == len(job.test)
    assert checksum.read_json(job.folder / "done.json")["scores"] == {}


def test_unreadable_images_get_the_median(make_job: MakeJob) -> None:
    job = make_job(epochs=1)
    broken = ["broken.png", *job.test.relpath[1:]]
    (job.images / "broken.png").write_bytes(b"not an image")
    job = finished(replace(job, test=job.test.assign(relpath=broken)))
    test = checksum.read_table(job.folder / "test.parquet")
    oof = checksum.read_table(job.folder / "oof.parquet")
    assert test.imputed.tolist() == [True] + [False] * (len(job.test) - 1)
    assert test.logit[0] == np.float32(oof.logit.median())


def test_another_run_in_the_same_folder_is_refused(make_job: MakeJob) -> None:
    job = make_job()
    with pytest.raises(Paused):
        fit(job, CPU, StopAt(3))
    for field in ("spec", "manifest", "folds"):
        with pytest.raises(CorruptError, match=rf"{field} .*c{{64}}"):
            finished(replace(job, **{field: "c" * 64}))
    finished(job)
    with pytest.raises(CorruptError, match=r"c{64}"):
        finished(replace(job, spec="c" * 64))


def test_a_damaged_state_is_named_and_the_one_before_it_goes_on(make_job: MakeJob) -> None:
    whole, job = finished(make_job(at="whole")), make_job()
    with pytest.raises(Paused):
        fit(job, CPU, StopAt(6), save_steps=2)
    newest = max((job.folder / "state").iterdir())
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(bytes(content))
    with pytest.raises(CorruptError, match=newest.name):
        finished(job)
    newest.unlink()
    assert artefacts(finished(job)) == artefacts(whole)


def test_a_step_that_is_not_finite_names_the_images_and_is_not_saved(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, calm, calls = make_job(), loss.cross_entropy, []

    def poisoned(logits_BC: torch.Tensor, targets_B: torch.Tensor) -> torch.Tensor:
        calls.append(logits_BC)
        steep_B = (logits_BC[:, 0] * 0).sqrt() * 0  # finite value, infinite slope
        return calm(logits_BC, targets_B) + (steep_B if len(calls) == 3 else 0)

    monkeypatch.setattr(loss, "cross_entropy", poisoned)
    with pytest.raises(UserError, match=r"Non-finite gradient at step 2 \(images \w{32}\.png"):
        finished(job, save_steps=1)
    assert max((job.folder / "state").iterdir()).name == "step-00000002.safetensors"


def test_long_tables_are_predicted_in_parts_with_the_same_bytes(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts of another length, as made on a GPU, whose batches are larger, are not taken for those of this run."""
    whole, job = finished(make_job(at="whole", batch_size=2)), make_job(at="parts", batch_size=2)
    monkeypatch.setattr(predictions, "PART_BATCHES", 1)
    with pytest.raises(Paused, match="test"):
        fit(job, CPU, StopAt(50))
    assert len(list(job.folder.predicted_parts.iterdir())) > 1
    monkeypatch.setattr(predictions, "PART_BATCHES", 2)
    assert artefacts(finished(job)) == artefacts(whole)
    assert not job.folder.predicted_parts.exists()


def test_processes_that_predict_together_stop_before_a_table(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(World, "any", lambda _, flag: flag)
    job = make_job()
    with pytest.raises(Paused, match=r"tiny fold 0 test: stopped \(test\)"):
        predictions.part(job, "test", range(6), build(job.member), World(CPU.device, 0, 2), StopAt(1))


def test_sibling_folds_start_from_the_same_weights(make_job: MakeJob) -> None:
    finished(make_job(fold=0, epochs=1))
    other = make_job(fold=1, epochs=1)
    checksum.write_json(other.folder.parent / "start.json", {"from": "file", "sha256": "e" * 64})
    with pytest.raises(UserError, match=r"e{12}"):
        finished(other)


def test_a_fold_meets_the_fakes_that_its_recipe_forges(make_job: MakeJob) -> None:
    job = make_job(forge={"share": 0.5, "families": {"erasure": 1}}, epochs=4)
    batches = list(fits._batches(job, CPU, fits.check(job, CPU, 1), 0, 12))
    labels = np.concatenate([batch.targets_B.numpy() for batch in batches])
    known = np.concatenate([job.train.target.to_numpy()[batch.rows_B.numpy()] for batch in batches])
    assert (labels[known == 1] == 1).all()
    assert 0.2 < labels[known == 0].mean() < 0.8


@pytest.mark.parametrize("loss_config", [{"class_balanced": True}, {"supcon": 0.5}, {"consistency": 0.5}])
def test_each_part_of_the_loss_reaches_the_step(make_job: MakeJob, loss_config: dict[str, object]) -> None:
    found = {}
    for name, options in {"plain": {}, "with": loss_config}.items():
        job = make_job(at=name, loss=options, batch_size=6, ema_decay=0.0)
        state = begun(job)
        (batch,) = fits._batches(job, CPU, fits.check(job, CPU, 1), 0, 1)
        images_BCHW = normalise(batch.images_BHWC, (0.5,) * 3, (0.5,) * 3)
        torch.manual_seed(0)
        losses_B, _ = fits.step(state, images_BCHW, batch.targets_B, 0, CPU, member=job.member)
        found[name] = losses_B.mean()
        found[f"{name} weights"] = state.unwrapped.state_dict()["conv1.0.weight"].clone()
    assert not torch.equal(found["plain weights"], found["with weights"])
    assert found["with"] > found["plain"] or "supcon" not in loss_config


def test_label_smoothing_reaches_the_step(make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Mock(wraps=fits.step)
    monkeypatch.setattr(fits, "step", step)
    finished(make_job(epochs=1, label_smoothing=0.2), predicts=False)
    targets = torch.cat([call.args[2] for call in step.call_args_list])
    torch.testing.assert_close(targets.unique(), torch.tensor([0.1, 0.9]))


def test_a_save_keeps_time_free_before_the_deadline(make_job: MakeJob) -> None:
    stop = StopAt(10_000)
    fit(make_job(epochs=1), CPU, stop, save_steps=1, predicts=False)
    assert stop.reserve > 0


@pytest.mark.parametrize(
    ("batch", "size", "device", "expected"),
    [
        *((8, 32, "cpu", 8), (8, 32, "cuda", 64), (24, 32, "cuda", 72), (128, 32, "cuda", 128)),
        *((8, 512, "cuda", 16), (4, 2048, "cuda", 4)),  # more images would need the memory that the training has
    ],
)
def test_a_gpu_predicts_in_whole_batches_that_fill_it(
    make_job: MakeJob, batch: int, size: int, device: str, expected: int
) -> None:
    member = make_job(batch_size=batch, test_size=size).member
    assert predictions.prediction_batch(member, torch.device(device)) == expected
