import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from ffdi.blending.likeness import CHANCE, clustered, correlation, disagreement, disputed, shares
from ffdi.core.keys import rng


def scores(rows: int = 500) -> pd.DataFrame:
    """Two families of two members each, by turns."""
    draw = rng("likeness", rows)
    families = draw.normal(size=(2, rows))
    columns = {name: families[place % 2] + 0.2 * draw.normal(size=rows) for place, name in enumerate("abcd")}
    return pd.DataFrame({"id": [f"{row:04d}" for row in range(rows)], **columns})


def test_correlation_is_spearmans_and_chance_is_a_third() -> None:
    frame = scores(3000)
    ranks_MN = shares(frame, list("abcd"))
    assert correlation(ranks_MN) == pytest.approx(spearmanr(frame[list("abcd")]).statistic)
    apart_MM = disagreement(ranks_MN)
    assert (np.diag(apart_MM) == 0).all()
    assert apart_MM[0, 1] == pytest.approx(CHANCE, abs=0.02)
    assert apart_MM[0, 2] == apart_MM[2, 0] < 0.1


def test_families_stand_together() -> None:
    order = "".join("abcd"[place] for place in clustered(correlation(shares(scores(), list("abcd")))))
    assert {frozenset(order[:2]), frozenset(order[2:])} == {frozenset("ac"), frozenset("bd")}
    assert clustered(np.ones((2, 2))) == [0, 1]
    assert sorted(clustered(np.ones((4, 4)))) == [0, 1, 2, 3]


def test_the_disputed_are_those_that_members_place_farthest_apart() -> None:
    frame = scores()
    frame.loc[[7, 70], ["a", "b", "c", "d"]] = [[9.0, -9.0, 9.0, -9.0], [-8.5, 8.0, -8.0, 8.5]]
    found = disputed(frame, list("abcd"), 2)
    assert found["id"].tolist() == ["0007", "0070"]
    assert (found["low"].tolist(), found["high"].tolist()) == (["b", "a"], ["a", "b"])
    assert (found["least"] < 0.01).all()
    assert (found["greatest"] > 0.99).all()
