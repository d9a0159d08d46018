import numpy as np
import pandas as pd
import pytest

from ffdi.blending.apply import BLEND, apply
from ffdi.blending.methods import METHODS
from ffdi.blending.oof import read_team
from tests.fixtures.contest import Contest

RANK_MEAN = METHODS["rank_mean"]


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


def test_unreadable_images_have_the_prior(contest: Contest) -> None:
    blended = apply(read_team(contest.jobs()), RANK_MEAN)
    unreadable = blended.test["imputed"]
    assert unreadable.sum() == 1
    assert blended.test[BLEND][unreadable].item() == blended.prior == pytest.approx(0.5, abs=0.05)


def test_weights_given_to_refit_members_alone_leave_no_estimate(contest: Contest) -> None:
    blended = apply(read_team(contest.jobs()), RANK_MEAN, {"whole": 2.0})
    assert blended.weights == {"one": 0.0, "two": 0.0, "whole": 1.0}
    assert BLEND not in blended.oof
    assert blended.test[BLEND].nunique() > 10
