from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffdi.blending.apply import apply
from ffdi.blending.evidence import PARTS, VAL, gather, outer_parts
from ffdi.blending.features import ranks
from ffdi.blending.honest import honest
from ffdi.blending.members import Team
from ffdi.blending.methods import METHODS
from ffdi.core.errors import UserError
from ffdi.core.keys import rng
from ffdi.metrics.auc import auc
from tests.blending.test_honest import drawn, team_of

VALS, FOLDS = 60, 5
BEST = METHODS["best_single"]


def with_val(*skills: float, rows: int = 600, turned: bool = False) -> Team:
    """A team with labelled validation rows; `turned`: there the members' skills stand in the opposite order."""
    team = team_of(*drawn(rows, list(skills), 5))
    target = (np.arange(VALS) % 2).astype(np.int8)
    ids = pd.Series([f"v{row:03d}.jpg" for row in range(VALS)], dtype="str")
    val = pd.DataFrame({"id": ids, "relpath": ids, "target": target, "imputed": False})
    there = skills[::-1] if turned else skills
    noise = rng("evidence").normal(size=(len(skills), FOLDS, VALS))
    members = [
        replace(member, val_KV=2 * skill * target + mine)
        for member, skill, mine in zip(team.members, there, noise, strict=True)
    ]
    return replace(team, members=tuple(members), val=val)


def grouped(folds: list[int], groups: list[int], clusters: list[int] | None = None) -> pd.DataFrame:
    frame = pd.DataFrame({"fold": folds, "group": groups})
    return frame if clusters is None else frame.assign(cluster=clusters)


def test_folds_that_hold_groups_and_clusters_whole_are_the_outer_parts() -> None:
    folds, groups = [0, 0, 1, 1, 2], [5, 5, 7, 8, 9]
    assert outer_parts(grouped(folds, groups)).tolist() == folds
    assert outer_parts(grouped(folds, groups, [-1, -1, 3, 3, -1])).tolist() == folds
    assert outer_parts(pd.DataFrame({"fold": folds})).tolist() == folds


BLOCKS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12)), min_size=8, max_size=60)


@settings(deadline=None, max_examples=60)
@given(BLOCKS, st.booleans())
def test_no_group_and_no_cluster_is_ever_parted(rows: list[tuple[int, int]], clustered: bool) -> None:
    """Random folds part groups, one fold is none: then groups are dealt."""
    folds, groups = (list(column) for column in zip(*rows, strict=True))
    clusters = [group % 4 - 1 for group in groups] if clustered else None
    frame = grouped(folds, groups, clusters).assign(part=outer_parts(grouped(folds, groups, clusters)))
    assert frame.groupby("group")["part"].nunique().max() == 1
    if clustered:
        held = frame[frame["cluster"] >= 0]
        assert held.empty or held.groupby("cluster")["part"].nunique().max() == 1
    assert frame["part"].between(0, max(PARTS, 4) - 1).all()


def test_one_fold_alone_is_dealt_by_groups() -> None:
    parts = outer_parts(grouped([0] * 40, [row // 4 for row in range(40)]))
    assert np.bincount(parts).tolist() == [8] * PARTS


def test_validation_rows_have_the_mean_over_fold_models_ranked_one_by_one() -> None:
    team = with_val(1.0, 0.5)
    scaled = tuple(replace(m, val_KV=m.val_KV * np.arange(1, FOLDS + 1)[:, None] ** 3) for m in team.members)
    known, again = gather(team), gather(replace(team, members=scaled))
    features = known.features(METHODS["rank_mean"])
    one = np.mean([ranks(model[None], np.zeros(VALS, int))[0] for model in team.members[1].val_KV], axis=0)
    assert features[1, known.oof :] == pytest.approx(one, abs=1e-15)
    assert (again.features(METHODS["rank_mean"]) == features).all()
    assert (known.fold_N[known.oof :] == VAL).all()


def test_a_member_trained_again_with_another_seed_is_another_member() -> None:
    """Its ranks are its own: a scale that it has and its twin has not moves nothing."""
    team = team_of(*drawn(400, [1.0, 1.0], 8))
    louder = replace(team.members[1], oof_N=9.0 * team.members[1].oof_N + 4)
    there = gather(team).features(METHODS["rank_mean"])
    assert (gather(replace(team, members=(team.members[0], louder))).features(METHODS["rank_mean"]) == there).all()


@pytest.mark.parametrize(("fit", "expected"), [(("oof",), "m000"), (("val",), "m001")])
def test_weights_learn_from_the_rows_that_the_recipe_names(fit: tuple[str, ...], expected: str) -> None:
    team = with_val(2.0, 0.2, turned=True)
    assert apply(team, BEST, fit=fit).weights[expected] == 1


def test_both_kinds_of_rows_teach_together() -> None:
    known = gather(with_val(1.0, 1.0), ("oof", "val"))
    assert known.learns_N.all()
    assert known.teachers == {VAL, *range(FOLDS)}


def test_validation_rows_are_scored_by_weights_that_did_not_learn_from_them() -> None:
    team = with_val(2.0, 0.2, turned=True)
    methods = {name: METHODS[name] for name in ("rank_mean", "best_single")}
    by_oof = honest(team, methods).estimates["best_single"]
    worst = gather(team).features(BEST)[0, 600:]
    assert by_oof.val == auc(team.val["target"], worst)
    assert honest(team, methods, fit=("oof", "val")).estimates["best_single"].val == by_oof.val


def test_weights_of_validation_rows_are_scored_on_the_others_without_optimism() -> None:
    team = with_val(2.0, 0.2, turned=True)
    found = honest(team, {name: METHODS[name] for name in ("rank_mean", "best_single")}, fit=("val",)).estimates[
        "best_single"
    ]
    assert found.optimism == 0
    assert found.val is None
    assert found.nested.value < 0.65


def test_unreadable_and_unlabelled_validation_rows_teach_nothing() -> None:
    team = with_val(1.0, 1.0)
    team.val.loc[3, "imputed"] = True
    team.val.loc[4, "target"] = np.int8(-1)
    assert len(gather(team, ("val",)).fold_N) == 600 + VALS - 2


@pytest.mark.parametrize("known", [True, False])
def test_validation_rows_that_are_not_there_are_missed_by_name(known: bool) -> None:
    team = with_val(1.0, 1.0)
    team.val["target"] = np.int8(-1)
    with pytest.raises(UserError, match=r'blend.weight_splits names "val", but no validation row'):
        gather(team if known else team_of(*drawn(100, [1.0, 1.0], 1)), ("val",))


def test_thinning_keeps_groups_whole_and_all_validation_rows() -> None:
    team = with_val(1.0, 1.0)
    team.oof["group"] = np.arange(600) // 6
    known = gather(team)
    few, kept = known.thinned(200)
    assert 100 < few.oof < 300
    assert kept[600:].all()
    assert pd.Series(kept[:600]).groupby(team.oof["group"]).nunique().max() == 1
    assert few.group_N is not None
    assert np.bincount(few.group_N).tolist() == [6] * (few.oof // 6)
    assert (few.held.logits_HN == known.held.logits_HN[:, kept[:600]]).all()
    assert known.thinned(10_000)[1].all()
