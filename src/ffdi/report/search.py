"""The page of a search: what was found, and whether it holds on fresh seeds."""

import shlex
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import optuna
import pandas as pd
from matplotlib import pyplot
from optuna.importance import FanovaImportanceEvaluator
from optuna.trial import FrozenTrial
from optuna.visualization import matplotlib as plots

from ffdi.report.page import Block, Page, Picture, Section, Text, provenance
from ffdi.report.plots import embed
from ffdi.report.table import Table, interval, table
from ffdi.search.confirm import LEVEL, Verdict
from ffdi.search.context import SearchContext
from ffdi.search.study import finished, trials
from ffdi.training.job import digest_of

LISTED = 12  # trials in the table, and parameters that are plotted
MIN_TRIALS = 8  # finished ones below which an importance says nothing


def page(study: optuna.Study, context: SearchContext, verdict: Verdict | None, recipe: Path) -> Page:
    """Return the page of a search with at least one finished trial.

    Args:
        study: The study.
        context: What its trials share.
        verdict: None until the re-runs are done.
        recipe: The recipe's path, as a person types it.
    """
    top = finished(trials(study))
    return Page(
        title=f"Search {study.study_name}",
        headline=headline(context, verdict, recipe, top[0]),
        sections=(
            Section("Fresh seeds", (_fresh(verdict),)),
            Section("The search", (_plot(study, "History", plots.plot_optimization_history), best(top))),
            Section("Parameters", _parameters(study, top)),
        ),
        provenance=provenance("ffdi search", {"folds": digest_of(context.folds)}),
    )


def headline(context: SearchContext, verdict: Verdict | None, recipe: Path, top: FrozenTrial) -> str:
    """Return what was found, whether to trust it, and what to type next.

    Args:
        context: Of the search.
        verdict: What the re-runs say; None before them.
        recipe: Its path, as a person types it.
        top: The best trial.
    """
    command = f"ffdi search --recipe {shlex.quote(str(recipe))}"
    if verdict is None:
        return (
            f"Trial {top.number} leads the search with {top.value:.4f}, the highest of many looks: do not trust it "
            f"yet. Next: {command}, which runs the best again on fresh seeds."
        )
    if verdict.winner is None:
        return f"{verdict.sentence} Keep {context.search.member}. Next: more trials or seeds, or another space."
    return f"{verdict.sentence} Next: {command} --promote."


def _fresh(verdict: Verdict | None) -> Block:
    if verdict is None:
        return Text("The best trials were not run again yet; the scores below are those of the search.", True)
    rows = []
    for row in verdict.rows:
        gain, trial = row.gain, row.candidate.trial
        worse = gain is not None and gain.high < 0
        said = "beats the default" if row.is_better else "worse than the default" if worse else "within noise"
        rows.append({
            "candidate": row.candidate.name, "search": trial and trial.value, "fresh": row.fresh, "sd": row.sd,
            "difference": gain and f"{gain.value:+.4f}",
            "interval": gain and interval(gain.low, gain.high, "+.4f"), "verdict": gain and said,
        })  # fmt: skip
    caption = (
        f"{verdict.design}, all rows, no proxy, the same for all. The search's own scores are the highest of many, "
        "so they are lucky. Differences to the default are paired by seed and fold; their intervals allow for folds "
        f"that share training rows (Nadeau and Bengio, 2003) and hold together at {LEVEL:.0%}. sd: between seeds."
    )
    return table(pd.DataFrame(rows), "Run again", caption, dict.fromkeys(("search", "fresh", "sd"), ".4f"))


def best(top: list[FrozenTrial]) -> Table:
    """Return the best of the finished trials."""
    rows = pd.DataFrame([{"trial": trial.number, "score": trial.value, **trial.params} for trial in top[:LISTED]])
    formats = dict.fromkeys([str(name) for name in rows if rows[name].dtype.kind == "f"], ".3g") | {"score": ".4f"}
    return table(rows, "Best trials", "Scores of the search.", formats)


def _parameters(study: optuna.Study, top: list[FrozenTrial]) -> tuple[Block, ...]:
    """Show how much of the score's variance each parameter explains (fANOVA), and the score over each."""
    slices = [_plot(study, name, plots.plot_slice, [name]) for name in list(study.best_trial.params)[:LISTED]]
    if len(top) < MIN_TRIALS or len({trial.value for trial in top}) < 2:
        return Text(
            f"Importances need {MIN_TRIALS} finished trials of different scores; there are {len(top)}."
        ), *slices
    return _plot(study, "Importance", plots.plot_param_importances, FanovaImportanceEvaluator(seed=0)), *slices


def _plot(study: optuna.Study, title: str, draw: Callable[..., Any], *arguments: Any) -> Picture:
    """Return a plot of Optuna's as a picture; its style is not left to the plots that follow."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are experimental, and say so when all values are equal
        axes = np.ravel(draw(study, *arguments))[0]
        figure = axes.figure
        axes.set_title("")
        figure.set_layout_engine("tight")
        picture = embed(figure, title)
        pyplot.close(figure)
    return picture
