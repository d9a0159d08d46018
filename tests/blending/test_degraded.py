import numpy as np
import pandas as pd

from ffdi.blending.apply import BLEND, apply, degraded_scores, members_with_weight
from ffdi.blending.methods import METHODS
from ffdi.blending.oof import Team, canonical, read_team
from tests.fixtures.contest import Contest

WEIGHTS = {"one": 0.3, "two": 0.5, "whole": 0.2}


def own(team: Team) -> dict[str, pd.Series]:
    team = canonical(team)
    return {member.name: pd.Series(member.oof_N, team.oof["id"]) for member in team.members_with_oof}


def test_the_teams_own_logits_give_the_blend_that_stands(contest: Contest) -> None:
    team = read_team(contest.jobs())
    rows = degraded_scores(team, METHODS["rank_mean"], WEIGHTS, own(team))
    expected = apply(team, METHODS["rank_mean"], WEIGHTS).oof
    assert rows["id"].tolist() == expected["id"].tolist()
    assert np.array_equal(rows["clean"], expected[BLEND])
    assert rows["clean"].equals(rows["worse"])


def test_fold_models_keep_their_scale_and_rows_without_a_copy_are_left_out(contest: Contest) -> None:
    team = read_team(contest.jobs())
    assert members_with_weight(team, WEIGHTS) == ("one", "two")
    assert members_with_weight(team, {"two": 1.0}) == ("two",)
    logits = own(team)
    for method in ("rank_mean", "logit_mean", "stack"):
        moved = {"one": logits["one"].iloc[3:].sample(frac=1, random_state=0) + 5, "two": logits["two"].iloc[:-2] + 5}
        rows = degraded_scores(team, METHODS[method], WEIGHTS, moved)
        assert len(rows) == len(team.oof) - 5
        assert np.allclose(rows["clean"], rows["worse"])  # moved all alike: the order holds


def test_copies_are_ranked_by_their_own_logits(contest: Contest) -> None:
    team = read_team(contest.jobs())
    logits = own(team)
    worse = {"one": -logits["one"], "two": -logits["two"]}
    rows = degraded_scores(team, METHODS["rank_mean"], {"one": 1.0, "two": 2**0.5}, worse)  # without ties
    assert np.allclose(rows["worse"], 1 - rows["clean"])
