from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from ffdi.blending import trials
from ffdi.blending.choice import AUTO, GIVEN, decide
from ffdi.blending.members import Team, canonical, read_team
from ffdi.blending.methods import METHODS, RACERS
from ffdi.config.recipe import Blend
from ffdi.metrics.auc import auc
from tests.blending.contest import Contest, make_recipe
from tests.blending.test_honest import drawn, team_of


def test_recipes_know_every_method_and_auto() -> None:
    wishes = get_args(Blend.model_fields["method"].annotation)
    assert list(wishes) == [AUTO, *METHODS]


def few(*skills: float, rows: int = 600) -> Team:
    return team_of(*drawn(rows, list(skills), 7))


def test_left_to_itself_it_keeps_equal_weights_among_equals() -> None:
    choice = decide(Blend(), few(1.0, 1.0))
    assert choice.method.name == "rank_mean"
    assert "no other method beats it beyond noise" in choice.why


def test_left_to_itself_it_weighs_where_that_pays_and_says_how_much() -> None:
    choice = decide(Blend(), few(2.5, 0.0, 0.0, rows=1000))
    assert choice.method.learns
    assert choice.found is not None
    assert f"gains {choice.found.estimates[choice.method.name].gain.value:+.4f}" in choice.why
    assert choice.row == AUTO


def test_a_named_method_is_taken_and_the_other_named() -> None:
    choice = decide(Blend(method="greedy"), few(1.0, 1.0))
    assert (choice.method.name, choice.row) == ("greedy", "greedy")
    assert "The recipe names greedy" in choice.why
    assert "rank_mean is taken" in choice.why


def test_given_weights_win_and_are_scored_too() -> None:
    team = few(1.0, 1.0)
    choice = decide(Blend(weights={"m001": 2.0}), team)
    assert choice.row == GIVEN
    assert choice.found is not None
    estimate = choice.found.estimates[GIVEN]
    expected = auc(team.oof["target"], team.members[1].oof_N)
    assert estimate.nested.value == pytest.approx(expected, abs=0.01)  # ranks inside folds move it a little
    assert estimate.optimism == 0


def test_a_method_out_of_the_race_is_scored_when_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "TRIALS", 5)
    choice = decide(Blend(method="optuna"), few(1.0, 1.0))
    assert choice.row == "optuna"
    assert choice.found is not None
    assert list(choice.found.estimates) == [*RACERS, "optuna", AUTO]
    assert choice.nested_N is not None


@pytest.mark.parametrize("weights", [{}, {"m000": 1.0}])
def test_one_member_has_nothing_to_weigh(weights: dict[str, float]) -> None:
    choice = decide(Blend(weights=weights), few(1.0))
    assert choice.found is None
    assert choice.nested_N is None
    assert "nothing to weigh" in choice.why


def test_without_held_out_rows_it_says_so() -> None:
    team = few(1.0, 1.0)
    whole = tuple(replace(member, oof_N=None) for member in team.members)
    choice = decide(Blend(method="stack"), replace(team, members=whole))
    assert choice.found is None
    assert "fitted on all rows" in choice.why


def test_folds_without_a_class_are_named() -> None:
    team = few(1.0, 1.0, rows=20)
    team.oof["target"] = np.int8(team.oof["fold"] == 2)
    assert "the rows but those of part 2 lack a class" in decide(Blend(), team).why


def test_weights_for_members_that_held_nothing_out_cannot_be_scored() -> None:
    team = few(1.0, 1.0)
    absent = replace(team.members[0], name="whole", oof_N=None)
    choice = decide(Blend(weights={"whole": 1.0}), replace(team, members=(*team.members, absent)))
    assert choice.found is not None
    assert choice.nested_N is None


def test_the_blend_reports_nested_scores_of_what_it_sends(contest: Contest) -> None:
    contest.recipe = make_recipe(method="best_single")
    result = contest.blend()
    found = result.choice.found
    assert found is not None
    assert result.card["method"] == "best_single"
    assert result.card["blend"]["auc"]["value"] == found.estimates["best_single"].nested.value
    assert [row["method"] for row in result.card["honest"]] == [*RACERS, AUTO]
    assert result.card["why"] == result.choice.why
    team = canonical(read_team(contest.jobs()))
    assert result.blended.oof["id"].tolist() == team.oof["id"].tolist()
