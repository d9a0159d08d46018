from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ffdi.blending.evidence import gather
from ffdi.blending.features import ranks
from ffdi.blending.honest import AUTO, YARDSTICK, Lessons, choose, honest, table
from ffdi.blending.members import Predictions, Team, read_team
from ffdi.blending.methods import METHODS, RACERS, Method
from ffdi.blending.search import greedy
from ffdi.blending.weights import best
from ffdi.core.keys import rng
from ffdi.metrics.auc import auc
from ffdi.metrics.delong import delong_paired, gain_interval, placements
from tests.blending.contest import Contest

FOLDS = 5


def team_of(logits_MN: np.ndarray, target_N: np.ndarray) -> Team:
    rows = len(target_N)
    ids = pd.Series([f"{row:06d}.jpg" for row in range(rows)], dtype="str")
    oof = pd.DataFrame({"id": ids, "target": target_N, "fold": np.int16(np.arange(rows) // 2 % FOLDS)})
    empty = pd.DataFrame({"id": pd.Series([], dtype="str"), "imputed": pd.Series([], dtype=bool)})
    nothing = np.empty((FOLDS, 0))
    members = (Predictions(f"m{i:03d}", "", logits_N, nothing, nothing, {}) for i, logits_N in enumerate(logits_MN))
    return Team(tuple(members), oof, empty, empty)


def only(*names: str) -> dict[str, Method]:
    return {name: METHODS[name] for name in names}


def drawn(rows: int, skills: list[float], seed: int) -> tuple[np.ndarray, np.ndarray]:
    draw = rng("honest", rows, len(skills), seed)
    target = (np.arange(rows) % 2).astype(np.int8)
    return np.stack([skill * target + draw.normal(size=rows) for skill in skills]), target


def lessons(method: Method, team: Team, fit: tuple[str, ...] = ("oof",)) -> Lessons:
    known = gather(team, fit)
    return Lessons(method, known, known.features(method))


def test_what_learns_nothing_has_no_optimism(contest: Contest) -> None:
    found = honest(read_team(contest.jobs()))
    assert list(found.estimates) == [*RACERS, AUTO]
    for name, method in RACERS.items():
        if not method.learns:
            assert found.estimates[name].optimism == 0
    assert found.estimates[YARDSTICK].gain.value == 0


def test_weights_never_see_the_rows_they_are_scored_on() -> None:
    """A member that copies the target in fold 0 only: it must not be trusted there by what it showed there."""
    logits, target = drawn(1000, [0.5, 0.5], 1)
    fold = np.arange(1000) // 2 % FOLDS
    traitor = np.where(fold == 0, 9.0 * target, rng("traitor").normal(size=1000) - target)
    seen: list[set[int]] = []

    def spy(features_MN: np.ndarray, target_N: np.ndarray) -> np.ndarray:
        seen.append(len(target_N))
        return best(features_MN, target_N)

    team = team_of(np.vstack([logits, traitor]), target)
    score = lessons(Method("spy", ranks, spy, learns=True), team).nested()
    assert seen == [800] * FOLDS
    assert auc(target[fold == 0], score[fold == 0]) < 0.75


def test_the_best_of_like_members_flatters_itself() -> None:
    """Few rows: in-sample the best member shines by luck, nested it is worth less than the mean, which is chosen."""
    optimism, gains = [], []
    for seed in range(6):
        logits, target = drawn(400, [0.4] * 10, seed)
        found = honest(team_of(logits, target), only("rank_mean", "best_single"))
        optimism.append(found.estimates["best_single"].optimism)
        gains.append(found.estimates["best_single"].gain.value)
        assert found.choice == "rank_mean"
    assert np.mean(optimism) > 0.02
    assert np.mean(gains) < 0


def test_a_method_that_is_truly_better_is_chosen() -> None:
    """One good member among noise: equal weights drown it, and the intervals say so."""
    logits, target = drawn(2000, [2.0, *[0.0] * 9], 3)
    found = honest(team_of(logits, target), only("rank_mean", "best_single", "stack"))
    assert found.estimates[found.choice].gain.low > 0
    assert METHODS[found.choice].learns


def test_the_simplest_that_is_not_beaten() -> None:
    draw = rng("choose")
    target = (np.arange(2000) % 2).astype(np.int8)
    good = target + draw.normal(size=2000)
    alike = good + 0.01 * draw.normal(size=2000)
    bad = draw.normal(size=2000)
    good, alike, bad = (placements(target, score) for score in (good, alike, bad))
    assert choose({"simple": alike, "clever": good}) == "simple"
    assert choose({"simple": bad, "clever": alike, "cleverer": good}) == "clever"
    assert choose({"only": bad}) == "only"


def test_too_noisy_to_be_beaten_is_not_good_enough() -> None:
    """On the sample's four members logit_mean, below rank_mean, passed once: nothing beat it beyond its own noise."""
    draw = rng("choose", "noisy")
    target = (np.arange(2000) % 2).astype(np.int8)
    plain = 0.5 * target + draw.normal(size=2000)
    better, noisy = plain + 0.1 * target, 0.55 * target + draw.normal(size=2000)
    placed = {name: placements(target, score) for name, score in
              {"plain": plain, "noisy": noisy, "better": better}.items()}  # fmt: skip
    assert gain_interval(placed["better"] - placed["noisy"], 0.975).low < 0
    assert choose(placed) == "better"


@pytest.mark.parametrize("seeds", [20, pytest.param(100, marks=pytest.mark.slow)])
def test_on_noise_the_nested_gain_is_nothing_and_naive_greedy_claims_some(seeds: int) -> None:
    """B3: pure-noise members. Gain over the equal-weight rank mean, mean over seeds in its own standard errors."""
    nested, naive = [], []
    for seed in range(seeds):
        logits, target = drawn(300, [0.0] * 8, seed)
        fold = np.arange(300) // 2 % FOLDS
        features = ranks(logits, fold)
        mean = features.mean(axis=0)
        method = Method("greedy", ranks, lambda f, t: greedy(f, t, 8, 1), learns=True)
        score = lessons(method, team_of(logits, target)).nested()
        nested.append(delong_paired(target, score, mean).value)
        naive.append(auc(target, greedy(features, target, 8, 1) @ features) - auc(target, mean))
    error = np.std(nested, ddof=1) / np.sqrt(seeds)
    assert abs(np.mean(nested)) < 2 * error
    assert np.mean(naive) > 5 * np.std(naive, ddof=1) / np.sqrt(seeds)


def test_the_choice_is_made_anew_on_what_is_left_of_every_part() -> None:
    """On rows few enough for it to differ: for each part it is what a team without that part would choose."""
    methods = only("rank_mean", "best_single", "weighted_rank_mean", "stack")
    chosen = set()
    for seed in range(3):
        team = team_of(*drawn(300, [0.9, 0.3, 0.3, 0.3], seed))
        found = honest(team, methods)
        assert found.estimates[AUTO].in_sample == found.estimates[found.choice].in_sample
        for part in range(FOLDS):
            inside = (team.oof["fold"] == part).to_numpy()
            rest = [replace(member, oof_N=member.oof_N[~inside]) for member in team.members]
            name = honest(replace(team, members=tuple(rest), oof=team.oof[~inside]), methods).choice
            assert (found.scores[AUTO][inside] == found.scores[name][inside]).all()
            chosen.add(name)
    assert len(chosen) > 1


def test_where_the_choice_is_clear_auto_is_worth_what_the_choice_is() -> None:
    found = honest(team_of(*drawn(2000, [1.5, 1.5], 3)), only("rank_mean", "best_single"))
    assert found.choice == "rank_mean"
    assert found.estimates[AUTO].nested == found.estimates["rank_mean"].nested
    assert found.estimates[AUTO].gain.value == 0


def test_the_part_left_out_has_no_say_in_the_choice() -> None:
    """A member that knows the target in fold 0 alone: the choice for fold 0 is made as if it were noise there too."""
    logits, target = drawn(1000, [1.0, 1.0], 1)
    fold = np.arange(1000) // 2 % FOLDS
    noise = rng("traitor").normal(size=1000)
    scores = []
    for there in (noise, 99.0 * target):
        team = team_of(np.vstack([logits, np.where(fold == 0, there, noise)]), target)
        scores.append(honest(team, only("rank_mean", "best_single", "stack")))
    chosen = [found.scores[AUTO][fold == 0] for found in scores]
    for name in ("rank_mean", "best_single", "stack"):
        if (chosen[0] == scores[0].scores[name][fold == 0]).all():
            assert (chosen[1] == scores[1].scores[name][fold == 0]).all()


def test_gains_may_be_drawn_by_the_bootstrap() -> None:
    team = team_of(*drawn(600, [1.0, 0.5], 3))
    team.oof["group"] = np.arange(600) // 2
    plain, boot = (honest(team, only("rank_mean", "best_single"), drawn=drawn) for drawn in (False, True))
    one, two = (found.estimates["best_single"].gain for found in (plain, boot))
    assert one.value == two.value
    assert two.se == pytest.approx(one.se, rel=0.1)
    assert two.low != one.low


def test_the_table(contest: Contest) -> None:
    found = honest(read_team(contest.jobs()))
    frame = table(found)
    assert frame["method"].tolist() == [*RACERS, AUTO]
    assert frame["chosen"].sum() == 1
    assert (frame["in_sample"] - frame["nested"] - frame["optimism"]).abs().max() < 1e-12
    assert ((frame["low"] <= frame["nested"]) & (frame["nested"] <= frame["high"])).all()
    assert ((frame["gain_low"] <= frame["gain"]) & (frame["gain"] <= frame["gain_high"])).all()
