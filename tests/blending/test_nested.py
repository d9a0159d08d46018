from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffdi.blending.choose import choose
from ffdi.blending.methods import METHODS, Method, ranks
from ffdi.blending.nested import (
    AUTO,
    BASELINE,
    PARTS,
    NestedCV,
    NestedTable,
    gather,
    honest_table,
    nested_table,
    outer_parts,
)
from ffdi.blending.oof import Team, read_team
from ffdi.blending.weights import best_single, climb
from ffdi.core.keys import rng
from ffdi.metrics.auc import auc
from tests.fixtures.contest import Contest
from tests.fixtures.teams import FOLDS, drawn, team_of


def scored(team: Team, *names: str) -> NestedTable:
    methods = {name: METHODS[name] for name in names or METHODS}
    return nested_table(gather(team), choose, methods)


def by_method(found: NestedTable) -> pd.DataFrame:
    return honest_table(found, AUTO).set_index("method")


def nested(method: Method, team: Team) -> np.ndarray:
    rows = gather(team)
    return NestedCV(method, rows, method.features(rows.logits_HN, rows.fold_N)).nested()


def test_the_table_and_that_what_fits_nothing_has_no_optimism(contest: Contest) -> None:
    table = by_method(scored(read_team(contest.jobs())))
    assert table.index.tolist() == [*METHODS, AUTO]
    assert table.index[table["chosen"]].tolist() == [AUTO]
    assert (table["in_sample"] - table["nested"] - table["optimism"]).abs().max() < 1e-12
    assert ((table["low"] <= table["nested"]) & (table["nested"] <= table["high"])).all()
    assert ((table["gain_low"] <= table["gain"]) & (table["gain"] <= table["gain_high"])).all()
    optimism = {name: table["optimism"][name] for name in METHODS if METHODS[name].fits == "nothing"}
    assert optimism == dict.fromkeys(["rank_mean", "logit_mean"], 0)
    assert table["gain"][BASELINE] == 0


def test_weights_never_see_the_rows_they_are_scored_on() -> None:
    """A member copies the target in fold 0 only: it must not be trusted there by what it showed there."""
    logits, target = drawn(1000, [0.5, 0.5], 1)
    fold = np.arange(1000) // 2 % FOLDS
    cheat = np.where(fold == 0, 9.0 * target, rng("cheat").normal(size=1000) - target)
    seen: list[int] = []

    def spy(features_MN: np.ndarray, target_N: np.ndarray) -> np.ndarray:
        seen.append(len(target_N))
        return best_single(features_MN, target_N)

    score = nested(Method("spy", ranks, spy, fits="weights"), team_of(np.vstack([logits, cheat]), target))
    assert seen == [800] * FOLDS
    assert auc(target[fold == 0], score[fold == 0]) < 0.75


def test_the_best_of_similar_members_looks_too_good_in_sample() -> None:
    """Few rows: in-sample the best member shines by luck, nested it is worth less than the mean, which is chosen."""
    found = [scored(team_of(*drawn(400, [0.4] * 10, seed)), "rank_mean", "best_single") for seed in range(6)]
    singles = pd.DataFrame([by_method(one).loc["best_single"] for one in found])
    assert singles["optimism"].mean() > 0.02
    assert singles["gain"].mean() < 0
    assert {one.choice for one in found} == {"rank_mean"}


@pytest.mark.parametrize("seeds", [20, pytest.param(100, marks=pytest.mark.slow)])
def test_on_noise_the_nested_gain_is_nothing_and_in_sample_climbing_claims_some(seeds: int) -> None:
    """Members of pure noise. Gain over the equal-weight rank mean, mean over seeds in its own standard errors."""
    honest, naive = [], []
    for seed in range(seeds):
        logits, target = drawn(300, [0.0] * 8, seed)
        features = ranks(logits, np.arange(300) // 2 % FOLDS)
        mean = features.mean(axis=0)
        method = Method("climb", ranks, climb, fits="weights")
        honest.append(auc(target, nested(method, team_of(logits, target))) - auc(target, mean))
        naive.append(auc(target, climb(features, target) @ features) - auc(target, mean))
    assert abs(np.mean(honest)) < 2 * np.std(honest, ddof=1) / np.sqrt(seeds)
    assert np.mean(naive) > 5 * np.std(naive, ddof=1) / np.sqrt(seeds)


def test_the_choice_is_made_anew_on_what_is_left_of_every_part() -> None:
    """On rows few enough for it to differ: for each part it is what a team without that part would choose."""
    names, chosen = ("rank_mean", "pruned_rank_mean", "best_single", "hill_climb", "stack"), set()
    for seed in range(3):
        team = team_of(*drawn(300, [0.9, 0.3, 0.3, 0.3], seed))
        found = scored(team, *names)
        assert found.in_sample[AUTO] == found.in_sample[found.choice]
        for part in range(FOLDS):
            inside = (team.oof["fold"] == part).to_numpy()
            rest = [replace(member, oof_N=member.oof_N[~inside]) for member in team.members]
            name = scored(replace(team, members=tuple(rest), oof=team.oof[~inside]), *names).choice
            assert (found.scores[AUTO][inside] == found.scores[name][inside]).all()
            chosen.add(name)
    assert len(chosen) > 1


def grouped(folds: list[int], groups: list[int], clusters: list[int] | None = None) -> pd.DataFrame:
    frame = pd.DataFrame({"fold": folds, "group": groups})
    return frame if clusters is None else frame.assign(cluster=clusters)


def test_folds_that_hold_groups_and_clusters_whole_are_the_outer_parts() -> None:
    folds, groups = [0, 0, 1, 1, 2], [5, 5, 7, 8, 9]
    assert outer_parts(grouped(folds, groups)).tolist() == folds
    assert outer_parts(grouped(folds, groups, [-1, -1, 3, 3, -1])).tolist() == folds
    assert outer_parts(pd.DataFrame({"fold": folds})).tolist() == folds


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12)), min_size=8, max_size=60))
def test_no_group_and_no_cluster_is_ever_split(rows: list[tuple[int, int]]) -> None:
    """Random folds split groups, one fold is none: then groups are dealt."""
    folds, groups = (list(column) for column in zip(*rows, strict=True))
    clusters = [group % 4 - 1 for group in groups]
    alone = grouped(folds, groups).assign(part=outer_parts(grouped(folds, groups)))
    assert alone.groupby("group")["part"].nunique().max() == 1
    frame = grouped(folds, groups, clusters).assign(part=outer_parts(grouped(folds, groups, clusters)))
    assert frame.groupby("group")["part"].nunique().max() == 1
    assert frame.groupby("cluster")["part"].nunique().drop(-1, errors="ignore").le(1).all()
    assert frame["part"].between(0, max(PARTS, 4) - 1).all()


@pytest.mark.parametrize("known", [True, False])
def test_one_fold_alone_is_dealt_by_groups(known: bool) -> None:
    frame = grouped([0] * 40, [row // 4 for row in range(40)])
    assert np.bincount(outer_parts(frame if known else frame[["fold"]])).tolist() == [8] * PARTS
