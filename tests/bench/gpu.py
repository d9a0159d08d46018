"""What the kit does on the card in front of it, against bare loops: `python -m tests.bench gpu [PART|NET ...]`.

A bare loop has its batches on the card and does the same arithmetic: same model, batch, bf16, channels_last, clip,
fused AdamW, EMA. Each row is printed as soon as it is known; ratios are medians of rounds in turn. Without a card it
runs on the CPU, which tries its control flow: `python -m tests.bench gpu training prediction test_resnet`.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pandas as pd
import timm
import torch
from timm.utils import ModelEmaV3

from ffdi.config.recipe import Member
from ffdi.core.errors import Paused
from ffdi.core.stop import Stop
from ffdi.model import compiling
from ffdi.training import fit as fits
from ffdi.training import graph, optim
from ffdi.training import state as states
from ffdi.training.world import World
from tests.bench import gpu_resume, gpu_small
from tests.bench.hashing import portraits
from tests.bench.job import fold
from tests.fixtures.kills import run_once

CARD = torch.device("cuda:0" if torch.cuda.device_count() else "cpu")
NETS = {  # image size and batch
    "caformer_s18": (384, 32),
    "tf_efficientnetv2_m": (384, 32),
    "convnextv2_tiny": (384, 32),
    "resnet18": (256, 64),
}
ROUNDS = 3
SECONDS = 1.0  # of one round
READY_SECONDS = 150.0  # in which every net has compiled what it needs, or goes on without


def synchronize() -> None:
    if CARD.type == "cuda":
        torch.cuda.synchronize()


def member(model: str, **options: object) -> Member:
    size, batch = NETS.get(model, (112, 8))
    fields = {"name": "bench", "model": model, "weights": "none", "image_size": size, "batch_size": batch}
    return Member.model_validate({**fields, "epochs": 1000, **options})


def rate(step: Callable[[], int], seconds: float = SECONDS, calls: int = 4) -> float:
    """Return items per second of one round, which ends when it has lasted so many seconds after some calls."""
    synchronize()
    begun, done = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        for _ in range(calls):
            done += step()
        synchronize()
    return done / (time.perf_counter() - begun)


def in_turn(steps: dict[str, Callable[[], int]], calls: int = 4) -> dict[str, list[float]]:
    """Return the rates of each, measured in turn."""
    found: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(ROUNDS):
        for name, step in steps.items():
            found[name].append(rate(step, calls=calls))
    return found


def show(title: str, found: dict[str, list[float]], base: str) -> None:
    for name, rates in found.items():
        ratios = [one / other for one, other in zip(rates, found[base], strict=True)]
        print(
            f"{title}: {name}: {statistics.median(rates):,.0f} images/s, {statistics.median(ratios):.3f} of {base} "
            f"({min(ratios):.3f}-{max(ratios):.3f}, n = {len(rates)})",
            flush=True,
        )


def resident(one: Member) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator(CARD).manual_seed(0)
    shape = (one.batch_size, 3, one.image_size, one.image_size)
    images_BCHW = torch.randn(shape, device=CARD, generator=generator).contiguous(memory_format=torch.channels_last)
    return images_BCHW, torch.arange(one.batch_size, device=CARD).remainder(2).float()


def bare(one: Member, compiled: bool = False) -> Callable[[], int]:
    torch.manual_seed(0)
    model = timm.create_model(one.model, num_classes=1).to(CARD, memory_format=torch.channels_last).train()
    ema, optimizer = ModelEmaV3(model, decay=one.ema_decay, use_warmup=True), optim.optimizer(model, one)
    images_BCHW, targets_B = resident(one)
    run = torch.compile(model) if compiled else model

    def step() -> int:
        torch.backends.cudnn.deterministic = False
        with torch.autocast(CARD.type, torch.bfloat16):
            logits_B = run(images_BCHW)[:, 0]
        torch.nn.functional.binary_cross_entropy_with_logits(logits_B.float(), targets_B).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), one.clip_grad)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        ema.update(model, step=100)
        return one.batch_size

    for _ in range(5):
        step()
    return step


def kit(one: Member, captured: bool = True) -> Callable[[], int]:
    """Return the kit's step with its batch on the card."""
    torch.manual_seed(0)
    world = World(CARD)
    state = states.begin(timm.create_model(one.model, num_classes=1), one, world)
    torch.backends.cudnn.deterministic = True
    if one.compile is True:
        compiling.choose_by_rule()
        state.model.compile()
    state.model.train()
    images_BCHW, targets_B = resident(one)
    update: graph.Step = partial(fits.step, member=one)
    if captured and graph.is_possible(state, world):
        update = graph.captured(update, state, images_BCHW, targets_B, world, one.model)

    def step() -> int:
        torch.backends.cudnn.deterministic = True
        torch.manual_seed(1)
        update(state, images_BCHW, targets_B, 0, world)
        if state.ema is not None:
            state.ema.update(state.unwrapped, step=100)
        return one.batch_size

    for _ in range(5):
        step()
    return step


