from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffdi.config.recipe import Folds
from ffdi.core import keys
from ffdi.core.errors import UserError
from ffdi.data import folds
from ffdi.data.clusters import cluster, deal_clusters
from ffdi.data.folds import fold_table
from tests.fixtures.manifests import manifest_of

SPEC = Folds(scheme="cluster", k=3, embedding="test_resnet", clusters=6)


@pytest.fixture(autouse=True, scope="module")
def made_up_features_are_no_near_duplicates() -> Iterator[None]:
    """Compare no embeddings when images are grouped: those of these tests are alike for all images of a hand."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folds, "MAX_COMPARED", 0)
        yield


def hands(rows: pd.DataFrame, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Features [N, D] in which every image bears the mark of one of `count` hands, and whose hand it is [N]."""
    draw = keys.rng("hands", count)
    hand = draw.integers(0, count, len(rows))
    return np.eye(count)[hand] * 3 + draw.normal(0, 0.1, (len(rows), count)), hand


def test_every_hand_is_left_out_by_one_fold() -> None:
    rows = manifest_of(300, 0)
    features, hand = hands(rows, 6)
    made = fold_table(rows, SPEC, ["train"], features).merge(rows.assign(hand=hand)[["id", "target", "hand"]], on="id")
    fakes = made[made["target"] == 1]
    assert (fakes.groupby("hand")["fold"].nunique() == 1).all()
    assert (fakes.groupby("cluster")["hand"].nunique() == 1).all()
    assert sorted(made["fold"].unique()) == [0, 1, 2]
    assert set(made.loc[made["target"] == 0, "cluster"]) == {-1}


def test_an_original_goes_where_its_forgery_goes() -> None:
    rows = manifest_of(300, copies=80)
    features, _ = hands(rows, 6)
    made = fold_table(rows, SPEC, ["train"], features)
    assert (made.groupby("group")[["fold", "cluster"]].nunique() == 1).all(axis=None)


def test_the_order_of_the_rows_does_not_matter() -> None:
    rows = manifest_of(200, copies=20)
    features, _ = hands(rows, 6)
    order = keys.rng("shuffle").permutation(len(rows))
    shuffled = fold_table(rows.iloc[order].reset_index(drop=True), SPEC, ["train"], features[order])
    pd.testing.assert_frame_equal(shuffled, fold_table(rows, SPEC, ["train"], features))


@given(st.integers(2, 5), st.integers(0, 2**32), st.integers(0, 60))
@settings(max_examples=60, deadline=None)
def test_class_shares_are_as_even_as_whole_clusters_allow(k: int, seed: int, alone: int) -> None:
    draw = np.random.default_rng(seed)
    holders = draw.integers(k, 40)
    cluster_G = np.concatenate([np.arange(k), draw.integers(0, k + 3, holders - k), np.full(alone + 8 * k, -1)])
    group = np.concatenate([np.arange(len(cluster_G)), np.arange(holders)])  # each fake with an original
    target = np.concatenate([np.arange(len(cluster_G)) < holders, np.zeros(holders)]).astype(np.int64)
    fold = deal_clusters(target, group, cluster_G, k)
    assert all(len(set(fold[group == number])) == 1 for number in range(len(cluster_G)))
    fold_C = pd.Series(fold[target == 1]).groupby(cluster_G[group[target == 1]]).nunique()
    assert (fold_C == 1).all()
    fakes_K, reals_K = (np.bincount(fold[target == value], minlength=k) for value in (1, 0))
    assert fakes_K.min() > 0
    assert reals_K.min() > 0


def test_too_few_clusters_or_no_features_are_refused() -> None:
    rows = manifest_of(60, 0)
    features, _ = hands(rows, 6)
    few = rows.assign(target=(np.arange(60) < 4).astype(np.int8))
    with pytest.raises(UserError, match="6 clusters need as many groups with fakes, there are 4"):
        fold_table(few, SPEC, ["train"], features)
    with pytest.raises(UserError, match=r"name folds\.embedding"):
        fold_table(rows, SPEC, ["train"])
    with pytest.raises(UserError, match="3 folds need as many clusters of fakes, there are 1"):
        deal_clusters(np.array([1, 1, 0, 0]), np.arange(4), np.array([0, 0, -1, -1]), 3)
    with pytest.raises(ValueError, match=r"needs folds\.embedding"):
        Folds(scheme="cluster")


def test_the_hand_counts_and_not_the_person() -> None:
    """Persons differ far more than hands do; an original and its fake share the person, so their difference is left."""
    draw, count = keys.rng("persons"), 60
    hand = np.arange(count) % 3
    person = draw.normal(0, 1, (count, 24))
    features = np.concatenate([person, person + 0.4 * np.eye(24)[hand]])
    target, group = np.repeat([0, 1], count), np.tile(np.arange(count), 2)
    found = cluster(features, target, group, 3, 0)
    assert len(set(zip(found.tolist(), hand.tolist(), strict=True))) == 3
