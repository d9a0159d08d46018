"""Time some real steps of a member on this machine, with random pixels: speed and memory.

It needs neither data nor weights.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import psutil
import torch

from ffdi.config.recipe import Member
from ffdi.core import keys
from ffdi.data.batches import normalise
from ffdi.model import compiling, precision, size
from ffdi.model.build import build, data_config
from ffdi.training import fit, graph, memory
from ffdi.training import state as states
from ffdi.training.world import World

CPU_BATCH, CPU_PIXELS = 2, 400_000  # at least and at most in a step on a CPU; a GPU is asked whether the batch fits
ROUNDS, CPU_ROUNDS = 5, 2


@dataclass(frozen=True)
class Probe:
    params: int
    train_seconds: float  # per image, without reading it
    predict_seconds: float  # per image and view
    memory: int  # bytes at the peak, of the GPU or of this process


def probe(member: Member, device: torch.device, steps: int, least: float = 0.0) -> Probe:
    """Return what steps by the code that trains, and predictions, cost.

    Args:
        member: What is trained; its batch is tried whole on a GPU, and on a CPU some images of its first part.
        device: Where.
        steps: Of the whole training, which decide whether it is compiled.
        least: Seconds that steps, and predictions, are timed for on a CPU.

    Raises:
        UserError: As training would.
    """
    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats(device)  # of the member before
    model, micro_batches = build(member, pretrained=False), member.micro_batches
    compiled = compiling.is_for_training(member, steps, device)
    if compiled:
        compiling.check(member.name, device)
    while True:
        memory.check(member.name, member, member.batch_size, micro_batches)
        try:
            train_seconds = _train_seconds(member, model, World(device), micro_batches, compiled, least)
            break
        except RuntimeError as error:
            if not memory.is_out_of_memory(error):
                raise
        torch.cuda.empty_cache()
        micro_batches = memory.more_micro_batches(member.name, micro_batches, member.batch_size)
    predict_seconds = _predict_seconds(member, model, device, least)
    peak = torch.cuda.max_memory_allocated(device) if cuda else psutil.Process().memory_info().rss
    params = sum(parameter.numel() for parameter in model.parameters())
    return Probe(params, train_seconds, predict_seconds, peak)


def _cpu_batch(member: Member) -> int:
    return min(member.batch_size, max(CPU_BATCH, CPU_PIXELS // member.image_size**2))


def _train_seconds(
    member: Member, model: torch.nn.Module, world: World, micro_batches: int, compiled: bool, least: float
) -> float:
    """Return seconds per image of a step, after one that is not timed."""
    # Weights must not learn the random labels by heart: gradients would become denormal, and a CPU half as fast.
    member = member.model_copy(update={"lr": 0.0})
    state, count = states.begin(model, member, world), member.batch_size
    state.micro_batches = micro_batches
    if world.device.type == "cpu":
        first = memory.slices(count, micro_batches)[0]
        count, state.micro_batches = min(_cpu_batch(member), first.stop), 1
    if compiled:
        compiling.choose_by_rule()
        state.model.compile()
    state.model.train()
    images_BCHW = _pixels(member, state.unwrapped, count, member.image_size, world.device)
    targets_B = torch.arange(count, device=world.device).remainder(2).float()
    update: graph.Step = partial(fit.step, member=member)
    if graph.is_possible(state, world):
        update = graph.captured(update, state, images_BCHW, targets_B, world, member.name)

    def step() -> None:
        update(state, images_BCHW, targets_B, 0, world)
        if state.ema is not None:
            state.ema.update(state.unwrapped, step=1)

    step()
    return _seconds(step, world.device, least) / count


def _predict_seconds(member: Member, trained: torch.nn.Module, device: torch.device, least: float) -> float:
    """Return seconds per image of a forward pass."""
    side = member.test_size or member.image_size
    count = member.batch_size if device.type == "cuda" else _cpu_batch(member)
    model = size.at_size(trained, side).eval()
    images_BCHW = _pixels(member, model, count, side, device)

    def forward() -> None:
        with torch.inference_mode(), precision.autocast(precision.amp_dtype(member.amp, device), device):
            model(images_BCHW)

    forward()
    return _seconds(forward, device, least) / count


def _pixels(member: Member, model: torch.nn.Module, count: int, side: int, device: torch.device) -> torch.Tensor:
    rng = keys.rng("probe", count, side)
    images_BHWC = torch.from_numpy(rng.integers(0, 256, (count, side, side, 3), "uint8")).to(device)
    return normalise(images_BHWC, *data_config(model), precision.is_channels_last(model))


def _seconds(work: Callable[[], object], device: torch.device, least: float) -> float:
    """Return the seconds of one call, the mean of some; on a CPU those of this process, whatever else runs."""
    if device.type == "cpu":
        begun, rounds = time.process_time(), 0
        while rounds < CPU_ROUNDS or time.process_time() - begun < least:
            work()
            rounds += 1
        return (time.process_time() - begun) / rounds
    torch.cuda.synchronize(device)
    begun = time.perf_counter()
    for _ in range(ROUNDS):
        work()
    torch.cuda.synchronize(device)
    return (time.perf_counter() - begun) / ROUNDS
