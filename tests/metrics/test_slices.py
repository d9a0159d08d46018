"""Slices of the rows, and degraded copies beside clean images."""

import numpy as np
import pandas as pd
import pytest

from ffdi.core import keys
from ffdi.metrics.auc import auc
from ffdi.metrics.delong import delong, gain_interval, placements
from ffdi.metrics.slices import COLUMNS, binned, compare, cut, pooled


def rows(count: int = 900) -> pd.DataFrame:
    """Two kinds of fakes, one unseen; three sources of originals, one of which looks fake."""
    draw = keys.rng("slices")
    target = (draw.random(count) < 0.5).astype(int)
    forgery = np.where(target == 1, draw.choice(["seen", "unseen"], count), None)
    source = draw.choice(["a", "b", "c"], count)
    score = draw.normal(0, 1, count) + np.select([forgery == "seen", forgery == "unseen"], [3.0, 0.5], 0.0)
    score += np.where((target == 0) & (source == "c"), 1.5, 0.0)
    return pd.DataFrame({"target": target, "score": score, "forgery": forgery, "source": source, "one": "x"})


def test_the_weak_spot_is_found_and_each_slice_compared_with_its_own_rivals() -> None:
    table = rows()
    found = cut(table, {"forgery": "fakes", "source": "originals", "one": "both"})
    assert list(found.columns) == COLUMNS
    assert found[["kind", "name"]].to_numpy().tolist() == [
        ["forgery", "seen"], ["forgery", "unseen"], ["source", "a"], ["source", "b"], ["source", "c"],
    ]  # fmt: skip
    assert found.loc[found["high"].idxmin(), "name"] == "unseen"
    by = cut(table, {"forgery": "fakes", "source": "both"}).set_index("name")
    unseen = table[(table["target"] == 0) | (table["forgery"] == "unseen")]
    assert by["auc"]["unseen"] == auc(unseen["target"], unseen["score"])
    assert by.loc["unseen", ["originals", "fakes"]].tolist() == unseen["target"].value_counts()[[0, 1]].tolist()
    inside = table[table["source"] == "b"]
    assert by["auc"]["b"] == auc(inside["target"], inside["score"])


def test_small_slices_and_missing_names_are_left_out() -> None:
    table = rows(60)
    table["source"] = ["rare"] * 5 + ["usual"] * 50 + [None] * 5
    assert cut(table, {"source": "both"})["name"].tolist() == ["usual"]
    assert cut(table.assign(source="usual"), {"source": "both"}).empty


def test_one_fake_alone_has_an_auc_and_no_interval() -> None:
    table = pd.DataFrame({"target": [0, 0, 1], "score": [0.1, 0.3, 0.2]})
    assert (pooled(table).value, pooled(table).low, pooled(table).high) == (0.5, 0, 1)


def test_bins_are_half_open_named_and_in_order() -> None:
    names = binned(pd.Series([-1, 1, 49, 50, 95, 100]), [1, 50, 95])
    assert names.isna().tolist() == [True] + [False] * 5
    assert names.tolist()[1:] == ["1 to 50", "1 to 50", "50 to 95", "95 and more", "95 and more"]
    table = pd.DataFrame({"target": [0, 1] * 60, "score": np.arange(120.0), "q": np.repeat([1, 5, 10], 40)})
    table["q"] = binned(table["q"], [1, 5, 10])
    assert cut(table, {"q": "both"})["name"].tolist() == ["1 to 5", "5 to 10", "10 and more"]


def copies(count: int = 600) -> pd.DataFrame:
    """Copies are noisier than the clean images."""
    draw = keys.rng("degraded")
    target = np.arange(count) % 2
    clean = draw.normal(0, 1, count) + 2 * target
    worse = clean + draw.normal(0, 1.5, count)
    return pd.DataFrame({"target": target, "clean": clean, "worse": worse})


def test_the_drop_is_paired_and_counts_groups() -> None:
    table = copies()
    found = compare(table, "blur")
    assert found is not None
    own = delong(table["target"], table["worse"])
    assert (found["auc"], found["low"], found["high"]) == (own.value, own.low, own.high)
    assert found["clean"] == auc(table["target"], table["clean"])
    clean, worse = (placements(table["target"], table[name]) for name in ("clean", "worse"))
    paired = gain_interval(clean - worse)
    assert (found["drop"], found["drop_low"]) == pytest.approx((paired.value, paired.low))
    assert found["drop_low"] > 0
    assert [found[name] for name in ("kind", "name", "originals", "fakes")] == ["degradation", "blur", 300, 300]
    twice = pd.concat([table.assign(group=np.arange(len(table)))] * 2, ignore_index=True)  # one for the interval
    assert (compare(twice, "blur") or {})["drop_high"] == pytest.approx(found["drop_high"], rel=0.01)
    assert compare(copies(14), "blur") is None  # too few