def photographs(folder: Path, count: int, side: int = 512) -> pd.DataFrame:
    """Write JPEGs of the sample's portraits, enlarged with grain."""
    for number, data in zip(range(count), cycle(portraits(side, 100)), strict=False):
        (folder / f"{number:05d}.jpg").write_bytes(data)
    return listed(count)


def listed(count: int) -> pd.DataFrame:
    """Return the rows of so many photographs."""
    names = [f"{number:05d}.jpg" for number in range(count)]
    return pd.DataFrame({"id": names, "relpath": names, "target": np.arange(count) % 2, "status": "ok"})


class Windows(Stop):
    """Measures steps per second in windows of a training, after a warm-up, then stops it."""

    def __init__(self, warm_up: int, seconds: float, rounds: int = ROUNDS) -> None:
        super().__init__()
        self.warm_up, self.seconds, self.rounds = warm_up, seconds, rounds
        self.asked, self.counted, self.begun = 0, 0, 0.0
        self.rates: list[float] = []

    @property
    def requested(self) -> bool:
        self.asked += 1
        now = time.perf_counter()
        if self.asked == self.warm_up or (self.asked > self.warm_up and now - self.begun > self.seconds):
            synchronize()
            now = time.perf_counter()
            if self.counted:
                self.rates.append((self.asked - self.counted) / (now - self.begun))
            self.counted, self.begun = self.asked, now
            self.reason = "measured" if len(self.rates) == self.rounds else ""
        return bool(self.reason)


def whole(rows: pd.DataFrame, images: Path, one: Member, workers: int, seconds: float = 2.0) -> list[float]:
    """Return images/s of a whole training from JPEGs, in rounds."""
    with TemporaryDirectory() as work:
        stop = Windows(40, seconds)
        with suppress(Paused):
            fits.fit(fold(rows, images, Path(work), one, workers), World(CARD), stop)
    return [rate * one.batch_size for rate in stop.rates]


def nets(folder: Path, roles: list[str], models: list[str]) -> Callable[[], None]:
    """Begin a process for each role ("training", "prediction") of each net; return what measures them in turn.

    They compile side by side, and none measures before all have compiled.
    """
    begun = time.monotonic()
    command = [sys.executable, "-m", "tests.bench", "gpu_net"]
    running = [subprocess.Popen([*command, role, model, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                text=True) for role in roles for model in models]  # fmt: skip

    def measure() -> None:
        for process in running:
            assert process.stdout is not None
            process.stdout.readline()  # ready
        print(f"compiled in {time.monotonic() - begun:.0f} s", flush=True)
        for process in running:
            assert process.stdin is not None
            assert process.stdout is not None
            with suppress(BrokenPipeError):  # it died, and has said why
                process.stdin.write("go\n")
                process.stdin.close()
            for line in process.stdout:
                print(line, end="", flush=True)
            process.wait()

    return measure


def _part(name: str, names: list[str]) -> None:
    """Run a part in a process of its own, if it is among the names: this one never touches CUDA, and goes on."""
    if name in names and run_once(PARTS[name]):
        print(f"{name}: failed", flush=True)


# What was never measured on a card comes first; nothing else runs beside it.
FIRST: dict[str, Callable[[], None]] = {"folds": gpu_small.side_by_side, "doctor": gpu_small.doctor}
WHILE_NETS_COMPILE: dict[str, Callable[[], None]] = {"stops": gpu_resume.main}
LAST: dict[str, Callable[[], None]] = {
    "start": gpu_small.start,
    "evaluation": gpu_small.evaluation,
    "sample": gpu_small.sample,
    "kills": partial(gpu_resume.main, gpu_resume.KILLS),
}
PARTS = {**FIRST, **WHILE_NETS_COMPILE, **LAST}
ROLES = ("training", "prediction")


def main(*given: str) -> None:
    """Print the parts named, or all: those of `PARTS`, training and prediction. Any other name is a net for these two.

    The parts come in one order, whatever the order of the names.
    """
    chosen = [name for name in (*PARTS, *ROLES) if name in given] or [*PARTS, *ROLES]
    models, roles = [name for name in given if name not in chosen] or list(NETS), [r for r in ROLES if r in chosen]
    print(f"Python {sys.version.split()[0]}, torch {torch.__version__}, OpenCV {cv2.__version__}", flush=True)
    with suppress(FileNotFoundError):
        subprocess.run(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], check=False)
    for part in FIRST:
        _part(part, chosen)
    with TemporaryDirectory() as place:
        if roles:
            photographs(Path(place), 1000)
        measure = nets(Path(place), roles, models)
        for part in WHILE_NETS_COMPILE:
            _part(part, chosen)
        measure()
    for part in LAST:
        _part(part, chosen)
