"""A whole team at once against one net after another, in one run: what decoding once is worth.

Both read the sample's test images from files and load, check and use the same sealed weights; one thread, no loader
processes. The small nets cost about as much as decoding, as nets do on a GPU; those of the sample cost this CPU twenty
times that, so there the two should be equal.
"""

from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import torch

from ffdi.config.recipe import Member
from ffdi.infer.engine import predict, predict_team
from ffdi.infer.nets import Net
from ffdi.model.build import build
from ffdi.model.weights import save_weights
from tests.bench.timing import Ratio, compare

CPU = torch.device("cpu")
IMAGES = 128
ROUNDS = 5


def main(rounds: int = ROUNDS) -> None:
    torch.set_num_threads(1)
    small = Member(name="small", model="test_resnet", weights="none", image_size=64, batch_size=32)
    sample = Member(name="sample", model="tf_efficientnet_lite0", weights="none", image_size=112, batch_size=32)
    for member, folds, images in ((small, 8, IMAGES), (sample, 2, IMAGES // 2)):
        with TemporaryDirectory() as folder:
            print(f"{folds} folds of {member.model} at {member.image_size} px")
            for found in _compared(member, folds, images, Path(folder), rounds):
                print(found)


def _compared(member: Member, folds: int, images: int, folder: Path, rounds: int) -> list[Ratio]:
    nets = [_sealed(member, fold, folder) for fold in range(folds)]
    sample, rows = _rows(images)

    def together() -> None:
        predict_team(nets, rows, sample, devices=[CPU], workers=0, label="bench")

    def apart() -> None:
        for net in nets:
            _alone(net, rows, sample)

    return compare({"one after another": apart, "together": together}, rounds)


def _alone(net: Net, rows: pd.DataFrame, images: Path) -> None:
    """As a finished fold predicts."""
    predict(net, rows, images, device=CPU, label="bench")


def _sealed(member: Member, fold: int, folder: Path) -> Net:
    path = folder / f"{fold}.safetensors"
    save_weights(path, build(member.model_copy(update={"seed": fold})).eval(), member, {})
    return Net(member, fold, path)


def _rows(images: int) -> tuple[Path, pd.DataFrame]:
    sample = Path(str(files("ffdi"))) / "sample"
    ids = pd.read_csv(sample / "phase2/testset1_seen_nolabel.txt")["img_name"].iloc[:images]
    return sample, pd.DataFrame({"id": ids, "relpath": "phase2/testset1_seen/" + ids})
