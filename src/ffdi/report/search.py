"""The page of a search: what was found, and whether it holds on fresh seeds."""

import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import optuna
import pandas as pd
from matplotlib import pyplot
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial
from optuna.visualization import matplotlib as plots

from ffdi.report.page import Block, Fact, Page, Picture, Section, Text, provenance
from ffdi.report.style import embed
from ffdi.report.table import Table, table, write
from ffdi.search.context import SearchContext
from ffdi.search.study import finished, state, trials
from ffdi.search.verdict import LEVEL, Verdict
from ffdi.training.job import digest_of

LISTED = 12  # trials in the table, and parameters that are plotted
MIN_TRIALS = 8  # finished ones below which an importance says nothing
TRIALS_PER_PARAMETER = 10  # finished ones below which the order of importances is loose


def page(
    study: optuna.Study,
    context: SearchContext,
    verdict: Verdict | None,
    recipe: Path,
) -> Page:
    """Return the page of a search with at least one finished trial.

    Args:
        study: The study.
        context: What its trials share.
        verdict: None until the re-runs are done.
        recipe: The recipe's path, as a person types it.
    """
    found = trials(study)
    top = finished(found)
    sections = (
        Section("Fresh seeds", (_fresh(verdict),)),
        Section("The search", (_plot(study, "History", plots.plot_optimization_history), _best(top))),
        Section("Parameters", _parameters(study, len(top))),
    )
    return Page(
        title=f"Search {study.study_name}",
        headline=headline(context, verdict, recipe, top[0]),
        facts=_facts(context, verdict, found, top[0]),
        sections=tuple(section for section in sections if section.blocks),
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
    command = f"ffdi search --recipe {recipe}"
    if verdict is None:
        return (
            f"Trial {top.number} leads the search with {top.value:.4f}, the highest of many looks: do not trust it "
            f"yet. Next: {command}, which runs the best again on fresh seeds."
        )
    if verdict.winner is None:
        return f"{verdict.sentence} Keep {context.search.member}. Next: more trials or seeds, or another space."
    return f"{verdict.sentence} Next: {command} --promote."


def _facts(
    context: SearchContext, verdict: Verdict | None, found: list[FrozenTrial], top: FrozenTrial
) -> tuple[Fact, ...]:
    counts = Counter(map(state, found))
    others = ", ".join(f"{count} {name}" for name, count in counts.items() if name != "complete")
    facts = [
        Fact("finished trials", str(counts["complete"]), others),
        Fact("best in the search", f"{top.value:.4f}", f"trial {top.number}, with the proxy"),
    ]
    if verdict and verdict.best:
        facts.append(Fact("the best, fresh", f"{verdict.best.fresh:.4f}", verdict.best.candidate.name))
        facts.append(Fact("the default, fresh", f"{verdict.default.fresh:.4f}", context.search.member))
    return tuple(facts)


def _fresh(verdict: Verdict | None) -> Block:
    if verdict is None:
        return Text("The best trials were not run again yet; the scores below are those of the search.", True)
    rows = []
    for row in verdict.rows:
        gain, trial = row.gain, row.candidate.trial
        rows.append({
            "candidate": row.candidate.name, "search": trial and trial.value, "fresh": row.fresh, "sd": row.sd,
            "difference": gain and f"{gain.value:+.4f}",
            "interval": gain and f"{gain.low:+.4f} to {gain.high:+.4f}",
            "verdict": "" if gain is None else "beats the default" if row.is_better else "within noise",
        })  # fmt: skip
    caption = (
        f"{verdict.design}, all rows, no proxy, the same for all. The search's own scores are the highest of many, "
        "so they are lucky. Differences to the default are paired by seed and fold; their intervals allow for folds "
        f"that share training rows (Nadeau and Bengio, 2003) and hold together at {LEVEL:.0%}. sd: between seeds."
    )
    return table(pd.DataFrame(rows), "Run again", caption, dict.fromkeys(("search", "fresh", "sd"), ".4f"))


def _best(top: list[FrozenTrial]) -> Table:
    rows = [{"trial": trial.number, "score": trial.value, **_values(trial.params)} for trial in top[:LISTED]]
    return table(pd.DataFrame(rows), "Best trials", "Scores of the search.", {"score": ".4f"})


def _values(params: Mapping[str, Any]) -> dict[str, str]:
    return {name: write(value, ".3g" if isinstance(value, float) else None) for name, value in params.items()}


def _parameters(study: optuna.Study, done: int) -> tuple[Block, ...]:
    shares = importance(study)
    names = list(shares or study.best_trial.params)[:LISTED]
    blocks: list[Block] = []
    if not shares:
        blocks.append(Text(f"Importances need {MIN_TRIALS} finished trials of different scores; there are {done}."))
    else:
        if done < TRIALS_PER_PARAMETER * len(shares):
            told = f"Importances rest on {done} finished trials for {len(shares)} parameters: their order is loose."
            blocks.append(Text(told, warning=True))
        rows = pd.DataFrame({"parameter": list(shares), "share of the score's variance": list(shares.values())})
        formats = {"share of the score's variance": ".0%"}
        blocks.append(table(rows, "Importance", "fANOVA over finished trials, inside the ranges searched.", formats))
    return (*blocks, *(_plot(study, name, plots.plot_slice, [name]) for name in names))


def importance(study: optuna.Study) -> dict[str, float]:
    """Return shares of the score's variance by parameter, largest first (fANOVA: Hutter, Hoos and Leyton-Brown, 2014).

    Empty with too few finished trials, or where all scores are equal.
    """
    done = trials(study, optuna.trial.TrialState.COMPLETE)
    if len(done) < MIN_TRIALS or len({trial.value for trial in done}) < 2:
        return {}
    return get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))


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
