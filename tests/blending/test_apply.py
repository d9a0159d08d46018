from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ffdi.blending.apply import BLEND, apply, degraded_scores, members_with_weight
from ffdi.blending.methods import METHODS
from ffdi.blending.oof import Team, read_team
from tests.fixtures.contest import Contest

RANK_MEAN = METHODS["rank_mean"]
WEIGHTS = {"one": 0.3, "two": 0.5, "whole": 0.2}


def test_the_blend_of_the_toy_by_pandas(contest: Contest) -> None:
    """The same numbers by another road: long frames, groupby, rank(pct)."""
    team = read_team(contest.jobs())
    blended = apply(team, RANK_MEAN)
    oof = {}
    for member in team.members[:2]:
        grouped = pd.Series(member.oof_N).groupby(team.oof["fold"].to_numpy())
        oof[member.name] = (grouped.rank() - 0.5) / grouped.transform("size")
    mean = ((oof["one"] + oof["two"]).to_numpy() / 2).round(12)
    ranked = pd.Series(mean).groupby(team.oof["fold"].to_numpy())
    expected = (ranked.rank() - 0.5) / ranked.transform("size")
    assert blended.oof[BLEND].to_numpy() == pytest.approx(expected.to_numpy(), abs=0.04)  # rounding may part ties
    assert blended.prior == pytest.approx(np.median(mean))
    readable = ~team.test["imputed"].to_numpy()
    test = []
    for member in team.members:
        by_model = pd.DataFrame(member.test_KT[:, readable].T)
        test.append(((by_model.rank() - 0.5) / len(by_model)).mean(axis=1))
    assert blended.test[BLEND][readable].to_numpy() == pytest.approx(np.mean(test, axis=0))


def test_an_unreadable_image_has_the_median_score_of_the_held_out_rows(contest: Contest) -> None:
    team = read_team(contest.jobs())
    blended = apply(team, METHODS["logit_mean"])
    mean = np.mean([member.oof_N for member in team.members_with_oof], axis=0)
    assert blended.prior == pytest.approx(1 / (1 + np.exp(-np.median(mean)))) != pytest.approx(0.5, abs=1e-4)
    assert blended.test[BLEND][team.test["imputed"]].item() == blended.prior


def test_weights_given_to_refit_members_alone_leave_no_estimate(contest: Contest) -> None:
    blended = apply(read_team(contest.jobs()), RANK_MEAN, {"whole": 2.0})
    assert blended.weights == {"one": 0.0, "two": 0.0, "whole": 1.0}
    assert BLEND not in blended.oof
    assert blended.test[BLEND].nunique() > 10


@pytest.mark.parametrize("method", ["best_single", "pruned_rank_mean", "stack", "rank_mean"])
def test_a_refit_member_is_weighed_by_the_score_of_its_own_fold_models(contest: Contest, method: str) -> None:
    """`whole` has the settings of `two`, but for name and seed; a refit of other settings has the mean weight."""
    team = read_team(contest.jobs())
    assert [member.kfold for member in team.members] == [None, None, "two"]
    weights = apply(team, METHODS[method]).weights
    assert weights["whole"] == weights["two"]
    alone = apply(replace(team, members=team.members[:2]), METHODS[method]).weights
    assert weights["two"] / weights["one"] == pytest.approx(alone["two"] / alone["one"]) if weights["one"] else True
    stranger = replace(team.members[2], kfold=None)
    mixed = apply(replace(team, members=(*team.members[:2], stranger)), METHODS[method]).weights
    assert mixed["whole"] == pytest.approx(1 / 3)


def own(team: Team) -> dict[str, pd.Series]:
    return {member.name: pd.Series(member.oof_N, team.oof["id"]) for member in team.members_with_oof}


def test_the_teams_own_logits_as_copies_give_the_blend_that_stands(contest: Contest) -> None:
    team = read_team(contest.jobs())
    rows = degraded_scores(team, RANK_MEAN, WEIGHTS, own(team))
    expected = apply(team, RANK_MEAN, WEIGHTS).oof
    assert rows["id"].tolist() == expected["id"].tolist()
    assert np.array_equal(rows["clean"], expected[BLEND])
    assert rows["clean"].equals(rows["worse"])


def test_fold_models_keep_their_scale_and_rows_without_a_copy_are_left_out(contest: Contest) -> None:
    team = read_team(contest.jobs())
    assert members_with_weight(team, WEIGHTS) == ("one", "two")
    logits = own(team)
    moved = {"one": logits["one"].iloc[3:].sample(frac=1, random_state=0) + 5, "two": logits["two"].iloc[:-2] + 5}
    for method in ("rank_mean", "logit_mean", "stack"):
        rows = degraded_scores(team, METHODS[method], WEIGHTS, moved)
        assert len(rows) == len(team.oof) - 5
        assert np.allclose(rows["clean"], rows["worse"])  # moved all alike: the order holds


def test_copies_are_ranked_by_their_own_logits(contest: Contest) -> None:
    team = read_team(contest.jobs())
    worse = {name: -logits for name, logits in own(team).items()}
    rows = degraded_scores(team, RANK_MEAN, {"one": 1.0, "two": 2**0.5}, worse)  # without ties
    assert np.allclose(rows["worse"], 1 - rows["clean"])
