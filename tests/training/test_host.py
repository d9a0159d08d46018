"""On a GPU the host must not wait for the card inside a step. Held without one: no operator reads, no copy waits."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ffdi.core.errors import UserError
from ffdi.data.batches import normalise
from ffdi.model.build import build
from ffdi.training import fit as fits
from ffdi.training import optim
from ffdi.training import state as states
from ffdi.training.checks import Checks
from ffdi.training.job import FoldJob
from ffdi.training.mix import mix
from ffdi.training.world import World
from tests.fixtures.members import member
from tests.fixtures.training import CPU, begun

MakeJob = Callable[..., FoldJob]
# What makes a result's size or a Python number depend on values.
READS = {"_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "unique", "_unique2", "bincount"}


class NoReads(TorchDispatchMode):
    """Fails on operators for which the host would wait."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.name().split("::")[1].split(".")[0]
        by_mask = name.startswith("index") and any(
            isinstance(one, torch.Tensor) and one.dtype == torch.bool
            for one in (args[1] if len(args) > 1 and isinstance(args[1], list | tuple) else ())
        )
        waits = name in READS or by_mask
        assert not waits, f"{func} makes the host wait for the card"
        return func(*args, **(kwargs or {}))


class NoCopies(TorchDispatchMode):
    """Fails on copies between the host and a device for which the host would wait."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out, into = func(*args, **(kwargs or {})), func.overloadpacket is torch.ops.aten.copy_
        if into or func.overloadpacket is torch.ops.aten._to_copy:
            source, target = (args[1], args[0]) if into else (args[0], out)
            later = (kwargs or {}).get("non_blocking") or args[2:3] == (True,)
            waits = source.device.type != target.device.type and not later
            assert not waits, f"{func} from {source.device} to {target.device} makes the host wait"
        return out


OPTIONS = {
    "plain": {},
    "loss": {"loss": {"class_balanced": True, "supcon": 0.2, "consistency": 0.2}, "drop_rate": 0.2},
    "mixed": {"mixup": 0.4, "cutmix": 0.5, "label_smoothing": 0.1, "num_classes": 2},
    "vit in parts": {"model": "test_vit", "micro_batches": 2, "layer_decay": 0.7, "drop_path": 0.2},
    "srm": {"stem": "srm"},
    "dct": {"stem": "dct"},
    "npr": {"stem": "npr"},
    "no clip, no EMA": {"clip_grad": 0.0, "ema_decay": 0.0},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_no_operator_of_a_step_reads_a_tensor(make_job: MakeJob, options: dict[str, Any]) -> None:
    job = make_job(**options)
    state, member = begun(job), job.member
    checks = Checks(job.train.id.to_numpy(), CPU, 4, gradients=True)
    out = None
    for number, batch in enumerate(list(fits._batches(job, CPU, fits.check(job, CPU, 1), 0, 3))):
        with NoReads():
            out = normalise(batch.images_BHWC, (0.5,) * 3, (0.5,) * 3, out=out)
            mixed_BCHW, targets_B = mix(out, batch.targets_B, member.mixup, member.cutmix, number)
            torch.manual_seed(number)
            losses_B, norm = fits.step(state, mixed_BCHW, targets_B, number, CPU, member=member)
            if state.ema is not None:
                state.ema.update(state.unwrapped, step=number + 1)
            checks.add(number, 0.0, batch.rows_B.numpy(), losses_B, norm, False, False)
            assert checks.read() == []
    assert [one.step for one in checks.read(all_of_them=True)] == [0, 1, 2]


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_no_copy_of_a_step_makes_the_host_wait(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """On the device "meta", which has no values: what would be copied from it, or read, is an error as well."""
    generator, meta = torch.Generator(), World(torch.device("meta"))
    monkeypatch.setattr(torch, "Generator", lambda device=None: generator)  # timm's EMA wants one of the device
    monkeypatch.setattr(optim, "optimizer", lambda model, *_, **__: UnfusedAdamW(model.parameters()))
    one = member(**{"model": "test_resnet", "batch_size": 8, "ema_decay": 0.9, **options})
    state = states.begin(build(one, pretrained=False), one, meta)
    state.model.train()
    bytes_BHWC = torch.zeros(8, 64, 64, 3, dtype=torch.uint8, device="meta")
    out, losses_B = normalise(bytes_BHWC, (0.5,) * 3, (0.5,) * 3), bytes_BHWC  # the first copies mean and std
    for number in range(2):
        with NoCopies():
            out = normalise(bytes_BHWC, (0.5,) * 3, (0.5,) * 3, out=out)
            mixed_BCHW, targets_B = mix(out, torch.zeros(8, device="meta"), one.mixup, one.cutmix, number)
            losses_B, _ = fits.step(state, mixed_BCHW, targets_B, number, meta, member=one)
            if state.ema is not None:
                state.ema.update(state.unwrapped, step=number + 1)
    assert losses_B.is_meta


class UnfusedAdamW(torch.optim.AdamW):
    """Fused kernels have no form for "meta"."""

    def step(self, closure: Any = None) -> Any:
        self.found_inf = None
        return super().step(closure)


@pytest.mark.parametrize(("mode", "waits"), [
    pytest.param(NoCopies, lambda: torch.ones(3).to("meta"), id="to"),
    pytest.param(NoCopies, lambda: torch.empty(3, device="meta").copy_(torch.ones(3)), id="copy_"),
    pytest.param(NoReads, lambda: float(torch.ones(3).sum()), id="float"),
    pytest.param(NoReads, lambda: torch.ones(3)[torch.tensor([True, False, True])], id="mask"),
])  # fmt: skip
def test_the_test_sees_what_waits(mode: type[TorchDispatchMode], waits: Callable[[], object]) -> None:
    with mode(), pytest.raises(AssertionError, match="makes the host wait"):
        waits()


def test_a_step_that_is_not_finite_moves_nothing_and_is_named_late(make_job: MakeJob) -> None:
    job = make_job(model="test_vit")  # batch norm would spread the NaN to all images
    state, checks = begun(job), Checks(job.train.id.to_numpy(), CPU, 2, gradients=True)
    before = {name: value.clone() for name, value in state.unwrapped.named_parameters()}
    batches = list(fits._batches(job, CPU, fits.check(job, CPU, 1), 0, 3))
    for number, batch in enumerate(batches):
        images_BCHW = normalise(batch.images_BHWC, (0.5,) * 3, (0.5,) * 3).clone()
        if number == 0:
            images_BCHW[1] = torch.nan
        losses_B, norm = fits.step(state, images_BCHW, batch.targets_B, number, CPU, member=job.member)
        checks.add(number, 0.0, batch.rows_B.numpy(), losses_B, norm, False, False)
    for name, value in state.unwrapped.named_parameters():
        assert torch.equal(value, before[name]), name
    assert all(float(moments["step"]) == 0 for moments in state.optimizer.state.values())
    first = job.train.id[int(batches[0].rows_B[1])]
    with pytest.raises(UserError, match=rf"Non-finite loss at step 0 \(images {first}\); nothing was updated"):
        checks.read()


def test_with_fp16_a_gradient_too_large_for_the_scale_costs_its_own_step_alone(make_job: MakeJob) -> None:
    """As on a T4: the step moves nothing, the scale is halved, and the training goes on, without a read."""
    job = make_job()
    state, checks = begun(job), Checks(job.train.id.to_numpy(), CPU, 4, gradients=False)
    state.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    weight = next(state.unwrapped.parameters())
    overflow = weight.register_hook(lambda gradient: gradient * torch.inf)
    seen = [weight.detach().clone()]
    for number, batch in enumerate(list(fits._batches(job, CPU, fits.check(job, CPU, 1), 0, 3))):
        images_BCHW = normalise(batch.images_BHWC, (0.5,) * 3, (0.5,) * 3).clone()
        with NoReads():
            losses_B, norm = fits.step(state, images_BCHW, batch.targets_B, number, CPU, member=job.member)
            checks.add(number, 0.0, batch.rows_B.numpy(), losses_B, norm, False, False)
        overflow.remove()
        seen.append(weight.detach().clone())
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[1], seen[2])
    assert not torch.equal(seen[2], seen[3])
    assert state.scaler.get_scale() == 512.0
    assert [one.step for one in checks.read(all_of_them=True)] == [0, 1, 2]
