import numpy as np
import pandas as pd

from ffdi.core import keys
from ffdi.metrics.auc import auc
from ffdi.metrics.slices import binned, cut, worst


def rows(count: int = 900) -> pd.DataFrame:
    """Two kinds of fakes, one unseen; three sources of originals, one of which looks fake."""
    draw = keys.rng("slices")
    target = (draw.random(count) < 0.5).astype(int)
    hand = np.where(target == 1, draw.choice(["seen", "unseen"], count), None)
    source = draw.choice(["a", "b", "c"], count)
    score = draw.normal(0, 1, count) + np.select([hand == "seen", hand == "unseen"], [3.0, 0.5], 0.0)
    score += np.where((target == 0) & (source == "c"), 1.5, 0.0)
    return pd.DataFrame({"target": target, "score": score, "hand": hand, "source": source, "one": "x"})


def test_the_weak_spot_is_found_and_the_offset_seen() -> None:
    table = rows()
    found = cut(table, {"hand": "fakes", "source": "originals", "one": "both"})
    assert [(one.kind, one.name) for one in found] == [
        ("hand", "seen"), ("hand", "unseen"), ("source", "a"), ("source", "b"), ("source", "c"),
    ]  # fmt: skip
    bad = worst(found)
    assert bad is not None
    assert bad.name == "unseen"
    offsets = {one.name: one.offset for one in found}
    assert offsets["seen"] is None
    assert offsets["c"] > 0.15
    assert offsets["a"] < 0


def test_each_slice_is_judged_against_its_own_rivals() -> None:
    table = rows()
    by = {one.name: one for one in cut(table, {"hand": "fakes", "source": "both"})}
    unseen = table[(table["target"] == 0) | (table["hand"] == "unseen")]
    assert by["unseen"].auc.value == auc(unseen["target"], unseen["score"])
    assert (by["unseen"].reals, by["unseen"].fakes) == tuple(unseen["target"].value_counts()[[0, 1]])
    inside = table[table["source"] == "b"]
    assert by["b"].auc.value == auc(inside["target"], inside["score"])


def test_small_slices_and_missing_names_say_nothing() -> None:
    table = rows(60)
    table["source"] = ["rare"] * 5 + ["usual"] * 50 + [None] * 5
    assert [one.name for one in cut(table, {"source": "both"})] == ["usual"]
    assert cut(table.assign(source="usual"), {"source": "both"}) == []
    assert worst([]) is None


def test_bins_are_half_open_named_and_in_order() -> None:
    names = binned(pd.Series([-1, 1, 49, 50, 95, 100]), [1, 50, 95])
    assert names.tolist() == [None, "1 to 50", "1 to 50", "50 to 95", "95 and more", "95 and more"]
    table = pd.DataFrame({"target": [0, 1] * 60, "score": np.arange(120.0), "q": np.repeat([1, 5, 10], 40)})
    table["q"] = binned(table["q"], [1, 5, 10])
    assert [one.name for one in cut(table, {"q": "both"})] == ["1 to 5", "5 to 10", "10 and more"]
