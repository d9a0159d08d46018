"""Plots of a search: numbers in, one panel out. `found` is every trial by number, `names` the parameters."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from optuna.distributions import BaseDistribution, CategoricalDistribution

from ffdi.report import style
from ffdi.search.results import Result

CROWDED = 150  # dots that need to be small
STATES = {"complete": style.BLUE, "pruned": style.SKY, "failed": style.ORANGE, "interrupted": style.AMBER,
          "running": style.GREEN}  # fmt: skip


def history(found: Sequence[Result]) -> Figure:
    """Score against trial number, the best so far as a line; pruned trials by their last report.

    What lies far below the finished trials is drawn at the lower edge, so that differences at the top can be seen.
    """
    done = [one for one in found if one.state == "complete" and one.score is not None]
    pruned = [one for one in found if one.state == "pruned" and one.score is not None]
    failed = [one for one in found if one.state == "failed"]
    score_N = np.array([one.score for one in done], float)
    best = float(np.max(score_N))
    floor = best - 2.5 * max(best - float(np.median(score_N)), 0.004)
    figure, axes = style.panel()
    size = 3.5 if len(found) > CROWDED else 5.5
    axes.plot([one.number for one in pruned], [max(one.score or 0.0, floor) for one in pruned], "x", markersize=size,
              color=style.GREY, label="pruned, last report")  # fmt: skip
    axes.plot([one.number for one in done], np.maximum(score_N, floor), "o", markersize=size, color=style.BLUE,
              alpha=0.75, markeredgewidth=0, label="finished")  # fmt: skip
    axes.step([one.number for one in done], np.maximum.accumulate(np.maximum(score_N, floor)), where="post",
              color=style.ORANGE, linewidth=1.8, label="best so far")  # fmt: skip
    if failed:
        axes.plot([one.number for one in failed], [floor] * len(failed), "v", markersize=size, color=style.AMBER,
                  label="failed")  # fmt: skip
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.margins(x=0.03)
    style.name_axes(axes, "trial", "score")
    style.legend_above(figure, axes)
    return figure


def importances(shares: Mapping[str, float]) -> Figure:
    figure, axes = style.rows_panel(list(shares))
    bars = axes.barh(range(len(shares)), list(shares.values()), height=0.62, color=style.BLUE)
    axes.bar_label(bars, [f"{100 * share:.0f}%" for share in shares.values()], padding=3, fontsize=style.TEXT - 1)
    axes.set_xlim(0, max(shares.values()) * 1.18)
    axes.grid(False, axis="y")
    style.name_axes(axes, "share of the score's variance", "")
    return figure


def one_slice(found: Sequence[Result], name: str, distribution: BaseDistribution) -> Figure:
    """Score against one parameter, finished trials alone; late trials are dark."""
    done = [one for one in found if one.state == "complete" and one.score is not None and name in one.params]
    figure, axes = style.panel(2.6)
    x_N = place([one.params[name] for one in done], distribution)
    numbers_N = np.array([one.number for one in done], float)
    score_N = np.array([one.score for one in done], float)
    axes.scatter(x_N, score_N, c=-numbers_N, cmap="cividis", s=22, linewidths=0)
    top = max(done, key=lambda one: one.score or 0.0)
    axes.plot(place([top.params[name]], distribution), score_N.max(), "o", markersize=10, markerfacecolor="none",
              markeredgecolor=style.ORANGE, markeredgewidth=1.8)  # fmt: skip
    _ticks(axes, distribution)
    axes.set_xlim(-0.06, 1.06)
    style.name_axes(axes, style.shorten(name, 40), "score")
    return figure


def parallel(found: Sequence[Result], space: Mapping[str, BaseDistribution]) -> Figure:
    """One line a finished trial through its values, from the least to the most of each range; bright scores high, the
    best in orange."""
    done = sorted((one for one in found if one.state == "complete"), key=lambda one: one.score or 0.0)
    names = list(space)
    figure, axes = style.rows_panel([*names, "score"], row=0.42)
    score_N = np.array([one.score for one in done], float)
    shade_N = score_N.argsort().argsort() / max(1, len(done) - 1)
    span = max(float(np.ptp(score_N)), 1e-9)
    for one, shade in zip(done, shade_N, strict=True):
        is_best = one is done[-1]
        x = [float(place([one.params[name]], space[name])[0]) for name in names]
        x.append(((one.score or 0.0) - float(score_N.min())) / span)
        axes.plot(
            x, range(len(x)), color=style.ORANGE if is_best else matplotlib.colormaps["cividis"](shade),
            linewidth=2.6 if is_best else 1.0, alpha=1 if is_best else 0.55, zorder=4 if is_best else 2,
        )  # fmt: skip
    axes.set_xlim(-0.02, 1.02)
    axes.set_xticks([0, 0.5, 1], ["lowest", "", "highest"])
    return figure


def timeline(found: Sequence[Result]) -> Figure:
    """When each worker had which trial, coloured by how it ended; white is idle. Workers that followed one another on a
    machine, as after a kill, share a line."""
    lanes = _lanes(found)
    begin = min(one.began for one in found if one.began)
    unit, seconds = ("hours", 3600) if _end(found) - begin.timestamp() > 5400 else ("minutes", 60)
    figure, axes = style.rows_panel([f"{lane + 1}  {host}" for lane, (host, _) in enumerate(lanes)])
    for row, (_, trials) in enumerate(lanes):
        for one in trials:
            left = (one.began.timestamp() - begin.timestamp()) / seconds if one.began else 0.0
            width = max((_until(one, found) - begin.timestamp()) / seconds - left, 0.0)
            axes.barh(row, width, left=left, height=0.66, color=STATES[one.state], edgecolor="white", linewidth=0.5)
            if one.state == "interrupted":
                axes.plot(left + width, row, "x", color=style.BLACK, markersize=6)
    for state, shade in STATES.items():
        if any(one.state == state and one.began for one in found):
            axes.barh(0, 0, color=shade, label=state)
    axes.set_xlim(left=0)
    axes.grid(False, axis="y")
    style.name_axes(axes, f"{unit} since the first trial", "")
    style.legend_above(figure, axes)
    return figure


def place(values: Sequence[Any], distribution: BaseDistribution) -> np.ndarray:
    """Where values lie between the ends of their range, 0 to 1, on its own scale."""
    if isinstance(distribution, CategoricalDistribution):
        places = [distribution.choices.index(value) for value in values]
        return np.array(places, float) / max(1, len(distribution.choices) - 1)
    low, high, value_N = distribution.low, distribution.high, np.array(values, float)  # type: ignore[attr-defined]
    if distribution.log:  # type: ignore[attr-defined]
        low, high, value_N = np.log(low), np.log(high), np.log(value_N)
    return (value_N - low) / max(high - low, 1e-12)


def _ticks(axes: Axes, distribution: BaseDistribution) -> None:
    if isinstance(distribution, CategoricalDistribution):
        marks: list[Any] = list(distribution.choices)
    else:
        low, high = distribution.low, distribution.high  # type: ignore[attr-defined]
        log = distribution.log  # type: ignore[attr-defined]
        marks = list(np.geomspace(low, high, 4) if log else np.linspace(low, high, 5))
    named = [f"{mark:.2g}" if isinstance(mark, float) else str(mark) for mark in marks]
    axes.set_xticks(place(marks, distribution), named)


def _lanes(found: Sequence[Result]) -> list[tuple[str, list[Result]]]:
    """(machine, trials) by line."""
    by_worker: dict[str, list[Result]] = {}
    for one in sorted((one for one in found if one.began), key=lambda one: one.began or datetime.min):
        by_worker.setdefault(one.worker, []).append(one)
    lanes: list[tuple[str, list[Result]]] = []
    for worker, trials in by_worker.items():
        host, begin = worker.rsplit("-", 2)[0], trials[0].began
        assert begin is not None
        free = next(
            (lane for name, lane in lanes if name == host and _until(lane[-1], found) <= begin.timestamp()), None
        )
        if free is None:
            lanes.append((host, trials))
        else:
            free.extend(trials)
    return lanes


def _until(one: Result, found: Sequence[Result]) -> float:
    """When a trial ended. A killed one is closed only when somebody looks: it ends, at the latest, with the last sign
    of its worker that is known, its beginning and its own seconds of work."""
    if one.state == "interrupted" and one.began:
        return one.began.timestamp() + one.seconds if one.seconds else _closed(one, found)
    return one.ended.timestamp() if one.ended else _end(found)


def _closed(one: Result, found: Sequence[Result]) -> float:
    return one.ended.timestamp() if one.ended else _end(found)


def _end(found: Sequence[Result]) -> float:
    return max((moment.timestamp() for one in found for moment in (one.began, one.ended) if moment), default=0.0)
