from dataclasses import replace

import numpy as np
import pytest

from ffdi.blending.budget import budget, grow, keep
from ffdi.blending.cost import Cost
from ffdi.blending.features import ranks
from ffdi.core.errors import UserError
from ffdi.metrics.auc import auc
from ffdi.metrics.ranks import rank_within
from tests.blending.test_honest import drawn, team_of

SKILLS = [0.2, 1.5, 1.4, 0.0]


def features() -> tuple[np.ndarray, np.ndarray]:
    logits, target = drawn(1000, SKILLS, 11)
    return ranks(logits, np.arange(1000) // 2 % 5), target


def names(count: int = 4) -> list[str]:
    return [f"m{place:03d}" for place in range(count)]


def grown(given: np.ndarray, target: np.ndarray, costs: list[list[float]], limits: list[float]) -> list[int]:
    return grow(given, target, np.array(costs, float), np.array(limits, float))


def test_the_good_come_first_and_go_last() -> None:
    given, target = features()
    assert grown(given, target, [[1] * 4], [np.inf]) == [1, 2, 0, 3]
    assert keep(given, target) == [1, 2, 0, 3]


def test_each_step_is_the_best_of_its_moment_by_brute_force() -> None:
    given, target = features()
    order, left = keep(given, target), {0, 1, 2, 3}
    for gone in order[:0:-1]:
        worth = {place: auc(target, given[sorted(left - {place})].mean(axis=0)) for place in left}
        assert worth[gone] == pytest.approx(max(worth.values()), abs=1e-6)
        left.remove(gone)


def test_no_budget_is_ever_exceeded() -> None:
    given, target = features()
    assert grown(given, target, [[1, 9, 3, 1]], [5]) == [2, 0, 3]
    assert grown(given, target, [[1, 9, 3, 1], [1, 1, 1, 4]], [5, 4]) == [2, 0]
    assert grown(given, target, [[9] * 4], [5]) == []


def test_curves_end_where_they_should() -> None:
    team = team_of(*drawn(600, SKILLS, 12))
    cost = Cost("parameters", {name: 10 * (place + 1) for place, name in enumerate(names())}, 60)
    found = budget(team, [cost, Cost("minutes", dict.fromkeys(names(), 0.5))])
    assert found.grown[-1].costs["parameters"] <= 60
    assert found.grown[-1].costs["minutes"] == 0.5 * len(found.grown[-1].members)
    assert set(found.left_out) == set(names()) - set(found.grown[-1].members) != set()
    assert [len(point.members) for point in found.dropped] == [4, 3, 2, 1]
    assert found.dropped[0].costs["parameters"] == 100
    fold = team.oof["fold"].to_numpy(np.int64)
    logits = np.array([member.oof_N for member in team.members])
    everyone = rank_within(ranks(logits, fold).mean(axis=0), fold)
    assert found.dropped[0].nested.value == auc(team.oof["target"], everyone)
    assert found.dropped[2].nested.low > found.dropped[0].nested.value


def test_without_a_limit_nobody_is_left_out() -> None:
    found = budget(team_of(*drawn(200, SKILLS, 13)), [Cost("members", dict.fromkeys(names(), 1))])
    assert found.left_out == ()
    assert [point.costs["members"] for point in found.grown] == [1, 2, 3, 4]


def test_members_that_held_nothing_out_are_paid_first() -> None:
    team = team_of(*drawn(200, SKILLS, 13))
    team = replace(team, members=(*team.members, replace(team.members[0], name="whole", oof_N=None)))
    cost = Cost("minutes", {**dict.fromkeys(names(), 2.0), "whole": 5.0}, 9.5)
    assert len(budget(team, [cost]).grown) == 2


def test_a_limit_that_nothing_fits_is_refused_by_name() -> None:
    cost = Cost("minutes", {"m000": 5.0, "m001": 3.5}, 3)
    with pytest.raises(UserError, match=r"No member fits into 3 minutes: the cheapest, m001, takes 3\.5"):
        budget(team_of(*drawn(200, [1.0, 0.5], 3)), [cost])
