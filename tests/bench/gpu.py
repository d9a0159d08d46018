"""What the kit does on the card in front of it, against bare loops: `python -m tests.bench gpu [ROW ...]`.

A bare loop has its batches on the card and does the same arithmetic: same model, batch, bf16, channels_last, clip,
fused AdamW, EMA. Each row is printed as soon as it is known; ratios are medians of rounds in turn.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pandas as pd
import timm
import torch
from timm.utils import ModelEmaV3

from ffdi.config.recipe import Data, Member
from ffdi.core.errors import Paused
from ffdi.core.layout import Workspace
from ffdi.core.stop import Stop
from ffdi.model import compiling
from ffdi.training import fit as fits
from ffdi.training import graph, optim
from ffdi.training import state as states
from ffdi.training.job import FoldJob
from ffdi.training.world import World
from tests.bench import gpu_resume, gpu_small

CARD = torch.device("cuda:0")
NETS = {
    "resnet18": (256, 64),
    "convnextv2_tiny": (384, 32),
    "caformer_s18": (384, 32),
    "tf_efficientnetv2_m": (384, 32),
}
ROUNDS = 3
SECONDS = 1.0  # of one round
READY_SECONDS = 150.0  # in which every net has compiled what it needs, or goes on without


def member(model: str, **options: object) -> Member:
    size, batch = NETS.get(model, (112, 8))
    fields = {"name": "bench", "model": model, "weights": "none", "image_size": size, "batch_size": batch}
    return Member.model_validate({**fields, "epochs": 1000, **options})


def rate(step: Callable[[], int], seconds: float = SECONDS, calls: int = 4) -> float:
    """Return items per second of one round, which ends when it has lasted so many seconds after some calls."""
    torch.cuda.synchronize()
    begun, done = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        for _ in range(calls):
            done += step()
        torch.cuda.synchronize()
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
    ema, optimizer = ModelEmaV3(model, decay=one.ema_decay, use_warmup=True), optim.optimizer(model, one, fused=True)
    images_BCHW, targets_B = resident(one)
    run = torch.compile(model) if compiled else model

    def step() -> int:
        torch.backends.cudnn.deterministic = False
        with torch.autocast("cuda", torch.bfloat16):
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
    if captured:
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
    sample = sorted((Path(str(files("ffdi"))) / "sample").rglob("*.jpg"))
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 2, (side, side, 3))
    for number in range(count):
        image = cv2.imread(str(sample[number % min(len(sample), 100)]))
        image = np.clip(cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC) + noise, 0, 255)
        cv2.imwrite(str(folder / f"{number:05d}.jpg"), image.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 90])
    return listed(count)


def listed(count: int) -> pd.DataFrame:
    """Return the rows of so many photographs."""
    names = [f"{number:05d}.jpg" for number in range(count)]
    return pd.DataFrame({"id": names, "relpath": names, "target": np.arange(count) % 2, "status": "ok"})


def fold(rows: pd.DataFrame, images: Path, work: Path, one: Member, workers: int, held: int = 0) -> FoldJob:
    """Return a fold that trains on all rows but the first `held`, which it holds out and predicts."""
    none, oof = rows.iloc[:0], rows.iloc[:held]
    place = Workspace(work, work).fold("bench", "0", 0)
    return FoldJob(
        member=one, fold=0, spec="0" * 64, manifest="0" * 64, folds="0" * 64, data=Data(workers=workers),
        images=images, folder=place, fit=rows.assign(fold=np.where(np.arange(len(rows)) < held, 0, 1)), val=none,
        test=oof, rows={"oof": "0" * 64, "test": "0" * 64} if held else {},
    )  # fmt: skip


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
            torch.cuda.synchronize()
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


def nets(folder: Path) -> Callable[[], None]:
    """Begin a process for the training and one for the prediction of each net; return what measures them in turn.

    They compile side by side. Whoever is not ready in time is measured last, as it is then.
    """
    begun = time.monotonic()
    command = [sys.executable, "-m", "tests.bench.gpu_net"]
    running = [subprocess.Popen([*command, role, model, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                text=True) for role in ("train", "predict") for model in NETS]  # fmt: skip

    def measure() -> None:
        for process in running:
            assert process.stdout is not None
            process.stdout.readline()  # ready
        print(f"compiled in {time.monotonic() - begun:.0f} s", flush=True)
        for process in running:
            print(process.communicate("go\n")[0], end="", flush=True)

    return measure


ROWS = ("sample", "small", "stops", "resume", "nets")


def main(names: list[str] | None = None) -> None:
    """Print the rows named in `names`, or all: sample, small, stops, resume (with kills), nets."""
    names = names or list(ROWS)
    print(f"Python {sys.version.split()[0]}, torch {torch.__version__}, OpenCV {cv2.__version__}", flush=True)
    subprocess.run(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], check=False)
    if "sample" in names:  # the first, when nothing else runs
        gpu_small.sample()
    if "small" in names:
        gpu_small.main()
    with TemporaryDirectory() as place:
        photographs(Path(place), 1000)
        measure = nets(Path(place)) if "nets" in names else None
        if "stops" in names or "resume" in names:  # while the nets compile
            gpu_resume.main(gpu_resume.KILLS if "resume" in names else 0)
        if measure is not None:
            measure()


if __name__ == "__main__":
    main(sys.argv[1:])
