"""Contests whose test is graded, made of one set of images: the same kinds, a family left out, another source.

A world holds rows with embeddings of them; a contest says which rows train and which are the test.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from sklearn.cluster import KMeans

from ffdi.config.forge import FAMILIES
from ffdi.core.keys import rng
from ffdi.data.forge import CANDIDATES, forge
from ffdi.infer.embed import embed

MODEL, PORTRAITS = "tf_efficientnet_lite0", 300


@dataclass
class World:
    """Rows with target, group and family; what a member sees, what the probe sees, and features of looks."""

    rows: pd.DataFrame
    member_ND: np.ndarray
    probe_ND: np.ndarray
    looks: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass
class Contest:
    kind: str  # seen, family, mix or source
    name: str
    world: World
    train: np.ndarray
    test: np.ndarray
    test_world: World | None = None  # the same rows as another camera sees them


def read_set(folder: Path) -> World:
    table = pd.read_csv(folder / "labels.csv", dtype=str)
    rows = pd.DataFrame({"id": table["path"], "relpath": table["path"], "family": table["method"]})
    rows["target"] = (table["label"] == "manipulated").astype(int)
    rows["group"] = np.unique(table["split"] + table["group"], return_inverse=True)[1]
    return seen_by_net(rows, folder)


def seen_by_net(rows: pd.DataFrame, folder: Path) -> World:
    first, second, last = (embed(MODEL, rows, folder, 0, level) for level in (1, 2, 4))
    colours = np.stack([cv2.resize(cv2.imread(str(folder / one)), (4, 4), interpolation=cv2.INTER_AREA).ravel()
                        for one in rows["relpath"]])  # fmt: skip
    return World(rows, np.hstack([first, second]), second, {"colour": colours / 255, "content": last})


def other_camera(world: World, folder: Path, into: Path, side: int, quality: int) -> World:
    """Return the same rows, reduced to `side` pixels, enlarged again, and compressed."""
    for one in world.rows["relpath"]:
        image = cv2.imread(str(folder / one))
        small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
        write(into / one, cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_CUBIC), quality)
    return seen_by_net(world.rows, into)


def forged(world: World, folder: Path, into: Path) -> World:
    """Return originals, encoded once more, and a fake of each family of the kit's own of every one of them."""
    originals = world.rows[world.rows["target"] == 0].iloc[:PORTRAITS]
    images = [cv2.imread(str(folder / one))[:, :, ::-1] for one in originals["relpath"]]
    rows = []
    for number, image in enumerate(images):
        for name in ("none", *FAMILIES):
            draw = rng("bench forged", number, name)
            others = [images[draw.integers(len(images))] for _ in range(CANDIDATES.get(name, 0))]
            made = image if name == "none" else forge(image, others, name, int(draw.integers(2**60)))
            relpath = f"{name}/{number}.jpg"
            write(into / relpath, made[:, :, ::-1], 92)
            rows.append((relpath, relpath, name, int(name != "none"), number))
    return seen_by_net(pd.DataFrame(rows, columns=["id", "relpath", "family", "target", "group"]), into)


def write(path: Path, image_HWC: np.ndarray, quality: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image_HWC, [cv2.IMWRITE_JPEG_QUALITY, quality])


def simulated(number: int) -> World:
    """Return rows of a made-up world: families share a part of their direction, and have a strength of their own."""
    draw = rng("bench simulated", number)
    groups, width, families = int(draw.integers(250, 900)), 40, int(draw.integers(4, 9))
    group = np.repeat(np.arange(groups), 2)
    target = np.tile([0, 1], groups)
    family = draw.integers(families, size=groups)[group]
    common, spread = draw.uniform(0.3, 0.9), draw.uniform(0.0, 0.5)
    own_FD = draw.normal(size=(families, width))
    strength_F = draw.uniform(1.5, 3.0) * np.exp(spread * draw.normal(size=families))
    direction_FD = np.sqrt(common) * draw.normal(size=width) + np.sqrt(1 - common) * own_FD
    direction_FD *= (strength_F / np.linalg.norm(direction_FD, axis=1))[:, None]
    person_ND = draw.normal(size=(groups, width))[group]
    seen_ND = person_ND + draw.normal(size=(len(group), width)) / 2 + target[:, None] * direction_FD[family]
    member_ND, probe_ND = (seen_ND + 0.5 * draw.normal(size=seen_ND.shape) for _ in range(2))
    names = np.where(target == 1, np.char.add("kind ", family.astype(str)), "none")
    return World(pd.DataFrame({"target": target, "group": group, "family": names}), member_ND, probe_ND,
                 {"content": person_ND[:, :8]})  # fmt: skip


def split(world: World, share: float, *parts: str | int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of train and test; groups stay whole."""
    groups = world.rows["group"].max() + 1
    to_test = (rng("bench split", *parts).permutation(groups) < share * groups)[world.rows["group"]]
    return np.flatnonzero(~to_test), np.flatnonzero(to_test)


def same_kinds(name: str, world: World, count: int) -> Iterator[Contest]:
    for number in range(count):
        yield Contest("seen", f"{name} {number}", world, *split(world, 0.4, name, "seen", number))


def family_left_out(name: str, world: World, count: int, families: int = 99) -> Iterator[Contest]:
    """Each family is left out `count` times; train has `families` others at the most, the test only that one."""
    family = world.rows["family"].to_numpy()
    for left in np.unique(family[family != "none"]):
        for number in range(count):
            train, test = split(world, 0.4, name, left, number)
            others = [one for one in np.unique(family) if one not in ("none", left)]
            kept = rng("bench kept", name, left, number).permutation(others)[:families]
            train = train[np.isin(family[train], ["none", *kept])]
            yield Contest(
                "family", f"{name} {left} {number}", world, train, test[np.isin(family[test], ["none", left])]
            )


def by_look(name: str, world: World) -> Iterator[Contest]:
    """Train on one cluster of originals and their fakes, test on another; and a mixture of both on either side."""
    for look, features_ND in world.looks.items():
        for clusters in (2, 3):
            looks = look_of(world, features_ND, clusters)
            for number in range(clusters):
                other = (number + 1) % clusters
                here, there = np.flatnonzero(looks == number), np.flatnonzero(looks == other)
                if min(len(here), len(there)) >= 150:
                    yield Contest("source", f"{name} {look} {clusters}.{number}", world, here, there)
                    train, test = split(world, 0.4, name, look, clusters, number)
                    keep = rng("bench mix", look, clusters, number).random(len(looks)) < 0.35
                    train = train[(looks[train] != other) | keep[train]]
                    test = test[(looks[test] == other) | keep[test]]
                    yield Contest("mix", f"{name} {look} {clusters}.{number}", world, train, test)


def look_of(world: World, features_ND: np.ndarray, clusters: int) -> np.ndarray:
    """Return the look of each row, which is that of its group's original."""
    originals = world.rows["target"].to_numpy() == 0
    found = KMeans(clusters, n_init=10, random_state=0).fit_predict(features_ND[originals])
    by_group = dict(zip(world.rows["group"][originals], found, strict=True))
    return world.rows["group"].map(by_group).to_numpy()
