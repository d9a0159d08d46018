from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from ffdi.blending.apply import apply
from ffdi.blending.choose import AUTO, choose, decide
from ffdi.blending.methods import CANDIDATES, METHODS
from ffdi.config.recipe import Blend
from ffdi.core.keys import rng
from ffdi.metrics.delong import gain_interval, placements
from tests.fixtures.contest import Contest, make_recipe
from tests.fixtures.teams import few

TARGET = (np.arange(2000) % 2).astype(np.int8)


def placed(**scores: np.ndarray) -> dict:
    return {name: placements(TARGET, score) for name, score in scores.items()}


def test_recipes_know_every_method_and_auto() -> None:
    assert list(get_args(Blend.model_fields["method"].annotation)) == [AUTO, *METHODS]


def test_the_simplest_within_one_standard_error_of_the_best() -> None:
    """By its definition, on many draws; ties go to the simpler one."""
    taken = set()
    for seed in range(40):
        draw = rng("choose", seed)
        good = TARGET + draw.normal(size=2000)
        noise = {
            name: scale * draw.normal(size=2000)
            for name, scale in zip(CANDIDATES, [0.5, 0.2, 0.1, 0.1, 0], strict=False)
        }
        found = placed(**{name: good + mine for name, mine in noise.items()})
        best = max(found.values(), key=lambda one: one.value)
        close = [name for name, one in found.items() if best.value - one.value <= (best - one).se()]
        assert choose(found) == close[0]
        taken.add(close[0])
    assert len(taken) > 2
    assert choose(placed(rank_mean=good, hill_climb=good)) == "rank_mean"


def test_methods_that_are_no_candidates_are_never_taken() -> None:
    draw = rng("choose", "candidates")
    score = TARGET + draw.normal(size=2000)
    assert choose(placed(rank_mean=score, best_single=score + 0.001 * TARGET)) == "rank_mean"


def test_never_one_that_the_best_single_member_beats_beyond_noise() -> None:
    """The best method is so noisy that rank_mean is within one standard error of it, and yet clearly below a member."""
    draw = rng("choose", "single")
    plain = 0.5 * TARGET + draw.normal(size=2000)
    found = placed(rank_mean=plain, best_single=plain + 0.01 * TARGET, stack=0.51 * TARGET + draw.normal(size=2000))
    assert (found["stack"] - found["rank_mean"]).value < (found["stack"] - found["rank_mean"]).se()
    assert gain_interval(found["best_single"] - found["rank_mean"]).low > 0
    assert choose(found) == "stack"


def test_left_to_itself_it_keeps_equal_weights_among_equals_and_drops_what_lowers_the_blend() -> None:
    choice = decide(Blend(), few(1.0, 1.0))
    assert choice.method.fits == "nothing"
    assert choice.why.startswith(f"auto: {choice.method.name} is taken")
    choice = decide(Blend(), team := few(2.0, 0.0, 2.0, rows=1000))
    assert choice.method.fits == "members"
    assert apply(team, choice.method).weights == {"m000": 0.5, "m001": 0, "m002": 0.5}
    assert "within one standard error of the best" in choice.why or "is the highest" in choice.why
    assert choice.row == AUTO


def test_a_named_method_is_taken_and_the_other_named() -> None:
    choice = decide(Blend(method="stack"), few(1.0, 1.0))
    assert (choice.method.name, choice.row) == ("stack", "stack")
    assert "The recipe names stack; auto says:" in choice.why


def test_given_weights_win_and_no_row_of_the_table_is_theirs() -> None:
    choice = decide(Blend(weights={"m001": 2.0}), few(1.0, 1.0))
    assert "The recipe gives the weights; without them" in choice.why
    assert choice.found is not None
    assert choice.nested_N is None


@pytest.mark.parametrize("weights", [{}, {"m000": 1.0}])
def test_one_member_has_nothing_to_weigh(weights: dict[str, float]) -> None:
    choice = decide(Blend(weights=weights), few(1.0))
    assert choice.found is None
    assert choice.nested_N is None
    assert "nothing to weigh" in choice.why


def test_without_held_out_rows_it_says_so() -> None:
    team = few(1.0, 1.0)
    refit = tuple(replace(member, oof_N=None) for member in team.members)
    choice = decide(Blend(method="stack"), replace(team, members=refit))
    assert choice.found is None
    assert "trained on all rows" in choice.why


def test_folds_without_a_class_are_named() -> None:
    team = few(1.0, 1.0, rows=20)
    team.oof["target"] = np.int8(team.oof["fold"] == 2)
    assert "the rows outside part 2 lack a class" in decide(Blend(), team).why
    assert decide(Blend(method="stack"), team).method.name == "rank_mean"
    assert decide(Blend(method="logit_mean"), team).method.name == "logit_mean"


def test_the_blend_reports_nested_scores_of_what_it_sends(contest: Contest) -> None:
    """Out-of-fold scores of the card and the page come from weights that were not fitted to these rows."""
    contest.recipe = make_recipe(method="best_single")
    result = contest.blend()
    found = result.choice.found
    assert found is not None
    assert result.card["method"] == "best_single"
    assert result.card["blend"]["auc"]["value"] == found.placements["best_single"].value
    assert [row["method"] for row in result.card["honest"]] == [*METHODS, AUTO]
    assert [row["method"] for row in result.card["honest"] if row["chosen"]] == ["best_single"]  # not what auto says
    assert result.card["why"] == result.choice.why
