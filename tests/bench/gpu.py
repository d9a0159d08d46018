"""What the kit does on the card in front of it, against bare loops: `python -m tests.bench gpu [ROW ...]`.

A bare loop has its batches on the card and does the same arithmetic: same model, batch, bf16, channels_last, clip,
fused AdamW, EMA. Each row is printed as soon as it is known; ratios are medians of rounds in turn.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
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
from ffdi.data.batches import batches
from ffdi.data.images import TrainImages
from ffdi.data.order import Order
from ffdi.data.workers import shared_pool
from ffdi.training import fit as fits
from ffdi.training import graph, launch, optim
from ffdi.training import state as states
from ffdi.training.job import FoldJob
from ffdi.training.world import World
from tests.bench import gpu_prediction, gpu_resume, gpu_small

CARD = torch.device("cuda:0")
NETS = {
    "resnet18": (256, 64),
    "convnextv2_tiny": (384, 32),
    "caformer_s18": (384, 32),
    "tf_efficientnetv2_m": (384, 32),
}
ROUNDS = 3
SECONDS = 1.0  # of one round
COMPILE_SECONDS = 120.0  # for all nets together


def member(model: str, **options: object) -> Member:
    size, batch = NETS.get(model, (112, 8))
    fields = {"name": "bench", "model": model, "weights": "none", "image_size": size, "batch_size": batch}
    return Member.model_validate({**fields, "epochs": 1000, **options})


def rate(step: Callable[[], int], seconds: float = SECONDS) -> float:
    """Return items per second of one round."""
    torch.cuda.synchronize()
    begun, done = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        for _ in range(4):
            done += step()
        torch.cuda.synchronize()
    return done / (time.perf_counter() - begun)


def in_turn(steps: dict[str, Callable[[], int]], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Return the rates of each, measured in turn."""
    found: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            found[name].append(rate(step))
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
    if one.compile is True:
        state.model.compile()
    state.model.train()
    images_BCHW, targets_B = resident(one)
    update: graph.Step = partial(fits.step, member=one)
    if captured:
        update = graph.captured(update, state, images_BCHW, targets_B, world, one.model)

    def step() -> int:
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
    names = [f"{number:05d}.jpg" for number in range(count)]
    return pd.DataFrame({"id": names, "relpath": names, "target": np.arange(count) % 2, "status": "ok"})


def loader_rate(rows: pd.DataFrame, folder: Path, one: Member, workers: int) -> float:
    """Return images/s that workers read and the card receives."""
    images = TrainImages(rows, folder, one.augment, one.image_size, 0)
    order = Order(rows.target.to_numpy(), one.batch_size, 0)
    items = ([(row, epoch) for row in chosen.tolist()] for epoch, chosen in order.batches(0, 10**6))
    stream: Iterator[object] = batches(images, items, workers, [CARD])
    for _ in range(8):
        next(stream)
    found = rate(lambda: len(next(stream).images_BHWC), 3.0)  # type: ignore[attr-defined]
    stream.close()  # type: ignore[attr-defined]
    return found


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


def row_steps_and_training(rows: pd.DataFrame, folder: Path, workers: int, late: set[str]) -> None:
    """The step with its batch on the card, then whole trainings, against bare loops, for each net.

    Nothing is compiled for the nets in `late`, which were not compiled in time.
    """
    for model in NETS:
        one = member(model, compile=model not in late)
        torch.backends.cudnn.deterministic = False
        steps = {"bare eager": bare(one)}
        if one.compile:
            steps["bare compiled"] = bare(one, compiled=True)
        torch.backends.cudnn.deterministic = True
        steps["kit, compiled" if one.compile else "kit"] = kit(one)
        found = in_turn(steps)
        best = max((name for name in found if name.startswith("bare")), key=lambda name: statistics.median(found[name]))
        show(f"step, {model}", found, best)
        steps.clear()
        torch.cuda.empty_cache()
        trained = whole(rows, folder, one, workers)  # long enough to be compiled, where that is possible
        show(f"training from JPEG, {model}", {"whole": trained, best: found[best]}, best)
        torch.cuda.empty_cache()


def row_prediction(rows: pd.DataFrame, folder: Path, workers: int, late: set[str]) -> None:
    for model, (size, batch) in NETS.items():
        print(gpu_prediction.row(model, size, batch, rows, folder, workers, model not in late), flush=True)
        torch.cuda.empty_cache()


def row_determinism() -> None:
    """What kernels that repeat bit by bit cost."""
    for model in NETS:
        one, rates = member(model), {}
        for repeats in (False, True):
            torch.backends.cudnn.deterministic = repeats
            rates[repeats] = [rate(kit(one)) for _ in range(ROUNDS)]
        ratio = statistics.median(rates[True]) / statistics.median(rates[False])
        print(f"deterministic / free kernels, {model}: {ratio:.3f} (n = {ROUNDS})", flush=True)
        torch.cuda.empty_cache()


WARM = (
    "gpu.bare(gpu.member(model), compiled=True)",
    "gpu.torch.backends.cudnn.deterministic = True; gpu.kit(gpu.member(model, compile=True), captured=False)",
    "gpu_prediction.compile_both(model, *gpu.NETS[model])",
)


def compile_all(seconds: float) -> set[str]:
    """Compile everything in processes of their own; the cache on disk is for all. Return the nets that took longer."""
    begin = "import sys; from tests.bench import gpu, gpu_prediction; model = sys.argv[1]; "
    begun, running = time.monotonic(), []
    for model in NETS:
        for code in WARM:
            running.append((model, subprocess.Popen([sys.executable, "-c", begin + code, model])))
    late = set()
    for model, process in running:
        try:
            if process.wait(max(0.0, begun + seconds - time.monotonic())):
                late.add(model)
        except subprocess.TimeoutExpired:
            late.add(model)
            process.kill()
    print(f"compiled in {time.monotonic() - begun:.0f} s, not in time: {', '.join(sorted(late)) or 'none'}", flush=True)
    return late


def main(names: list[str] | None = None) -> None:
    """Print the rows named in `names` (all): sample, small, stops, resume, compile, speed, prediction, determinism."""
    names = names or ["sample", "small", "stops", "resume", "compile", "speed", "prediction", "determinism"]
    print(f"Python {sys.version.split()[0]}, torch {torch.__version__}, OpenCV {cv2.__version__}", flush=True)
    if "sample" in names:  # the first, when nothing else runs
        gpu_small.sample()
    if "stops" in names or "resume" in names:  # forks: this process must not have touched CUDA yet
        gpu_resume.main(gpu_resume.KILLS if "resume" in names else 0)
    late = compile_all(COMPILE_SECONDS) if "compile" in names else set()
    if "small" in names:
        gpu_small.main()
    if not {"speed", "prediction", "determinism"} & set(names):
        return
    workers = min(len(os.sched_getaffinity(0)), launch.MAX_WORKERS)
    with TemporaryDirectory() as place:
        folder = Path(place)
        rows = photographs(folder, 1000)
        rows = pd.concat([rows.assign(id=[f"{turn}-{name}" for name in rows.id]) for turn in range(100)],
                         ignore_index=True)  # fmt: skip
        shared_pool(workers)
        print(f"{torch.cuda.get_device_name()}, {workers} loader processes", flush=True)
        launch.prepare(CARD, workers)
        if "speed" in names:
            row_steps_and_training(rows, folder, workers, late)
        if "prediction" in names:
            row_prediction(rows.iloc[:1000], folder, workers, late)
        if "determinism" in names:
            row_determinism()


if __name__ == "__main__":
    main(sys.argv[1:])
