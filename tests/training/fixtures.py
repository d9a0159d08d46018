from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from ffdi.config.augment import Augment
from ffdi.config.recipe import Data, Member
from ffdi.core import keys
from ffdi.core.layout import Workspace
from ffdi.data import manifest
from ffdi.training.job import FoldJob

SIDE = 32


def write_images(folder: Path, count: int, split: str) -> pd.DataFrame:
    """Noise; fakes carry a bright square, so there is something to learn."""
    rows = []
    (folder / split).mkdir(parents=True)
    for index in range(count):
        rng = keys.rng("image", split, index)
        image = rng.integers(0, 160, (SIDE, SIDE, 3), np.uint8)
        if index % 2:
            image[8:20, 8:20] += 60
        name = f"{keys.key(split, index):032x}.png"
        cv2.imwrite(str(folder / split / name), image)
        rows.append({"id": name, "split": split, "relpath": f"{split}/{name}", "target": index % 2, "status": "ok"})
    frame = pd.DataFrame(rows)
    frame["sha256"] = [f"{keys.key(name):064x}" for name in frame.id]
    return frame.astype({"target": "int8"})


@pytest.fixture(scope="session")
def contest(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("contest")
    frames = [write_images(folder, count, split) for split, count in (("train", 32), ("val", 6), ("test", 6))]
    return folder, pd.concat(frames, ignore_index=True)


@pytest.fixture
def make_job(contest: tuple[Path, pd.DataFrame], tmp_path: Path) -> Callable[..., FoldJob]:
    """A fold of a tiny member; keyword arguments change the member, `workers` and `at` (the work folder)."""

    def make(fold: int | str = 0, workers: int = 0, at: str = "work", **wishes: object) -> FoldJob:
        images, rows = contest
        fields = {"name": "tiny", "model": "test_resnet", "weights": "none", "image_size": SIDE, "batch_size": 8}
        member = Member.model_validate({**fields, "epochs": 3, "lr": 3e-3, "augment": Augment(), **wishes})
        splits = {name: frame.reset_index(drop=True) for name, frame in rows.groupby("split")}
        fit = splits["train"].assign(fold=np.arange(len(splits["train"])) // 2 % 4)
        frames = {"oof": fit[fit.fold == fold], "val": splits["val"], "test": splits["test"]}
        return FoldJob(
            member=member,
            fold=fold,
            spec="5" * 64,
            manifest="a" * 64,
            folds="b" * 64,
            data=Data(workers=workers),
            images=images,
            cache=None,
            folder=Workspace(tmp_path / at, tmp_path).fold("tiny", "55555555", fold),
            fit=fit,
            val=splits["val"],
            test=splits["test"],
            rows={name: manifest.digest(frame) for name, frame in frames.items() if len(frame)},
        )

    return make


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
