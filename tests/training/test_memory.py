from collections.abc import Callable

import pytest
import torch

from ffdi.core import checksum
from ffdi.core.errors import UserError
from ffdi.core.stop import Stop
from ffdi.training import step
from ffdi.training.fit import fit
from ffdi.training.job import FoldJob
from ffdi.training.loss import cross_entropy
from ffdi.training.memory import with_micro_batches
from tests.training.test_fit import CPU

MakeJob = Callable[..., FoldJob]
VIT = {"model": "test_vit", "epochs": 2, "ema_decay": 0.0}  # no BatchNorm: parts of a batch add up to the batch


def _weights(job: FoldJob) -> dict[str, torch.Tensor]:
    """All but the biases of keys: softmax cancels them, so their gradient is noise, which Adam makes steps of."""
    tensors, _ = checksum.read_tensors(job.folder / "weights.safetensors")
    return {name: torch.from_numpy(value).double() for name, value in tensors.items() if "qkv.bias" not in name}


class Exhausted:
    """The loss, out of memory at one call: in the forward or in the backward pass."""

    def __init__(self, at_call: int, in_backward: bool) -> None:
        self.calls: list[int] = []
        self.at_call, self.in_backward = at_call, in_backward

    def __call__(self, logits_BC: torch.Tensor, targets_B: torch.Tensor) -> torch.Tensor:
        self.calls.append(len(targets_B))
        losses_B = cross_entropy(logits_BC, targets_B)
        if len(self.calls) - 1 == self.at_call:
            if not self.in_backward:
                raise torch.OutOfMemoryError("CUDA out of memory")
            losses_B.register_hook(_raise)
        return losses_B


def test_out_of_memory_splits_the_batch_and_changes_nothing(make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = make_job(at="whole", **VIT)
    fit(whole, CPU, Stop())
    expected = _weights(whole)
    for at_call, in_backward in [(0, False), (1, True), (4, False), (5, True)]:
        exhausted = Exhausted(at_call, in_backward)
        monkeypatch.setattr(step.loss, "cross_entropy", exhausted)
        job = make_job(at=f"split{at_call}", **VIT)
        fit(job, CPU, Stop())
        assert set(exhausted.calls) == {8, 4}
        for name, value in _weights(job).items():
            assert torch.allclose(value, expected[name], atol=1e-5), name


def _raise(_: torch.Tensor) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory")


def test_no_end_of_splitting_is_a_clear_error() -> None:
    tried, undone = [], []

    def attempt(parts: int) -> None:
        tried.append(parts)
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(UserError, match="lower image_size or batch_size"):
        with_micro_batches(attempt, 1, 6, lambda: undone.append(1))
    assert tried == [1, 2, 4, 6]
    assert len(undone) == len(tried)


def test_other_errors_are_not_taken_for_it() -> None:
    def attempt(parts: int) -> None:
        raise RuntimeError("shape mismatch")

    with pytest.raises(RuntimeError, match="shape"):
        with_micro_batches(attempt, 1, 4, lambda: None)


def test_a_failed_attempt_leaves_no_batchnorm_statistics() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3))
    trainee = step.Trainee(
        model, model, torch.optim.AdamW(model.parameters()), torch.amp.GradScaler("cpu", enabled=False), 1
    )
    for _ in range(2):
        trainee.remember_buffers()
        before = [buffer.clone() for buffer in model.buffers()]
        model(torch.randn(4, 3)).sum().backward()
        trainee.undo()
        assert all(torch.equal(now, then) for now, then in zip(model.buffers(), before, strict=True))
        assert all(parameter.grad is None for parameter in model.parameters())
