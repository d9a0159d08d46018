from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ffdi.blending import shift as shifts
from ffdi.blending.forecast import forecast, sentences
from ffdi.blending.oof import canonical, read_team
from ffdi.blending.result import BlendResult
from ffdi.blending.shift import NOT_KNOWN, Shift, compare, lower_limit, measure
from ffdi.core import checksum
from ffdi.core.keys import rng
from ffdi.metrics.auc import auc
from ffdi.metrics.delong import Interval
from ffdi.metrics.ranks import rank_within
from ffdi.training.job import FoldJob
from tests.fixtures.contest import Contest
from tests.fixtures.teams import SMALL_BOARD, drawn, people, team_of


def worse(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Held-out logits that know less: what a model shows on forgeries that it never met."""
    noise = rng("worse", len(frame)).normal(size=len(frame))
    return frame.assign(logit=(frame["logit"] + 9 * noise).astype(np.float32)) if name == "oof" else frame


def cluster_jobs(contest: Contest) -> list[FoldJob]:
    """A fold table that leaves clusters out, and what training under it would do."""
    table = checksum.read_table(contest.places.folds("group"))
    table = table.assign(fold=(np.arange(len(table)) // 40).astype("int16"), cluster=np.int16(0))
    checksum.write_table(contest.places.folds(shifts.CLUSTER), table, {"k": 3})
    return shifts.cluster_jobs(contest.recipe, contest.competition, contest.manifest, contest.places)


def found(contest: Contest) -> Shift:
    team = canonical(read_team(contest.jobs()))
    return measure(contest.recipe, contest.competition, contest.manifest, contest.places, team)


def test_the_gap_is_measured_on_the_members_finished_under_both(contest: Contest) -> None:
    for job in cluster_jobs(contest):
        if job.member.name == "one":
            contest.finish(job, worse)
    shift = found(contest)
    assert shift.cost is not None
    assert shift.cost.low <= shift.cost.value <= shift.cost.high
    assert shift.cost.value > 0.1
    assert "left out whole, one together reach" in shift.why


def test_its_value_is_the_mean_loss_over_the_folds_of_clusters() -> None:
    logits, target = drawn(600, [1.5, 1.2], 5)
    ours = team_of(logits, target)
    blurred = logits + rng("blur").normal(size=logits.shape)
    fold = np.int16(np.arange(600) // 150)
    theirs = replace(team_of(blurred, target), oof=ours.oof.assign(fold=fold))
    ordinary = np.mean([rank_within(one, ours.oof["fold"]) for one in logits], axis=0)
    unseen = np.mean([rank_within(one, fold) for one in blurred], axis=0)
    lost = [auc(target[fold == k], ordinary[fold == k]) - auc(target[fold == k], unseen[fold == k]) for k in range(4)]
    shift = compare(ours, theirs)
    assert shift.cost is not None
    assert shift.cost.value == pytest.approx(np.mean(lost))
    assert shift.cost.se == pytest.approx(np.std(lost, ddof=1) / 2)
    assert shift.cost.high - shift.cost.value == pytest.approx(3.182 * shift.cost.se, rel=1e-3)  # t, 3 df


def test_folds_of_one_class_tell_nothing() -> None:
    logits, target = drawn(100, [1.0], 6)
    ours = team_of(logits, target)
    theirs = replace(ours, oof=ours.oof.assign(fold=np.int16(target)))
    assert compare(ours, theirs) == Shift(None, f"{NOT_KNOWN}fewer than two folds of clusters hold both classes.")


def test_what_is_not_there_or_damaged_is_said(contest: Contest) -> None:
    assert "no folds that leave clusters out are here" in found(contest).why
    jobs = cluster_jobs(contest)
    assert "no member is finished" in found(contest).why
    for job in jobs:
        contest.finish(job)
    assert found(contest).cost is not None
    path = jobs[0].folder / "oof.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    shift = found(contest)
    assert shift.cost is None
    assert shift.why.startswith(NOT_KNOWN)
    assert "oof.parquet" in shift.why


def test_folds_of_clusters_need_no_widening(contest: Contest) -> None:
    folds = contest.recipe.folds.model_copy(update={"scheme": shifts.CLUSTER})
    contest.recipe = contest.recipe.model_copy(update={"folds": folds})
    shift = measure(contest.recipe, contest.competition, contest.manifest, contest.places, None)
    assert shift == Shift(None, shift.why)
    assert "unseen kinds" in shift.why


def test_the_lower_limit_is_widened_and_never_raised() -> None:
    span = Interval(0.95, 0.93, 0.965, 0.009)
    assert lower_limit(span, Interval(0.05, 0.01, 0.09, 0.02), 0.9) < 0.88
    assert lower_limit(span, Interval(-0.02, -0.03, -0.01, 0.001), 0.9) == span.low
    assert 0 <= lower_limit(span, Interval(0.99, 0.9, 1.0, 0.5), 0.9) < 0.1


def test_the_forecast_says_so_in_words_and_numbers(contest: Contest) -> None:
    scores, target = people(300, 0.5, "gap")
    shift = Shift(Interval(0.05, 0.01, 0.09, 0.02), "Unseen forgeries cost 0.0500.")
    made = forecast(scores, target, "a", SMALL_BOARD, shift=shift)
    assert sentences(made)[-1] == shift.why
    for one in made.candidates.values():
        assert one.lowest["private"] < one.private.low - 0.04
    for job in cluster_jobs(contest):
        contest.finish(job, worse)
    result: BlendResult = contest.blend()
    assert result.forecast is not None
    assert result.forecast.shift.cost is not None
    assert result.card["forecast"]["shift"]["cost"]["value"] == result.forecast.shift.cost.value
    assert result.card["forecast"]["candidates"][result.choice.row]["lowest"]["private"] < 0.9


def test_the_made_up_runs_are_those_of_the_recipe(contest: Contest) -> None:
    """Same members, other folds: other run folders, so neither scheme spoils the other."""
    ours = {job.folder for job in contest.jobs()}
    theirs = {job.folder for job in cluster_jobs(contest)}
    assert not ours & theirs
