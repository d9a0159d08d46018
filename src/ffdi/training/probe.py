"""One real step of a member on this machine, with made-up pixels: does it run, how fast, in how much memory.

It needs neither data nor weights, so a recipe can be judged before anything is downloaded.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import psutil
import torch

from ffdi.config.recipe import Member
from ffdi.core import keys
from ffdi.data.dataset import Batch, normalise
from ffdi.model import precision, size
from ffdi.model.build import build, data_config
from ffdi.training import optim
from ffdi.training.step import Trainee, update
from ffdi.training.world import World

CPU_BATCH = 2  # a CPU is asked whether it runs; a GPU whether the batch of the recipe fits


@dataclass(frozen=True)
class Probe:
    member: str
    params: int
    train_seconds: float  # per image
    predict_seconds: float  # per image and view
    memory: int  # bytes at the peak, of the GPU or of this process
    micro_batches: int  # parts the batch had to be split into


def probe(member: Member, device: torch.device) -> Probe:
    """Two updates (the second is timed) and one prediction. Raises UserError as training would."""
    cuda = device.type == "cuda"
    count = member.batch_size if cuda else min(member.batch_size, CPU_BATCH)
    world = World(device)
    bare = build(member, pretrained=False)
    bare = precision.place(bare, device, precision.wants_channels_last(bare, member.channels_last))
    fp16 = precision.amp_dtype(member.amp, device) is torch.float16
    scaler = torch.amp.GradScaler(device.type, enabled=fp16)
    optimizer = optim.optimizer(bare, member)
    trainee = Trainee(bare, bare, optimizer, scaler, min(member.micro_batches, count))
    batch = _batch(count, member.image_size)
    ids = [f"made-up {index}" for index in range(count)]
    bare.train()
    update(trainee, batch, ids, member, 0, world)
    train_seconds = _timed(lambda: update(trainee, batch, ids, member, 1, world), device) / count
    predict_seconds = _prediction_seconds(member, bare, device)
    memory = torch.cuda.max_memory_allocated(device) if cuda else psutil.Process().memory_info().rss
    params = sum(parameter.numel() for parameter in bare.parameters())
    return Probe(member.name, params, train_seconds, predict_seconds, memory, trainee.micro_batches)


def _batch(size: int, side: int) -> Batch:
    rng = keys.rng("probe", size, side)
    images_BHWC = torch.from_numpy(rng.integers(0, 256, (size, side, side, 3), np.uint8))
    targets_B = torch.arange(size).remainder(2).float()
    return Batch(images_BHWC, targets_B, torch.arange(size))


def _prediction_seconds(member: Member, trained: torch.nn.Module, device: torch.device) -> float:
    side = member.test_size or member.image_size
    model = size.at_size(trained, side).eval()
    mean, std, _ = data_config(model)
    channels_last = precision.wants_channels_last(model, member.channels_last)
    images_BCHW = normalise(_batch(2, side).images_BHWC, mean, std, device, channels_last)

    def forward() -> None:
        with torch.inference_mode(), precision.autocast(precision.amp_dtype(member.amp, device), device):
            model(images_BCHW)

    forward()
    return _timed(forward, device) / 2


def _timed(work: Callable[[], object], device: torch.device) -> float:
    begun = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begun
