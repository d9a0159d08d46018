"""A small contest with every table that the pages are made from; its images are those of the embedded sample."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ffdi
from ffdi.core import digest, keys
from ffdi.data import hashes
from ffdi.data.audit import Audit, audit
from ffdi.data.decode import decode
from ffdi.report.train import Trained
from tests.fixtures.blend_card import card_of

FOLDS = 5
LAYOUT = {
    "train": ("phase1/trainset_label.txt", "phase1/trainset"),
    "val": ("phase1/valset_label.txt", "phase1/valset"),
    "test": ("phase2/testset1_seen_nolabel.txt", "phase2/testset1_seen"),
}


@pytest.fixture(scope="session")
def folder() -> Path:
    return Path(ffdi.__path__[0]) / "sample"


@pytest.fixture(scope="session")
def manifest(folder: Path) -> pd.DataFrame:
    """The sample's manifest: real files, sizes and hashes, made-up qualities."""
    rows = pd.concat([_split(folder, name) for name in LAYOUT], ignore_index=True)
    rng = keys.rng("report", "manifest")
    fake = (rows["target"] == 1).to_numpy()
    rows["jpeg_q"] = np.where(rng.random(len(rows)) < 0.05, -1, rng.choice([88, 92, 95], len(rows))).astype(np.int16)
    rows["sharpness"] = rng.lognormal(5 + 0.25 * fake, 0.5).astype(np.float32)
    images = [decode((folder / path).read_bytes()).image_HWC for path in rows["relpath"]]
    short, long = hashes.hash_thumbs(map(hashes.thumb, images))
    rows["phash"], rows["phash256"] = short, hashes.to_hex(long)
    rows["mean_grey"], rows["colourfulness"] = rng.normal(118, 20, (2, len(rows))).astype(np.float32)
    rows["mode"], rows["status"], rows["defect"] = "RGB", "ok", ""
    rows.loc[3, ["status", "defect"]] = ["repaired", "exif_rotated"]
    rows.loc[7, ["status", "defect"]] = ["quarantined", "truncated"]
    return rows


def _split(folder: Path, name: str) -> pd.DataFrame:
    table, images = LAYOUT[name]
    rows = pd.read_csv(folder / table).rename(columns={"img_name": "id"})
    rows["split"] = name
    rows["relpath"] = f"{images}/" + rows["id"]
    rows["target"] = rows["target"].astype(np.int8) if "target" in rows else np.int8(-1)
    rows["width"] = rows["height"] = np.int32(160)
    rows["bytes"] = [(folder / path).stat().st_size for path in rows["relpath"]]
    rows["sha256"] = [digest.of_bytes(path.encode()) for path in rows["relpath"]]
    return rows


@pytest.fixture(scope="session")
def paired(manifest: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """The manifest with the pair of each image, as the sample's own list has it, as `group`."""
    truth = pd.concat([pd.read_csv(folder / "truth/pairs.csv"), pd.read_csv(folder / "truth/test_labels.csv")])
    group = manifest["id"].map(truth.drop_duplicates("img_name").set_index("img_name")["pair"])
    return manifest.assign(group=group.astype(np.int64))


@pytest.fixture(scope="session")
def folds(paired: pd.DataFrame) -> pd.DataFrame:
    rows = paired[(paired["split"] == "train") & (paired["status"] != "quarantined")]
    number = rows["group"].rank(method="dense").astype(np.int64) % FOLDS
    return rows[["id", "split", "group"]].assign(fold=number.astype(np.int16)).reset_index(drop=True)


@pytest.fixture(scope="session")
def audited(manifest: pd.DataFrame) -> Audit:
    return audit(manifest)


@pytest.fixture(scope="session")
def members(paired: pd.DataFrame, folds: pd.DataFrame) -> list[Trained]:
    return [trained(name, paired, folds, skill) for name, skill in (("lite0-112", 2.2), ("lite1-128", 2.6))]


def trained(name: str, manifest: pd.DataFrame, folds: pd.DataFrame, skill: float) -> Trained:
    """A member whose logits separate the classes by `skill` standard deviations; all its folds have one log."""
    oof = folds.merge(manifest[["id", "split", "relpath", "target"]], on=["id", "split"])
    shared = keys.rng("report", "hardness").normal(size=len(oof))
    noise = 0.6 * shared + 0.8 * keys.rng("report", name).normal(size=len(oof))
    oof["logit"] = ((oof["target"] - 0.5) * skill + noise + 0.4 * oof["fold"]).astype(np.float32)
    done, ends = np.arange(1, 25) / 4, np.arange(1, 7)  # four lines an epoch
    train = pd.DataFrame({"split": "train", "epoch": done, "loss": 0.15 + 0.55 * np.exp(-done)})
    held = pd.DataFrame({"split": "oof", "epoch": ends, "loss": 0.3 + 0.4 * np.exp(-ends), "auc": 1 - np.exp(-ends)})
    logs = dict.fromkeys(range(FOLDS), pd.concat([train, held], ignore_index=True))
    return Trained(name, logs, oof.drop(columns=["group", "split"]))


@pytest.fixture(scope="session")
def oof(members: list[Trained]) -> pd.DataFrame:
    """OOF ranks of each member and of their mean, as the blend page gets them."""
    frame = members[0].oof[["id", "relpath", "target", "fold"]].copy()
    for member in members:
        frame[member.name] = member.score()
    return frame.assign(blend=frame[[member.name for member in members]].mean(axis=1))


@pytest.fixture(scope="session")
def card(oof: pd.DataFrame) -> dict[str, Any]:
    return card_of(oof, ["lite0-112", "lite1-128"])
