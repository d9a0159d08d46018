"""What the kit does on the card in front of it, against bare loops: `python -m tests.bench gpu [ROW ...]`.

A bare loop has its batches on the card and does the same arithmetic: same model, batch, bf16, channels_last, clip,
fused AdamW, EMA. Each row is printed as soon as it is known; ratios are medians of rounds in turn.
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterator
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
from ffdi.core.layout import Workspace
from ffdi.core.stop import Stop
from ffdi.data.batches import batches
from ffdi.data.images import TrainImages
from ffdi.data.order import Order
from ffdi.training import fit as fits
from ffdi.training import graph, launch, optim
from ffdi.training import state as states
from ffdi.training.job import FoldJob
from ffdi.training.world import World

CARD = torch.device("cuda:0")
NETS = {
    "resnet18": (256, 64),
    "convnextv2_tiny": (384, 32),
    "caformer_s18": (384, 32),
    "tf_efficientnetv2_m": (384, 32),
}
ROUNDS = 3
SECONDS = 1.0  # of one round


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
    noise = rng.normal(0, 6, (side, side, 3))
    for number in range(count):
        image = cv2.imread(str(sample[number % min(len(sample), 100)]))
        image = np.clip(cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC) + noise, 0, 255)
        cv2.imwrite(str(folder / f"{number:05d}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 90])
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


def fold(rows: pd.DataFrame, images: Path, work: Path, one: Member, workers: int) -> FoldJob:
    none = rows.iloc[:0]
    return FoldJob(
        member=one, fold=0, spec="0" * 64, manifest="0" * 64, folds="0" * 64, data=Data(workers=workers),
        images=images, folder=Workspace(work, work).fold("bench", "0", 0), fit=rows.assign(fold=-1), val=none,
        test=none, rows={},
    )  # fmt: skip


class After(Stop):
    """Measures the rate between two instants of a training, then stops it."""

    def __init__(self, warm_up: int, seconds: float) -> None:
        super().__init__()
        self.warm_up, self.seconds, self.asked, self.rate, self.begun = warm_up, seconds, 0, 0.0, 0.0

    @property
    def requested(self) -> bool:
        self.asked += 1
        if self.asked == self.warm_up:
            torch.cuda.synchronize()
            self.begun = time.perf_counter()
        elapsed = time.perf_counter() - self.begun
        if self.asked > self.warm_up and elapsed > self.seconds:
            torch.cuda.synchronize()
            self.rate = (self.asked - self.warm_up) / (time.perf_counter() - self.begun)
            self.reason = "measured"
        return bool(self.reason)


def whole(rows: pd.DataFrame, images: Path, one: Member, workers: int, seconds: float = 4.0) -> float:
    """Return images/s of a whole training from JPEGs."""
    with TemporaryDirectory() as work:
        stop = After(30, seconds)
        try:
            fits.fit(fold(rows, images, Path(work), one, workers), World(CARD), stop)
        except Exception as error:
            if stop.reason != "measured":
                raise
            del error
    return stop.rate * one.batch_size


def main() -> None:
    workers = launch.with_loaders([fold(pd.DataFrame({"fold": []}), Path(), Path(), member("resnet18"), 0)], 1)
    del workers
    print(torch.cuda.get_device_name(), torch.__version__, cv2.__version__, sys.version.split()[0], flush=True)


if __name__ == "__main__":
    main()
