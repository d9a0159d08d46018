"""Capture the step as one CUDA graph: the thousand launches of a small net cost more than its arithmetic.

The graph is replayed with new pixels, targets, learning rates and seed. Before it is captured the step runs twice
without moving anything, so that the first step, and every step after a resume, is a replay like all others.
"""

import warnings
from collections.abc import Callable

import torch

from ffdi.core import console
from ffdi.training.memory import is_out_of_memory
from ffdi.training.state import TrainState
from ffdi.training.world import World

Step = Callable[[TrainState, torch.Tensor, torch.Tensor, int, World], tuple[torch.Tensor, torch.Tensor]]


def is_possible(state: TrainState, world: World) -> bool:
    """Return whether the step of `state` can be captured: one process, a GPU, the batch in one part."""
    return state.found_inf.is_cuda and world.size == 1 and state.micro_batches == 1


class StepGraph:
    """Call it like the step it was made of, which must not read a tensor on the host."""

    def __init__(
        self, step: Step, state: TrainState, images_BCHW: torch.Tensor, targets_B: torch.Tensor, world: World
    ) -> None:
        self._state, self._world = state, world
        self._images_BCHW, self._targets_B = images_BCHW.clone(), targets_B.clone()
        groups = state.optimizer.param_groups
        self._rates_G = torch.zeros(len(groups), device=images_BCHW.device)
        rates = [group["lr"] for group in groups]
        self._graph, stream = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        try:
            for group, rate in zip(groups, self._rates_G, strict=True):
                group["lr"] = rate
            self._warm_up(step)
            with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                self._result = step(state, self._images_BCHW, self._targets_B, 0, world)
        except RuntimeError:
            torch.cuda.set_stream(stream)  # torch stays on the stream of a capture that CUDA broke off
            self._graph.reset()
            _renew_generator(state.found_inf.device)
            raise
        finally:
            for group, rate in zip(groups, rates, strict=True):
                group["lr"] = rate

    def __call__(
        self, state: TrainState, images_BCHW: torch.Tensor, targets_B: torch.Tensor, number: int, world: World
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Run the step. The learning rates are those of the optimizer's groups now."""
        rates = torch.tensor([float(group["lr"]) for group in state.optimizer.param_groups], pin_memory=True)
        self._rates_G.copy_(rates, non_blocking=True)
        self._images_BCHW.copy_(images_BCHW)
        self._targets_B.copy_(targets_B)
        self._graph.replay()
        return self._result

    def _warm_up(self, step: Step) -> None:
        """Run the step with `found_inf` = 1, which makes moments and moves nothing; put BatchNorm and scaler back.

        Also where it fails: a flag that stayed 1 would stop the optimizer for good. The first run may wait for the
        device, as libraries choose their kernels; where the second does, a capture would break off.
        """
        state = self._state
        buffers = [(buffer, buffer.clone()) for buffer in state.unwrapped.buffers()]
        scaler = state.scaler.state_dict()
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        try:
            with torch.cuda.stream(side), warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # the debug mode calls itself a prototype
                for waiting in ("default", "error"):
                    torch.cuda.set_sync_debug_mode(waiting)
                    state.found_inf.fill_(1)
                    step(state, self._images_BCHW, self._targets_B, 0, self._world)
        finally:
            torch.cuda.set_sync_debug_mode("default")
            torch.cuda.current_stream().wait_stream(side)
            for buffer, before in buffers:
                buffer.copy_(before)
            state.found_inf.zero_()
            if scaler:
                state.scaler.load_state_dict(scaler)


def captured(
    step: Step, state: TrainState, images_BCHW: torch.Tensor, targets_B: torch.Tensor, world: World, name: str
) -> Step:
    """Return the step as a graph, or as it is, with one warning, where the model cannot be captured.

    Args:
        step: The function.
        state: Of the training.
        images_BCHW: A batch of the shape of all others.
        targets_B: Its targets.
        world: The processes that train together.
        name: Of the fold, for the warning.
    """
    try:
        return StepGraph(step, state, images_BCHW, targets_B, world)
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        reason = str(error.__context__ or error).splitlines()[0][:160]  # the end of a capture fails because of another
        console.warn(f"{name}: its step cannot be a CUDA graph ({reason}); it runs without.")
        state.optimizer.zero_grad(set_to_none=True)  # gradients that were never computed
        if state.scaler.is_enabled():  # it stopped in the middle of a step
            scaler = state.scaler.state_dict()
            state.scaler = torch.amp.GradScaler(state.found_inf.device.type)
            state.scaler.load_state_dict(scaler)
        return step


def _renew_generator(device: torch.device) -> None:
    """Give torch's generator a state of its own: before torch 2.14 that of a broken capture goes on capturing."""
    fresh = torch.Generator(device).graphsafe_get_state()
    torch.cuda.default_generators[device.index].graphsafe_set_state(fresh)
