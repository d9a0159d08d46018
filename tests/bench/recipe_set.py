"""Splits of a labelled set of portraits for the bench of recipes: one training gives four AUCs.

By seed one family of forgeries and one look of the originals are left out of training; of the rest some persons are
held out. A person's images stay together, so an original and its twin are both trained on or both held out.
"""

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from PIL import Image
from sklearn.cluster import KMeans

from ffdi.core import keys
from ffdi.data.decode import decode
from ffdi.data.degraded import degrade

LOOKS = 4
HELD, HELD_UNSEEN = 0.2, 0.5  # of the persons; of those whose fake is of the family left out, for a precise AUC
DAMAGES = ("jpeg", "resize", "blur")
PARTS = ("clean", "unseen", "source", "degraded")


@dataclass(frozen=True)
class Case:
    """What a seed trains on and is tested on; `part` of a test row says for which of the AUCs it counts."""

    family: str  # left out
    look: int
    train: pd.DataFrame
    test: pd.DataFrame


def read(folder: Path) -> pd.DataFrame:
    """Return id, relpath, target, status, group, method and look of each image.

    `folder` holds images and labels.csv with path, label ("original" or another), method and group.
    """
    table = pd.read_csv(folder / "labels.csv", dtype=str).rename(columns={"path": "relpath"})
    target = (table.label != "original").astype("int8")
    rows = table.assign(id=table.relpath, target=target, status="ok", split="train")
    rows = rows.sort_values("id", ignore_index=True)
    originals = rows[rows.target == 0]
    looks = dict(zip(originals.group, _looks([folder / name for name in originals.relpath]), strict=True))
    return rows.assign(look=rows.group.map(looks))


def _looks(paths: list[Path]) -> np.ndarray:
    """Cluster originals by colour, light, contrast and sharpness: what differs from one source to another."""
    features = []
    for path in paths:
        image = cv2.imread(str(path))
        lab = cv2.cvtColor(image, cv2.COLOR_BGR2LAB).reshape(-1, 3)
        sharp = np.log(cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.CV_32F).var() + 1)
        features.append([*lab.mean(0), *lab.std(0), sharp])
    scaled = (np.array(features) - np.mean(features, 0)) / (np.std(features, 0) + 1e-9)
    return KMeans(LOOKS, n_init=4, random_state=0).fit_predict(scaled)


def case(rows: pd.DataFrame, folder: Path, copies: Path, seed: int) -> Case:
    """Return the case of a seed.

    Args:
        rows: As `read` returns them.
        folder: The images; nothing is written there.
        copies: Where degraded copies are written, an absolute path.
        seed: Which family, look and persons are left out.
    """
    families = sorted(set(rows.method[rows.target == 1]))
    family, look = families[seed % len(families)], seed % LOOKS
    of_family = rows[rows.target == 1].set_index("group").method == family
    share = rows.group.map(of_family).map({True: HELD_UNSEEN, False: HELD})
    drawn = np.array([keys.rng("held", seed, group).random() for group in rows.group])
    here = rows.look != look
    held, unseen = here & (drawn < share), rows.method == family
    parts = {"clean": held & ~unseen, "unseen": held & (unseen | (rows.target == 0)),
             "source": ~here & ~unseen}  # fmt: skip
    tests = [rows[chosen].assign(part=name) for name, chosen in parts.items()]
    for kind, (name, relpath) in product(DAMAGES, zip(tests[0].id, tests[0].relpath, strict=True)):
        image = decode((folder / relpath).read_bytes()).image_HWC
        (copies / kind / relpath).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(degrade(image, kind, name)).save(copies / kind / relpath, "PNG")
    tests += [tests[0].assign(part=kind, relpath=f"{copies / kind}/" + tests[0].relpath) for kind in DAMAGES]
    test = pd.concat(tests, ignore_index=True)
    return Case(family, look, rows[here & ~held & ~unseen].reset_index(drop=True),
                test.assign(id=test.part + "/" + test.id, split="test"))  # fmt: skip
