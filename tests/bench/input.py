"""JPEG files to a batch for the model: the kit against Pillow + albumentations in float32, and against timm's loader.

CPU seconds of one process that loads by itself; then wall seconds of one worker, transport included. Files of
256 px (the sample's portraits, enlarged with grain, about 17 kB, in the page cache) become batches of 64 x 224 px. All
do the same kinds of steps with the same chances and like strengths; each row says where it ends:
  float      normalised float32 [B, C, H, W], ready for a model on this CPU
  bytes      uint8, as the kit hands it to a GPU, which normalises
"""

import tempfile
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import albumentations
import cv2
import numpy as np
import pandas as pd
import torch
from albumentations.pytorch import ToTensorV2
from PIL import Image
from timm.data import ImageDataset, create_loader
from torch.utils.data import DataLoader, Dataset

from ffdi.config.augment import Augment
from ffdi.config.recipe import Member
from ffdi.data.batches import batches as loader
from ffdi.data.batches import normalise
from ffdi.data.images import TrainImages
from ffdi.data.operations import RATIO
from ffdi.data.order import Order
from tests.bench.hashing import portraits
from tests.bench.timing import Ratio, against, compare

COUNT, SIDE, SIZE, BATCH = 256, 256, 224, 64
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
OFF: dict[str, Any] = dict.fromkeys(Augment.model_fields, False)
CROP = {"range": (0.7, 1.0)}
LIGHT = Augment(**{**OFF, "crop": CROP, "hflip": True})
JITTER = {"range": (0, 0.2), "p": 0.5}
STRONG = Augment(
    **{
        **OFF,
        "crop": CROP,
        "hflip": True,
        "colour": JITTER,
        "noise": {"p": 0.3, "range": (2.5, 7.5)},
        "cutout": {"p": 0.3},
        "jpeg": {"p": 0.5, "range": (60, 95)},
    }
)
TIMM_LIKE = Augment(**{**OFF, "crop": CROP, "hflip": True, "colour": JITTER, "cutout": {"p": 0.3}})


