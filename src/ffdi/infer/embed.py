"""Features of a pretrained backbone: a third way, beside bytes and hashes, to find near-duplicates.

They come from the middle of the network, where texture and layout are still told apart: on the sample's 203 pairs of
near-duplicates, joined with hashes, recall and precision are 1.00 at cosine 0.8; the features before the head reach
0.94 and 0.40.

B images of a batch, N rows, D features.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from ffdi.config.recipe import Member, Recipe
from ffdi.core import console
from ffdi.core.errors import UserError
from ffdi.data import folds, manifest
from ffdi.data.batches import normalise
from ffdi.data.images import TestImages
from ffdi.infer import engine
from ffdi.model import precision
from ffdi.model.build import build, data_config

BATCH, CPU_BATCH = 32, 8  # a small one stays in the cache: 6 ms an image for 8
SIDE = 160  # pixels
LEVEL = 2  # of the stages that timm lists; stride 8 in most networks
GRID = 4


def embed(model: str, rows: pd.DataFrame, folder: Path, workers: int) -> np.ndarray:
    """Return float32 [N, D] in the order of `rows`: a middle stage of the timm `model`, pooled to 4 x 4.

    Args:
        model: timm's name; its pretrained weights are used.
        rows: id and relpath of each image.
        folder: What relpath is relative to.
        workers: Processes that read images.

    Raises:
        UserError: An unknown model, missing weights, or an image that cannot be read.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    net: Any = build(Member(name="folds.embedding", model=model, image_size=SIDE))
    channels_last = precision.wants_channels_last(net, small_on_gpu=device.type == "cuda")
    net = precision.place(net, device, channels_last)
    mean, std = data_config(net)

    @torch.inference_mode()
    def features(pixels_BHWC: Tensor) -> Tensor:
        images_BCHW = normalise(pixels_BHWC, mean, std, channels_last)
        stages = net.forward_intermediates(images_BCHW, indices=[LEVEL], intermediates_only=True, stop_early=True)
        return adaptive_avg_pool2d(stages[0], GRID).flatten(1).float()

    images, parts = TestImages(rows, folder, SIDE), []
    turns, size = (len(os.sched_getaffinity(0)), CPU_BATCH) if device.type == "cpu" else (1, BATCH)
    with (
        precision.evaluating([net]),
        ThreadPoolExecutor(turns, initializer=torch.set_num_threads, initargs=(1,)) as threads,
        console.progress(f"embed {model}", len(rows)) as meter,
    ):

        def forward(_: int, pixels_BHWC: Tensor) -> Iterator[tuple[str, Tensor]]:
            """On a CPU a thread takes each batch: threads that share one would wait for each other at every layer."""
            if device.type == "cuda":
                return iter([("features", features(pixels_BHWC))])
            future = threads.submit(features, pixels_BHWC)
            return (("features", one.result()) for one in (future,))

        for batch, found in engine.run(images, size, workers, [device] * turns, forward):
            if batch.unreadable:
                remedy = "copy it again or `touch` it, then run `ffdi folds` again"
                raise UserError(f"{images.id(batch.unreadable[0])} cannot be read any more; {remedy}.")
            parts.append(found["features"])
            meter.advance(len(batch.rows_B))
    return np.concatenate(parts)


def for_folds(recipe: Recipe, rows: pd.DataFrame, folder: Path, workers: int) -> np.ndarray | None:
    """Return features of the usable training rows, [N, D], if the folds need them.

    They do not if the recipe names no embedding, or if there are too many rows to compare all with all and the scheme
    can do without.

    Args:
        recipe: Names the embedding.
        rows: The manifest.
        folder: The competition folder.
        workers: Processes that read images.
    """
    wanted = recipe.folds
    if not wanted.embedding:
        return None
    usable = manifest.select(rows, recipe.data.train_splits)
    if len(usable) > folds.MAX_COMPARED:
        console.warn(f"More than {folds.MAX_COMPARED:,} images: {len(usable):,} are grouped by hashes alone.")
        if wanted.scheme != "cluster":
            return None
    return embed(wanted.embedding, usable, folder, workers)
