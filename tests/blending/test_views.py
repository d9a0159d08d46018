import numpy as np
import pytest

from ffdi.blending.members import Viewed, canonical, read_team, read_views
from ffdi.blending.views import judge, pick
from ffdi.core.keys import rng
from ffdi.metrics.auc import auc
from ffdi.metrics.ranks import rank_within
from tests.blending.contest import Contest


def viewed(skills: dict[str, float], rows: int = 1000, seed: int = 0) -> Viewed:
    """Views of one member with noise of their own; costs as if 'scale:2' were four plain views."""
    draw = rng("views", seed)
    target = (np.arange(rows) % 2).astype(np.int8)
    logits = np.stack([skill * target + draw.normal(size=rows) for skill in skills.values()], axis=1)
    costs = tuple(4.0 if name == "scale:2" else 1.0 for name in skills)
    return Viewed("m", tuple(skills), costs, logits, np.arange(rows) // 2 % 5, target)


def test_logits_by_view_average_to_those_of_the_team(contest: Contest) -> None:
    team = canonical(read_team(contest.jobs()))
    found = list(read_views(contest.jobs()))
    assert [one.name for one in found] == ["one"]
    assert found[0].views == ("hflip", "identity")
    assert team.members[0].oof_N is not None
    assert found[0].logits_NW.mean(axis=1) == pytest.approx(team.members[0].oof_N, abs=0)
    assert (found[0].target_N == team.oof["target"].to_numpy()).all()
    assert (found[0].folds_N == team.oof["fold"].to_numpy()).all()


def test_views_that_err_apart_buy_much_and_noise_costs() -> None:
    found = judge(viewed({"hflip": 1.0, "identity": 1.0, "scale:2": 0.0}))
    assert found.base == "identity"
    assert found.chosen == ("hflip", "identity")
    assert found.nested_gain.low > 0
    assert found.nested_gain.value > found.all_gain.value
    by_name = {view.name: view for view in found.views}
    assert by_name["hflip"].buys.low > 0 > by_name["scale:2"].buys.high
    assert found.cost(found.chosen) == 2
    assert found.cost(list(by_name)) == 6


def test_the_gains_are_differences_of_aucs() -> None:
    given = viewed({"hflip": 0.8, "identity": 1.2})
    found = judge(given)
    scores = [rank_within(logits_N, given.folds_N) for logits_N in (*given.logits_NW.T, given.logits_NW.mean(axis=1))]
    aucs = [auc(given.target_N, score_N) for score_N in scores]
    assert [view.alone for view in found.views] == aucs[:2]
    assert found.all_gain.value == pytest.approx(aucs[2] - aucs[1])
    assert found.views[0].buys.value == pytest.approx(aucs[2] - aucs[1])


def test_picking_does_not_flatter_itself() -> None:
    """Six views of nothing: picked on all rows they seem better than they are when picked on the other folds."""
    flattery = []
    for seed in range(8):
        given = viewed({f"scale:1.{i}": 0.0 for i in range(1, 7)}, 300, seed)
        found = judge(given)
        picked = [given.views.index(name) for name in found.chosen]
        shown = auc(given.target_N, rank_within(given.logits_NW[:, picked].mean(axis=1), given.folds_N))
        flattery.append(shown - found.base_auc - found.nested_gain.value)
    assert np.mean(flattery) > 0.02


def test_without_a_plain_view_the_best_is_the_base() -> None:
    given = viewed({"hflip": 0.5, "vflip": 1.5})
    assert judge(given).base == "vflip"
    assert pick(given, given.folds_N >= 0)[0] == 1
