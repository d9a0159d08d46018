import numpy as np
import pytest

from ffdi.base import seal
from ffdi.blend.budget import budget, grow, keep, parameters
from ffdi.blend.features import ranks
from ffdi.score.auc import auc
from ffdi.score.ranks import rank_within
from tests.blend.contest import Contest
from tests.blend.test_honest import drawn, team_of

SKILLS = [0.2, 1.5, 1.4, 0.0]


def features() -> tuple[np.ndarray, np.ndarray]:
    logits, target = drawn(1000, SKILLS, 11)
    return ranks(logits, np.arange(1000) // 2 % 5), target


def test_the_good_come_first_and_go_last() -> None:
    given, target = features()
    assert grow(given, target, [1] * 4, None) == [1, 2, 0, 3]
    assert keep(given, target) == [1, 2, 0, 3]


def test_each_step_is_the_best_of_its_moment_by_brute_force() -> None:
    given, target = features()
    order, left = keep(given, target), {0, 1, 2, 3}
    for gone in order[:0:-1]:
        worth = {place: auc(target, given[sorted(left - {place})].mean(axis=0)) for place in left}
        assert worth[gone] == pytest.approx(max(worth.values()), abs=1e-6)
        left.remove(gone)


def test_a_budget_is_never_exceeded() -> None:
    given, target = features()
    assert grow(given, target, [1, 9, 3, 1], 5) == [2, 0, 3]
    assert grow(given, target, [9] * 4, 5) == []


def test_curves_end_where_they_should() -> None:
    team = team_of(*drawn(600, SKILLS, 12))
    cost = {f"m{place:03d}": 10 * (place + 1) for place in range(4)}
    found = budget(team, cost, 60)
    assert found.unit == "parameters"
    assert found.grown[-1].cost <= 60
    assert [len(point.members) for point in found.dropped] == [4, 3, 2, 1]
    assert found.dropped[0].cost == 100
    fold = team.oof["fold"].to_numpy(np.int64)
    logits = np.array([member.oof_N for member in team.members])
    everyone = rank_within(ranks(logits, fold).mean(axis=0), fold)
    assert found.dropped[0].nested.value == auc(team.oof["target"], everyone)
    assert found.dropped[2].nested.low > found.dropped[0].nested.value


def test_without_parameters_a_member_costs_one() -> None:
    found = budget(team_of(*drawn(200, SKILLS, 13)), {"m000": 5}, 1)
    assert (found.unit, found.limit) == ("members", None)
    assert [point.cost for point in found.grown] == [1, 2, 3, 4]


def test_parameters_are_read_off_the_weights(contest: Contest) -> None:
    assert parameters(contest.jobs()) == {}
    arrays = {"head.weight": np.zeros((3, 4), np.float32), "head.bias": np.zeros(3, np.float32)}
    arrays |= {"norm.running_mean": np.zeros(9, np.float32), "golden/images_BHWC": np.zeros((1, 2, 2, 3), np.float32)}
    seal.write_tensors(contest.job("one", 0).folder / "weights.safetensors", arrays)
    assert parameters(contest.jobs()) == {"one": 15}
