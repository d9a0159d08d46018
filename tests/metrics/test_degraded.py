import numpy as np
import pandas as pd
import pytest

from ffdi.core import keys
from ffdi.metrics.degraded import compare
from ffdi.metrics.delong import delong, delong_paired


def rows(count: int = 600, shift: float = 0.0) -> pd.DataFrame:
    """Two folds; copies are noisier than the clean images, and all of them `shift` more like fakes."""
    draw = keys.rng("degraded")
    target = np.arange(count) % 2
    clean = draw.normal(0, 1, count) + 2 * target
    worse = clean + draw.normal(0, 1.5, count)
    frame = pd.DataFrame({"target": target, "fold": np.arange(count) // 2 % 2, "clean": clean, "worse": worse})
    return frame.assign(clean_among=clean, worse_among=worse + shift)


def test_the_drop_is_paired_and_the_offset_says_which_way_copies_move() -> None:
    table = rows(shift=1.0)
    found = compare(table, "blur")
    assert found is not None
    target = table["target"]
    assert found.worse.auc == delong(target, table["worse"])
    assert found.clean.auc == delong(target, table["clean"])
    expected = delong_paired(target, table["clean"], table["worse"])
    assert (found.drop.value, found.drop.se) == pytest.approx((expected.value, expected.se))
    assert found.drop.low > 0
    assert (found.worse.kind, found.worse.name, found.worse.reals, found.worse.fakes) == (
        "degradation",
        "blur",
        300,
        300,
    )
    offsets = [one.worse.offset for one in (found, compare(rows(), "blur"), compare(rows(shift=-1.0), "blur")) if one]
    assert offsets[0] is not None
    assert offsets[0] > 0.1
    assert offsets[2] is not None
    assert offsets[2] < -0.1
    assert offsets[1] == pytest.approx(0, abs=0.05)


def test_scores_of_two_folds_are_never_compared_for_the_offset() -> None:
    table = rows()
    moved = table.assign(clean_among=table["clean_among"] + 100 * table["fold"])
    moved["worse_among"] += 100 * table["fold"]
    found, again = compare(table, "blur"), compare(moved, "blur")
    assert found is not None
    assert again is not None
    assert found.worse.offset == pytest.approx(again.worse.offset)


def test_rows_of_a_group_are_one_for_the_interval() -> None:
    table = rows()
    twice = pd.concat([table.assign(group=np.arange(len(table)))] * 2, ignore_index=True)
    alone, doubled = compare(table, "blur"), compare(twice, "blur")
    assert alone is not None
    assert doubled is not None
    assert doubled.drop.se == pytest.approx(alone.drop.se, rel=0.01)


def test_too_few_images_say_nothing() -> None:
    assert compare(rows(14), "blur") is None