class Folder:
    """The files, and every way to read them."""

    def __init__(self, place: Path) -> None:
        self.place = place
        rows = []
        for number, data in enumerate(portraits(SIDE, COUNT)):
            name = f"{number:032x}.jpg"
            (place / str(number % 2)).mkdir(exist_ok=True)
            (place / str(number % 2) / name).write_bytes(data)
            rows.append((name, f"{number % 2}/{name}", number % 2, SIDE, SIDE, str(number)))
        self.rows = pd.DataFrame(rows, columns=["id", "relpath", "target", "width", "height", "sha256"])
        self.bytes = sum(path.stat().st_size for path in place.rglob("*.jpg")) / COUNT

    def kit(self, policy: Augment, workers: int = 0) -> Iterator[torch.Tensor]:
        images = TrainImages(self.rows, self.place, Member(name="m", model="m", augment=policy, image_size=SIZE))
        order = Order(self.rows.target.to_numpy(), BATCH, seed=0)
        items = ([(row, epoch) for row in rows.tolist()] for epoch, rows in order.batches(0, 10**6))
        for batch in loader(images, items, workers):
            yield batch.images_BHWC

    def kit_float(self, policy: Augment, workers: int = 0) -> Iterator[torch.Tensor]:
        out = None
        for images_BHWC in self.kit(policy, workers):
            out = normalise(images_BHWC, MEAN, STD, out=out)
            yield out

    def usual(self, strong: bool, workers: int = 0) -> Iterator[torch.Tensor]:
        images = Usual([self.place / name for name in self.rows.relpath], self.rows.target.tolist(), strong)
        batches = DataLoader(images, BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
        for images_BCHW, _ in again(batches):
            yield images_BCHW

    def timm(self, workers: int = 0, **changes: Any) -> Iterator[torch.Tensor]:
        batches = create_loader(
            ImageDataset(str(self.place), class_map={"0": 0, "1": 1}),
            (3, SIZE, SIZE),
            BATCH,
            is_training=True,
            scale=CROP["range"],
            ratio=RATIO,
            mean=MEAN,
            std=STD,
            num_workers=workers,
            persistent_workers=workers > 0,
            device=torch.device("cpu"),
            use_prefetcher=True,
            **changes,
        )
        for images_BCHW, _ in again(batches):
            yield images_BCHW


class Usual(Dataset[tuple[torch.Tensor, int]]):
    """What notebooks do."""

    def __init__(self, paths: list[Path], targets: list[int], strong: bool) -> None:
        self.paths, self.targets = paths, targets
        extra = [
            albumentations.ColorJitter((0.8, 1.2), (0.8, 1.2), (0.8, 1.2), (-0.02, 0.02), p=0.5),
            albumentations.GaussNoise(std_range=(2.5 / 255, 7.5 / 255), p=0.3),
            albumentations.CoarseDropout((1, 3), (0.05, 0.25), (0.05, 0.25), p=0.3),
            albumentations.ImageCompression(quality_range=(60, 95), p=0.5),
        ]
        self.transform = albumentations.Compose(
            [
                albumentations.RandomResizedCrop((SIZE, SIZE), scale=CROP["range"], ratio=RATIO),
                albumentations.HorizontalFlip(p=0.5),
                *(extra if strong else []),
                albumentations.Normalize(MEAN, STD),
                ToTensorV2(),
            ]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = np.asarray(Image.open(self.paths[index]).convert("RGB"))
        return self.transform(image=image)["image"], self.targets[index]


def again(batches: Any) -> Iterator[Any]:
    while True:
        yield from batches


def draw(stream: Iterator[torch.Tensor], images: int = COUNT) -> None:
    """Make this many images of an endless stream."""
    for _ in islice(stream, images // BATCH):
        pass


def per_core(folder: Folder, rounds: int) -> dict[str, list[Ratio]]:
    """The first of each section is the baseline; 256 images a round."""
    usual, timm = "Pillow + albumentations + collate: float", "timm create_loader, prefetcher: float"
    jitter = folder.timm(color_jitter=0.2, color_jitter_prob=0.5, re_prob=0.3, re_mode="const")
    sections = {
        "crop, flip, colour, noise, cutout, JPEG": (usual, folder.usual(strong=True), STRONG),
        "crop, flip": (usual, folder.usual(strong=False), LIGHT),
        "crop, flip (timm)": (timm, folder.timm(color_jitter=0), LIGHT),
        "crop, flip, colour jitter, erasing (timm)": (timm, jitter, TIMM_LIKE),
    }
    found = {}
    for title, (name, theirs, policy) in sections.items():
        streams = {name: theirs, "kit: float": folder.kit_float(policy), "kit: bytes": folder.kit(policy)}
        found[title] = compare({name: partial(draw, stream) for name, stream in streams.items()}, rounds)
    return found


def one_worker(folder: Folder, rounds: int) -> list[Ratio]:
    """Wall time: a worker makes, this process takes. 12 batches a round, of which 2 may wait from the round before."""
    pairs: dict[str, tuple[Iterator[torch.Tensor], Iterator[torch.Tensor]]] = {
        "one worker, all steps: kit bytes / Pillow + albumentations float": (
            folder.kit(STRONG, 1),
            folder.usual(strong=True, workers=1),
        ),
        "one worker, crop and flip: kit float / timm prefetcher float": (
            folder.kit_float(LIGHT, 1),
            folder.timm(1, color_jitter=0),
        ),
    }
    images = 12 * BATCH
    return [
        against(title, partial(draw, ours, images), partial(draw, theirs, images), rounds)
        for title, (ours, theirs) in pairs.items()
    ]


def main(rounds: int = 9) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as place:
        folder = Folder(Path(place))
        print(f"{COUNT} files of {folder.bytes / 1000:.1f} kB, {SIDE} px -> {SIZE} px, batches of {BATCH}")
        for title, ratios in per_core(folder, rounds).items():
            print(title, *ratios, sep="\n  ")
        print("wall time", *one_worker(folder, max(3, rounds // 2)), sep="\n  ")
