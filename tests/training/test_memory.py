from collections.abc import Callable
from typing import Any

import pytest
import torch

from ffdi.core import checksum
from ffdi.core.errors import UserError
from ffdi.training import fit as fits
from ffdi.training import memory
from ffdi.training.job import FoldJob
from ffdi.training.state import TrainState
from tests.fixtures.training import finished

MakeJob = Callable[..., FoldJob]
VIT = {"model": "test_vit", "epochs": 2, "ema_decay": 0.0}  # no BatchNorm: parts of a batch add up to the batch


def _weights(job: FoldJob) -> dict[str, torch.Tensor]:
    """All but the biases of keys: softmax cancels them, so their gradient is noise, which Adam makes steps of."""
    tensors, _ = checksum.read_tensors(job.folder / "weights.safetensors")
    return {name: torch.from_numpy(value).double() for name, value in tensors.items() if "qkv.bias" not in name}


@pytest.mark.parametrize(("number", "goes_on_at"), [(0, 0), (5, 4)])
def test_out_of_memory_goes_on_from_the_last_save_in_more_parts(
    make_job: MakeJob,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
    goes_on_at: int,
) -> None:
    expected, step, seen = _weights(finished(make_job(at="whole", **VIT))), fits.step, []

    def failing(state: TrainState, *given: Any, **named: Any) -> Any:
        seen.append((given[2], state.micro_batches))
        if given[2] == number and state.micro_batches == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return step(state, *given, **named)

    monkeypatch.setattr(fits, "step", failing)
    job = finished(make_job(at="split", **VIT), save_steps=2)
    assert seen == [(n, 1) for n in range(number + 1)] + [(n, 2) for n in range(goes_on_at, 6)]
    assert "out of memory with 1 micro-batches" in capsys.readouterr().err
    for name, value in _weights(job).items():
        assert torch.allclose(value, expected[name], atol=1e-5), name


@pytest.mark.parametrize(
    ("parts", "batch", "may_split", "message"),
    [(8, 8, True, "even with 8 micro-batches of a batch of 8"), (1, 8, False, "set micro_batches = 2")],
)
def test_what_cannot_be_split_is_one_sentence(parts: int, batch: int, may_split: bool, message: str) -> None:
    with pytest.raises(UserError, match=message):
        memory.more_micro_batches("tiny fold 0", parts, batch, may_split)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("shapes differ", False),
        ("DefaultCPUAllocator: can't allocate memory", True),
        ("CUDA error: out of memory", True),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", True),
        ("cuDNN error: CUDNN_STATUS_ALLOC_FAILED", True),
    ],
)
def test_every_sign_of_full_memory_is_known_and_no_other_error_taken_for_it(message: str, expected: bool) -> None:
    assert memory.is_out_of_memory(RuntimeError(message)) is expected
