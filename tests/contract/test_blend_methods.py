"""What every way to blend promises, whatever it computes. A new method enters METHODS and is held to this."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffdi.blending.apply import BLEND, Blended, apply
from ffdi.blending.methods import METHODS, Array, Method
from ffdi.blending.oof import MemberLogits, Team
from ffdi.core.errors import UserError
from ffdi.core.keys import rng
from ffdi.metrics.auc import auc

pytestmark = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)

OOF, VAL, TEST, FOLDS = 60, 20, 25, 3
CASES = settings(deadline=None, max_examples=12)


def rows_of(size: int, name: str) -> pd.DataFrame:
    ids = pd.Series([f"{name}{i:03d}.jpg" for i in range(size)], dtype="str")
    target = np.arange(size) % 2 if name != "test" else -1
    return pd.DataFrame({"id": ids, "relpath": ids, "target": np.int8(target), "imputed": False})


def member(name: str, skill: float = 1.0, seed: int = 0, whole: bool = False) -> MemberLogits:
    """Logits that know the target by `skill`, each fold model on a scale of its own."""
    draw = rng("contract", name, seed)
    fold = np.arange(OOF) // 2 % FOLDS
    scale = 1.0 + np.arange(FOLDS)
    oof = (draw.normal(size=OOF) + skill * (np.arange(OOF) % 2)) * scale[fold] + 4.0 * fold
    val = (draw.normal(size=(FOLDS, VAL)) + skill * (np.arange(VAL) % 2)) * scale[:, None]
    test = draw.normal(size=(FOLDS, TEST)) * scale[:, None]
    if whole:
        return MemberLogits(name, "f" * 64, None, val[:1], test[:1], {})
    return MemberLogits(name, "f" * 64, oof, val, test, {})


def team_of(*members: MemberLogits) -> Team:
    oof = rows_of(OOF, "train").assign(split="train", fold=np.int16(np.arange(OOF) // 2 % FOLDS))
    return Team(members, oof.drop(columns="imputed"), rows_of(VAL, "val"), rows_of(TEST, "test"))


def logits_of(one: MemberLogits) -> Array:
    assert one.oof_N is not None
    return one.oof_N


def bits(blended: Blended) -> list[bytes]:
    frames = (blended.oof, blended.val, blended.test)
    return [frame[BLEND].to_numpy().tobytes() for frame in frames if BLEND in frame]


TRIO = (member("a"), member("b", 0.5), member("c", 1.5))


def test_scores_lie_between_0_and_1_and_weights_sum_to_1(method: Method) -> None:
    blended = apply(team_of(*TRIO), method)
    for frame in (blended.oof, blended.val, blended.test):
        assert frame[BLEND].dtype == np.float64
        assert frame[BLEND].between(0, 1, inclusive="neither").all()
    assert sum(blended.weights.values()) == pytest.approx(1)
    assert min(blended.weights.values()) >= 0
    assert list(blended.weights) == ["a", "b", "c"]


@CASES
@given(st.permutations(range(OOF)), st.permutations(range(TEST)))
def test_order_of_rows_changes_no_bit(method: Method, oof: list[int], test: list[int]) -> None:
    team = team_of(*TRIO)
    moved = Team(
        tuple(replace(one, oof_N=logits_of(one)[list(oof)], test_KT=one.test_KT[:, list(test)]) for one in TRIO),
        team.oof.iloc[list(oof)].reset_index(drop=True),
        team.val,
        team.test.iloc[list(test)].reset_index(drop=True),
    )
    there, back = apply(team, method), apply(moved, method)
    for one, two in ((there.oof, back.oof), (there.test, back.test)):
        assert (one.set_index("id")[BLEND] == two.set_index("id")[BLEND].loc[one["id"]]).all()
    assert there.weights == back.weights


@CASES
@given(st.permutations(range(3)))
def test_order_of_members_changes_no_bit(method: Method, order: list[int]) -> None:
    there, back = apply(team_of(*TRIO), method), apply(team_of(*[TRIO[i] for i in order]), method)
    assert bits(there) == bits(back)
    assert there.weights == back.weights


def test_one_member_alone_keeps_its_order(method: Method) -> None:
    blended = apply(team_of(TRIO[0]), method)
    assert blended.weights == {"a": 1.0}
    for fold, rows in blended.oof.groupby("fold"):
        assert (np.argsort(rows[BLEND].to_numpy()) == np.argsort(logits_of(TRIO[0])[rows.index])).all(), fold


def test_copies_of_one_member_are_that_member(method: Method) -> None:
    copies = tuple(replace(TRIO[0], name=name) for name in "xyz")
    alone, together = apply(team_of(TRIO[0]), method), apply(team_of(*copies), method)
    for one, two in ((alone.oof, together.oof), (alone.test, together.test)):
        assert two[BLEND].to_numpy() == pytest.approx(one[BLEND].to_numpy(), abs=1e-12)


def test_better_than_its_members_when_they_err_apart(method: Method) -> None:
    equals = tuple(member(name, 1.0) for name in "abcdef")
    blended = apply(team_of(*equals), method)
    target = blended.oof["target"]
    members = [auc(target, blended.oof[name]) for name in "abcdef"]
    assert auc(target, blended.oof[BLEND]) > np.mean(members) + 0.05


def test_given_weights_take_the_place_of_found_ones(method: Method) -> None:
    blended = apply(team_of(*TRIO), method, {"a": 3.0, "c": 1.0})
    assert blended.weights == {"a": 0.75, "b": 0.0, "c": 0.25}
    without = apply(team_of(TRIO[0], TRIO[2]), method, {"a": 3.0, "c": 1.0})
    assert bits(blended) == bits(without)


def test_an_unreadable_image_gets_the_prior_and_moves_no_other(method: Method) -> None:
    team = team_of(*TRIO)
    team.test.loc[4, "imputed"] = True
    blended = apply(team, method)
    assert blended.test[BLEND][4] == blended.prior
    odd = [replace(one, test_KT=np.where(np.arange(TEST) == 4, 1e6, one.test_KT)) for one in TRIO]
    moved = apply(Team(tuple(odd), team.oof, team.val, team.test), method)
    assert moved.test[BLEND].tolist() == blended.test[BLEND].tolist()
    team.test["imputed"] = True
    assert (apply(team, method).test[BLEND] == blended.prior).all()


def test_a_contest_without_validation_rows(method: Method) -> None:
    team = team_of(*[replace(one, val_KV=one.val_KV[:, :0]) for one in TRIO])
    blended = apply(Team(team.members, team.oof, team.val.iloc[:0], team.test), method)
    assert len(blended.val) == 0
    assert BLEND in blended.test


def test_members_that_held_no_rows_out_join_the_test(method: Method) -> None:
    mixed = apply(team_of(*TRIO, member("whole", whole=True)), method)
    assert mixed.weights["whole"] == pytest.approx(0.25)
    assert mixed.oof[BLEND].to_numpy() == pytest.approx(apply(team_of(*TRIO), method).oof[BLEND].to_numpy())
    assert "whole" in mixed.test
    assert "whole" not in mixed.oof
    alone = apply(team_of(member("whole", whole=True)), method)
    assert BLEND not in alone.oof
    assert alone.test[BLEND].between(0, 1).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_logit_that_is_no_number_is_refused(method: Method, bad: float) -> None:
    spoiled = replace(TRIO[1], oof_N=np.where(np.arange(OOF) == 3, bad, logits_of(TRIO[1])))
    with pytest.raises(UserError, match="NaN or infinite"):
        apply(team_of(TRIO[0], spoiled), method)
