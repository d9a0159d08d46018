"""What a way to blend is really worth: weights learned on the other outer parts, scored on the one left out.

In-sample, learned weights flatter themselves: on 40 like members and 1,500 rows greedy selection showed .8118, was
worth .7973 nested, and equal weights .8086 (own simulation, 8 repeats). Parts hold near-duplicate groups whole, so a
row that weights are scored on has no twin among the rows they were learned on.

Shapes: M members, N rows.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ffdi.blending.evidence import Evidence, gather
from ffdi.blending.features import Array, Folds
from ffdi.blending.members import Team
from ffdi.blending.methods import RACERS, Method, combine
from ffdi.metrics.delong import Interval, Placements, auc_interval, gain_interval
from ffdi.metrics.ranks import rank_within

YARDSTICK = "rank_mean"  # equal weights, nothing learned
CHOOSERS = 1 << 17  # rows on which the choice is made anew
AUTO = "auto"  # the row of the choice itself, made anew for every outer part


@dataclass(frozen=True)
class Estimate:
    """AUC of one method over ranks made inside folds. `gain`: nested AUC less that of the equal-weight rank mean.

    `val`: AUC on the validation rows by weights that did not learn from them; None if there are none, or no others.
    """

    method: str
    in_sample: float
    nested: Interval
    gain: Interval
    val: float | None = None

    @property
    def optimism(self) -> float:
        return self.in_sample - self.nested.value


@dataclass(frozen=True)
class Honest:
    """Estimates by method and of "auto", the choice, and the scores they rest on: nested ranks inside folds."""

    estimates: dict[str, Estimate]
    choice: str
    scores: dict[str, Array]


@dataclass(frozen=True)
class Lessons:
    """Weights of one method by the parts that they did not learn from; each lesson is learned once.

    Features are made beforehand: ranks inside a fold know nothing of other folds.
    """

    method: Method
    known: Evidence
    features_MN: Array
    learned: dict[frozenset[int], Array] = field(default_factory=dict)

    def without(self, *parts: int) -> Array:
        known = self.known
        left_out = frozenset(parts) & known.teachers if self.method.learns else frozenset()
        if left_out not in self.learned:
            rows_N = known.learns_N & ~np.isin(known.part_N, list(left_out))
            self.learned[left_out] = self.method.weigh(self.features_MN[:, rows_N], known.target_N[rows_N])
        return self.learned[left_out]

    def in_sample(self) -> Array:
        return _ranked(combine(self.features_MN, self.without()), self.known.fold_N)

    def nested(self, *parts: int) -> Array:
        """Ranks inside folds of the blend in which no part is weighted by what it taught, nor by what `parts` did.

        NaN for rows of `parts` and for those that nothing is left to learn for.
        """
        score_N = np.full(len(self.known.part_N), np.nan)
        for part in self.known.taught(*parts):
            inside_N = self.known.part_N == part
            score_N[inside_N] = combine(self.features_MN[:, inside_N], self.without(part, *parts))
        return _ranked(score_N, self.known.fold_N)


def honest(
    team: Team,
    methods: Mapping[str, Method] = RACERS,
    level: float = 0.95,
    given: Method | None = None,
    fit: Collection[str] = ("oof",),
    drawn: bool = False,
) -> Honest:
    """Score every method, nested over outer parts; `methods` from the simplest on, the yardstick among them.

    `level`: of the intervals. A method is beaten if another's paired interval lies above it at this level, shared out
    (Bonferroni) among the others. `given` is scored beside them and never chosen: it is named, or its weights are.
    `fit`: the rows that weights learn from, as `evidence.gather` knows them. `drawn`: gains by the bootstrap.
    """
    known = gather(team, fit)
    makers = {method.features: known.features(method) for method in methods.values()}
    lessons = {name: Lessons(method, known, makers[method.features]) for name, method in methods.items()}
    if given is not None:
        lessons[given.name] = Lessons(given, known, makers.get(given.features, known.features(given)))
    nested = {name: lesson.nested() for name, lesson in lessons.items()}
    in_sample = {name: known.auc(lesson.in_sample()) for name, lesson in lessons.items()}
    placed = {name: known.placed(score_N) for name, score_N in nested.items()}
    choice = choose({name: placed[name] for name in methods}, level)
    nested[AUTO] = chosen_anew({name: lessons[name] for name in methods}, nested, level)
    placed[AUTO], in_sample[AUTO] = known.placed(nested[AUTO]), in_sample[choice]
    estimates = {
        name: Estimate(
            name,
            in_sample[name],
            auc_interval(mine, level),
            known.drawn(nested[name], nested[YARDSTICK], level)
            if drawn
            else gain_interval(mine - placed[YARDSTICK], level),
            known.auc_val(nested[name]),
        )
        for name, mine in placed.items()
    }
    return Honest(estimates, choice, {name: score_N[: known.oof] for name, score_N in nested.items()})


def chosen_anew(lessons: Mapping[str, Lessons], nested: Mapping[str, Array], level: float) -> Array:
    """Nested ranks of the choice itself: for each outer part it is made on the others alone, nested among those.

    Of very many rows the choice is made on some: what it is worth is told rather too low, since noise tells less apart.
    """
    known = next(iter(lessons.values())).known
    few, kept_N = known.thinned(CHOOSERS)
    judged = {name: Lessons(one.method, few, one.features_MN[:, kept_N]) for name, one in lessons.items()}
    score_N = np.full(len(known.part_N), np.nan)
    for part in known.taught():
        name = YARDSTICK
        if few.enough(part):
            name = choose({name: few.placed(lesson.nested(part)) for name, lesson in judged.items()}, level)
        inside_N = known.part_N == part
        score_N[inside_N] = nested[name][inside_N]
    return _ranked(score_N, known.fold_N)


def _ranked(score_N: Array, fold_N: Folds) -> Array:
    """Ranks inside folds of what is not NaN."""
    scored_N = ~np.isnan(score_N)
    ranked_N = np.full(len(score_N), np.nan)
    ranked_N[scored_N] = rank_within(score_N[scored_N], fold_N[scored_N])
    return ranked_N


def choose(placed: Mapping[str, Placements], level: float = 0.95) -> str:
    """The first (simplest) method, unless others beat its nested scores beyond noise: then the first of those that none
    of them beats. A method that is merely too noisy to be beaten does not pass for good."""
    shared = 1 - (1 - level) / max(len(placed) - 1, 1)

    def beats(one: str, other: str) -> bool:
        return one != other and gain_interval(placed[one] - placed[other], shared).low > 0

    first = next(iter(placed))
    pool = [name for name in placed if beats(name, first)] or [first]
    unbeaten = (name for name in pool if not any(beats(other, name) for other in pool))
    # A circle of beaten methods cannot be ruled out on paper: then the highest.
    return next(unbeaten, max(pool, key=lambda name: placed[name].value))


def table(found: Honest) -> pd.DataFrame:
    """A row a method: method, in_sample, nested, low, high, optimism, gain, gain_low, gain_high, val, chosen."""
    return pd.DataFrame(
        [
            {
                "method": one.method,
                "in_sample": one.in_sample,
                "nested": one.nested.value,
                "low": one.nested.low,
                "high": one.nested.high,
                "optimism": one.optimism,
                "gain": one.gain.value,
                "gain_low": one.gain.low,
                "gain_high": one.gain.high,
                "val": one.val,
                "chosen": one.method == found.choice,
            }
            for one in found.estimates.values()
        ]
    )
