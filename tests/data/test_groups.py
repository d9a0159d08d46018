from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ffdi
from ffdi.data import hashes, measurement
from ffdi.data.groups import CONFIRM, components, groups, neighbours
from tests.fixtures.manifests import manifest_of

SAMPLE = Path(ffdi.__file__).parent / "sample"


def rows_of(short: list[int], long: list[int] | None = None, **columns: object) -> pd.DataFrame:
    count = len(short)
    words = np.zeros((count, 4), np.uint64)
    words[:, 3] = np.array(long if long else [0] * count, np.uint64)
    ids = [f"{number:04d}.jpg" for number in range(count)]
    hashed = {"phash": np.array(short, np.uint64), "phash256": hashes.to_hex(words)}
    return manifest_of(count, 0).assign(id=ids, **hashed, **columns)


def far(count: int) -> list[int]:
    """Hashes that are no near-duplicates of each other."""
    return np.random.default_rng(9).integers(0, 2**64, count, dtype=np.uint64).tolist()


def test_copies_share_a_group_and_groups_count_from_the_smallest_id() -> None:
    one, two, three = far(3)
    rows = rows_of([two, one, two ^ 1, three, one ^ 0b11])
    assert groups(rows).tolist() == [0, 1, 0, 2, 1]


def test_a_collision_of_short_hashes_needs_the_second_look() -> None:
    assert groups(rows_of(far(1) * 2, [0, 2 ** (CONFIRM + 1) - 1])).tolist() == [0, 1]
    assert groups(rows_of(far(1) * 2, [0, 2**CONFIRM - 1])).tolist() == [0, 0]


def test_the_same_bytes_are_the_same_image_whatever_the_hashes_say() -> None:
    rows = rows_of(far(3), sha256=["a", "b", "a"])
    assert groups(rows).tolist() == [0, 1, 0]


def test_embeddings_join_what_hashes_do_not_see() -> None:
    rows = rows_of(far(5))
    embeddings = 7 + np.eye(4)[[0, 1, 0, 2, 3]]
    assert groups(rows).tolist() == [0, 1, 2, 3, 4]
    assert groups(rows, embeddings).tolist() == [0, 1, 0, 2, 3]


@given(seed=st.integers(0, 2**32), count=st.integers(2, 30))
@settings(max_examples=50, deadline=None)
def test_the_order_of_the_rows_does_not_matter(seed: int, count: int) -> None:
    draw = np.random.default_rng(seed)
    flips = np.array([0, 1, 3, 7, 1 << 60], np.uint64)
    short = draw.choice(np.array(far(6), np.uint64), count) ^ draw.choice(flips, count)
    rows = rows_of(short.tolist(), draw.choice([0, 1, 255], count).tolist())
    embeddings = draw.normal(size=(count, 3))
    order = draw.permutation(count)
    straight = groups(rows, embeddings)
    shuffled = groups(rows.iloc[order].reset_index(drop=True), embeddings[order])
    assert straight[order].tolist() == shuffled.tolist()


def test_neighbours_join_what_all_similarities_join(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ffdi.data.groups.CELLS", 1000)  # many chunks
    draw = np.random.default_rng(4)
    embeddings = np.repeat(draw.normal(size=(40, 8)), 3, axis=0) + draw.normal(scale=0.1, size=(120, 8)) + 5
    embeddings = draw.permutation(embeddings)
    units = embeddings - embeddings.mean(axis=0)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    every = np.stack(np.nonzero(np.triu(units @ units.T >= 0.9, 1)), axis=1)
    links = neighbours(embeddings, 0.9)
    np.testing.assert_array_equal(components(links, 120), components(every, 120))
    assert len(links) < 120 <= len(every) + 40
    assert 10 < len(np.unique(components(links, 120))) < 60


def test_originals_and_their_forgeries_in_the_sample() -> None:
    """The truth is known: 203 twins in the training set, none of them a copy in the strict sense."""
    truth = pd.read_csv(SAMPLE / "truth" / "pairs.csv")
    truth = truth[truth["split"] == "train"]
    files = pd.DataFrame({"relpath": truth["img_name"], "bytes": 0, "mtime_ns": 0})
    rows = measurement.measure(SAMPLE / "phase1" / "trainset", files).assign(id=truth["img_name"])
    found = pd.Series(groups(rows))
    pair = truth["pair"].to_numpy()
    together = found.groupby(pair).nunique() == 1
    assert together.mean() > 0.9
    assert (pd.Series(pair).groupby(found).nunique() == 1).all()  # no group holds two persons
