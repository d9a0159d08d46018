"""Decide which candidate beats the default beyond noise, on seeds that the search has not seen.

Differences are paired by (seed, fold). The folds of a cross-validation share most of their training rows, so their
differences are not independent and s / sqrt(n) is too small; Nadeau and Bengio (2003) put 1 / n + held out / trained
in the place of 1 / n, with n - 1 degrees of freedom (for repeated folds: Bouckaert and Frank, 2004). The level is
shared among the candidates (Bonferroni), since the best of them is taken.

n pairs = seeds x folds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from optuna.trial import FrozenTrial

from ffdi.config.recipe import Member
from ffdi.metrics.delong import Interval

DEFAULT = "default"
LEVEL = 0.95  # of all intervals together


@dataclass(frozen=True)
class Candidate:
    """`member`: at full settings, with the recipe's seed; `trial`: where it comes from, None for the default."""

    name: str
    member: Member
    trial: FrozenTrial | None = None


@dataclass(frozen=True)
class Row:
    """One candidate: `fresh` is its score on fresh seeds, with the deviation `sd` over them."""

    candidate: Candidate
    fresh: float
    sd: float
    gain: Interval | None = None  # over the default; None for the default itself

    @property
    def is_better(self) -> bool:
        return self.gain is not None and self.gain.low > 0


@dataclass(frozen=True)
class Verdict:
    """`rows`: the default first, then as the search ranked them."""

    rows: tuple[Row, ...]
    seeds: int
    folds: int

    @property
    def default(self) -> Row:
        return self.rows[0]

    @cached_property
    def best(self) -> Row | None:
        """Return the best on fresh seeds among those that beat the default beyond noise, or, without any, among all."""
        return max(self.rows[1:], key=lambda row: (row.is_better, row.fresh), default=None)

    @property
    def winner(self) -> Row | None:
        return self.best if self.best and self.best.is_better else None

    @property
    def design(self) -> str:
        """Return what the pairs are: '3 fresh seeds x 5 folds'."""
        plural = lambda count, word: f"{count} {word}{'' if count == 1 else 's'}"  # noqa: E731
        return f"{plural(self.seeds, 'fresh seed')} x {plural(self.folds, 'fold')}"

    @property
    def sentence(self) -> str:
        """Return the result in plain words."""
        row = self.best
        if row is None or row.gain is None:
            return "No trial was run again, so nothing can be compared with the default."
        difference = f"{row.gain.value:+.4f} ({row.gain.low:+.4f} to {row.gain.high:+.4f}, {self.design})"
        if row.is_better:
            return f"{row.candidate.name.capitalize()} beats the default beyond noise: {difference}."
        return f"Nothing beats the default beyond noise; the best, {row.candidate.name}, differs by {difference}."


def judge(candidates: Sequence[Candidate], scores: pd.DataFrame, share: float) -> Verdict:
    """Compare every candidate with the default.

    Args:
        candidates: The default first.
        scores: candidate, seed, fold and score of every re-run.
        share: Rows held out for each row trained on.
    """
    by_pair = scores.pivot(index=["seed", "fold"], columns="candidate", values="score")
    by_seed = scores.groupby(["candidate", "seed"])["score"].mean()
    level = 1 - (1 - LEVEL) / max(1, len(candidates) - 1)
    rows = []
    for one in candidates:
        difference_N = (by_pair[one.name] - by_pair[DEFAULT]).to_numpy()
        gain = None if one.name == DEFAULT else paired(difference_N, share, level)
        rows.append(Row(one, float(by_pair[one.name].mean()), float(by_seed[one.name].std(ddof=1)), gain))
    return Verdict(tuple(rows), scores["seed"].nunique(), scores["fold"].nunique())


def paired(difference_N: np.ndarray, share: float, level: float) -> Interval:
    """Return the mean of paired differences with the corrected t interval; without limits for a single pair.

    Args:
        difference_N: Of the scores, one a pair.
        share: Rows held out for each row trained on; folds that share training rows vary less than they should.
        level: Of the interval.
    """
    from scipy.stats import t

    count, mean = len(difference_N), float(difference_N.mean())
    if count < 2:
        return Interval(mean, -math.inf, math.inf, math.inf)
    se = float(difference_N.std(ddof=1)) * math.sqrt(1 / count + share)
    half = float(t.ppf((1 + level) / 2, count - 1)) * se
    return Interval(mean, mean - half, mean + half, se)
