"""Training or prediction of one net on the card: `python -m tests.bench gpu_net training|prediction MODEL FOLDER`.

`python -m tests.bench gpu` starts one process for each. It compiles, prints "ready", and waits for a line on its input:
then it has the card alone, measures and prints its rows. FOLDER holds the photographs of `gpu.photographs`.
"""

import os
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pandas as pd
import timm
import torch

from ffdi.config.recipe import Member
from ffdi.core import console
from ffdi.data.workers import shared_pool
from ffdi.infer.engine import predict
from ffdi.infer.nets import Net
from ffdi.training import launch
from tests.bench import gpu

COUNT = 1000  # photographs
Steps = dict[str, Callable[[], int]]


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Raise TimeoutError in this thread after so many seconds."""

    def late(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def prepared(makers: list[tuple[str, Callable[[], Callable[[], int]]]], seconds: float) -> Steps:
    """Make the steps in order, those that take too long or cannot be compiled left out."""
    made, end = {}, time.monotonic() + seconds
    for name, make in makers:
        try:
            with at_most(max(1, round(end - time.monotonic()))):
                made[name] = make()
        except Exception as error:  # of the compilers behind it, which also turn a TimeoutError into their own
            print(f"{name}: left out, {type(error).__name__}", file=sys.stderr, flush=True)
    return made


def wait_for_the_card() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


def training(model: str, folder: Path, workers: int) -> None:
    """Print the step with its batch on the card, and a whole training from JPEG files, against bare loops."""
    one, eager = gpu.member(model, compile=True), gpu.member(model, compile=False)
    steps = prepared([("bare compiled", lambda: gpu.bare(one, compiled=True)), ("kit, compiled", lambda: gpu.kit(one))],
                     gpu.READY_SECONDS)  # fmt: skip
    is_compiled = "kit, compiled" in steps
    steps |= {"bare eager": gpu.bare(eager)} | ({} if is_compiled else {"kit": gpu.kit(eager)})
    wait_for_the_card()
    found = gpu.in_turn(steps)
    best = max((name for name in found if name.startswith("bare")), key=lambda name: statistics.median(found[name]))
    gpu.show(f"step, {model}", found, best)
    steps.clear()
    torch.cuda.empty_cache()
    rows = pd.concat([gpu.listed(COUNT).assign(turn=turn) for turn in range(100)], ignore_index=True)
    rows = rows.assign(id=rows.turn.astype(str) + "-" + rows.id)
    trained = gpu.whole(rows, folder, one if is_compiled else eager, workers)
    gpu.show(f"training from JPEG, {model}", {"whole": trained, best: found[best]}, best)


def prediction(model: str, folder: Path, workers: int) -> None:
    """Print six views of each image, from JPEG files to logits, against a bare forward loop, eager or compiled."""
    net, rows = _net(model), gpu.listed(COUNT)

    def kit(compiled: bool) -> Callable[[], int]:
        def step(some: pd.DataFrame = rows) -> int:
            predict(net, some, folder, device=gpu.CARD, workers=workers, compiled=compiled, label="bench")
            return len(some) * len(net.member.tta)

        step(rows.iloc[: 2 * net.member.batch_size])
        return step

    steps = prepared([("bare compiled", lambda: _bare(torch.compile(net.weights), net.member)),
                      ("kit, compiled", lambda: kit(compiled=True))], gpu.READY_SECONDS)  # fmt: skip
    steps |= {"bare eager": _bare(net.weights, net.member), "kit": kit(compiled=False)}
    wait_for_the_card()
    found = gpu.in_turn(steps, calls=1)
    best = max((name for name in found if name.startswith("bare")), key=lambda name: statistics.median(found[name]))
    gpu.show(f"prediction, six views, {model}", found, best)


def _net(model: str) -> Net:
    member = gpu.member(model, tta=("six",))
    return Net(
        member, 0, timm.create_model(model, num_classes=1).to(gpu.CARD, memory_format=torch.channels_last).eval()
    )


def _bare(model: torch.nn.Module, member: Member) -> Callable[[], int]:
    shape = (member.batch_size, 3, member.image_size, member.image_size)
    images_BCHW = torch.randn(shape, device=gpu.CARD).contiguous(memory_format=torch.channels_last)

    @torch.inference_mode()
    def step() -> int:
        with torch.autocast(gpu.CARD.type, torch.bfloat16):
            for _ in range(8):
                model(images_BCHW)
        return 8 * member.batch_size

    step()
    return step


def main(role: str, model: str, folder: str) -> None:
    console.send_to(lambda *_: None)  # progress would stand between the rows
    workers = min(len(os.sched_getaffinity(0)), launch.MAX_WORKERS)
    shared_pool(workers)  # forked before CUDA is touched
    launch.prepare(gpu.CARD, workers)
    (training if role == "training" else prediction)(model, Path(folder), workers)
