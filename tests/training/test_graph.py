"""A step that cannot be captured as a CUDA graph runs without one, as if nobody had tried. The card is a stub here."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any
from unittest.mock import MagicMock

import pytest
import torch

from ffdi.training import checks, graph
from ffdi.training import fit as fits
from ffdi.training.job import FoldJob
from ffdi.training.state import TrainState
from tests.fixtures.training import CPU, SIDE, begun


@pytest.fixture(autouse=True)
def card(monkeypatch: pytest.MonkeyPatch) -> MagicMock:
    """Return what stands for the card: it remembers what was called."""
    card = MagicMock()
    for name in ("CUDAGraph", "Stream", "current_stream", "set_stream", "set_sync_debug_mode"):
        monkeypatch.setattr(torch.cuda, name, getattr(card, name))
    for name in ("stream", "graph"):
        monkeypatch.setattr(torch.cuda, name, lambda *_, **__: nullcontext())
    monkeypatch.setattr(graph, "_renew_generator", card.renew_generator)
    return card


def captured(step: Any, state: TrainState) -> graph.Step:
    return graph.captured(step, state, torch.randn(8, 3, SIDE, SIDE), torch.zeros(8), CPU, "tiny")


@pytest.mark.parametrize("fp16", [False, True])
@pytest.mark.parametrize("broken", [2, 3], ids=["while it warms up", "while it is captured"])
def test_the_steps_after_a_failed_capture_are_those_of_no_capture(
    make_job: Callable[..., FoldJob],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    broken: int,
    fp16: bool,
) -> None:
    job, hold, calls = make_job(), checks.hold_non_finite, []
    images_BCHW, targets_B = torch.randn(8, 3, SIDE, SIDE), torch.arange(8).remainder(2).float()
    step = partial(fits.step, member=job.member)
    tried, plain = begun(job), begun(job)
    for state in (tried, plain):
        state.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, enabled=fp16)

    def breaks(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) == broken:  # the gradients are there, and unscaled
            raise RuntimeError("operation not permitted when stream is capturing")
        hold(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(checks, "hold_non_finite", breaks)
    update = captured(step, tried)
    assert "its step cannot be a CUDA graph (operation not permitted" in capsys.readouterr().err
    before = plain.unwrapped.get_parameter("fc.weight").clone()
    for number in range(2):
        for state, one in ((tried, update), (plain, step)):
            losses_B, _ = one(state, images_BCHW, targets_B, number, CPU)
            assert torch.isfinite(losses_B).all()
    wanted = dict(plain.unwrapped.named_parameters())
    assert not torch.equal(wanted["fc.weight"], before)
    for name, value in tried.unwrapped.named_parameters():
        assert torch.equal(value, wanted[name]), name


def test_a_warm_up_leaves_batch_norm_as_it_was(make_job: Callable[..., FoldJob]) -> None:
    def breaks(*arguments: object) -> None:
        fits.step(*arguments, member=job.member)  # type: ignore[arg-type]
        raise RuntimeError("no kernel image")

    job = make_job()
    state, before = begun(job), dict(begun(job).unwrapped.named_buffers())
    captured(breaks, state)
    for name, value in state.unwrapped.named_buffers():
        assert torch.equal(value, before[name]), name


def test_what_waits_for_the_card_ends_the_second_warm_up(make_job: Callable[..., FoldJob], card: MagicMock) -> None:
    """A capture would break off there, and torch does not put everything back."""

    def reads(*arguments: object) -> tuple[torch.Tensor, torch.Tensor]:
        if card.set_sync_debug_mode.call_args.args == ("error",):
            raise RuntimeError("called a synchronizing CUDA operation")
        return fits.step(*arguments, member=job.member)  # type: ignore[arg-type]

    job = make_job()
    assert captured(reads, begun(job)) is reads
    assert [one.args for one in card.set_sync_debug_mode.call_args_list] == [("default",), ("error",), ("default",)]


def test_a_capture_that_cuda_breaks_off_leaves_no_trace_and_its_cause_is_told(
    make_job: Callable[..., FoldJob],
    card: MagicMock,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    calls = []

    @contextmanager
    def breaks_off(*_: object, **__: object) -> Iterator[None]:
        try:
            yield
        finally:
            raise RuntimeError("operation failed due to a previous error during capture")

    def reads(*arguments: object) -> tuple[torch.Tensor, torch.Tensor]:
        calls.append(arguments)
        if len(calls) == 3:
            raise RuntimeError("operation not permitted when stream is capturing")
        return fits.step(*arguments, member=job.member)  # type: ignore[arg-type]

    monkeypatch.setattr(torch.cuda, "graph", breaks_off)
    job = make_job()
    captured(reads, begun(job))
    assert "cannot be a CUDA graph (operation not permitted" in capsys.readouterr().err
    card.set_stream.assert_called_once_with(card.current_stream())
    card.CUDAGraph().reset.assert_called_once()
    card.renew_generator.assert_called_once()
