"""What the re-runs say: which candidate beats the default beyond noise, and how much of the search's lead was luck.

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

from ffdi.metrics.delong import Interval, tail
from ffdi.search.rerun import DEFAULT, Candidate

LEVEL = 0.95  # of all intervals together
SOLID = 10  # trials from which a rank correlation is more than a hint


@dataclass(frozen=True)
class Row:
    """One candidate: `fresh` its score on fresh seeds with the deviation `sd` over them, `gain` over the default."""

    candidate: Candidate
    fresh: float
    sd: float
    auc: float
    gain: Interval | None = None

    @property
    def search(self) -> float | None:
        """Its score in the search."""
        return self.candidate.trial.score if self.candidate.trial else None

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

    @property
    def trials(self) -> tuple[Row, ...]:
        return self.rows[1:]

    @cached_property
    def winner(self) -> Row | None:
        """The best on fresh seeds among those that beat the default beyond noise."""
        return max((row for row in self.trials if row.is_better), key=lambda row: row.fresh, default=None)

    @cached_property
    def best(self) -> Row | None:
        """The best on fresh seeds, whatever the noise."""
        return max(self.trials, key=lambda row: row.fresh, default=None)

    @property
    def design(self) -> str:
        """What the pairs are: '3 fresh seeds x 5 folds'."""
        seeds, folds = (f"{count} {name}{'' if count == 1 else 's'}" for count, name in
                        ((self.seeds, "fresh seed"), (self.folds, "fold")))  # fmt: skip
        return f"{seeds} x {folds}"

    @property
    def leads(self) -> tuple[float, float] | None:
        """The lead of the search's first over the mean of the other trials run again: in the search, and fresh. Both
        leads are inside one setting, so the proxy's level has no part in them. None with fewer than two trials."""
        scores = [(row.search, row.fresh) for row in self.trials if row.search is not None]
        if len(scores) < 2:
            return None
        first, others = np.array(scores[0]), np.array(scores[1:])
        search, fresh = first - others.mean(axis=0)
        return float(search), float(fresh)

    @property
    def correlations(self) -> tuple[float, float] | None:
        """Spearman's and Kendall's between search and fresh scores; None with fewer than three trials, or no spread."""
        scores = np.array([(row.search, row.fresh) for row in self.trials if row.search is not None])
        if len(scores) < 3 or np.ptp(scores, axis=0).min() == 0:
            return None
        from scipy.stats import kendalltau, spearmanr

        search_N, fresh_N = scores.T
        return float(spearmanr(search_N, fresh_N).statistic), float(kendalltau(search_N, fresh_N).statistic)


def judge(chosen: Sequence[Candidate], scores: pd.DataFrame, share: float) -> Verdict:
    """`scores`: candidate, seed, fold, score, auc; `share`: rows held out for each row trained on."""
    by_pair = scores.pivot(index=["seed", "fold"], columns="candidate", values="score")
    level = 1 - (1 - LEVEL) / max(1, len(chosen) - 1)
    rows = []
    for one in chosen:
        mine = scores[scores["candidate"] == one.name]
        by_seed = mine.groupby("seed")["score"].mean()
        gain = None
        if one.name != DEFAULT:
            gain = paired((by_pair[one.name] - by_pair[DEFAULT]).to_numpy(), share, level)
        rows.append(Row(one, float(mine["score"].mean()), float(by_seed.std(ddof=1)), float(mine["auc"].mean()), gain))
    return Verdict(tuple(rows), scores["seed"].nunique(), scores["fold"].nunique())


def paired(difference_N: np.ndarray, share: float, level: float) -> Interval:
    """Mean of paired differences with the corrected t interval; without limits from a single pair."""
    from scipy.stats import t

    count, mean = len(difference_N), float(difference_N.mean())
    if count < 2:
        return Interval(mean, -math.inf, math.inf, math.inf)
    se = float(difference_N.std(ddof=1)) * math.sqrt(1 / count + share)
    half = float(t.ppf(1 - tail(level), count - 1)) * se
    return Interval(mean, mean - half, mean + half, se)


def sentence(verdict: Verdict) -> str:
    """What was found, in plain words."""
    row = verdict.winner or verdict.best
    if row is None:
        return "No trial was run again, so there is nothing to compare with the default."
    assert row.gain is not None
    told = f"{row.gain.value:+.4f} ({row.gain.low:+.4f} to {row.gain.high:+.4f}, {verdict.design})"
    if verdict.winner:
        return f"{row.candidate.name.capitalize()} beats the default beyond noise: {told}."
    return f"Nothing beats the default beyond noise; the best, {row.candidate.name}, differs by {told}."


def curse(verdict: Verdict) -> str:
    """How much of the lead in the search was left on fresh seeds; nothing with a single trial."""
    leads = verdict.leads
    if leads is None:
        return ""
    name, count = verdict.trials[0].candidate.name, len(verdict.trials) - 1
    others = "the other trial" if count == 1 else f"the {count} other trials"
    return (
        f"The winner's curse: in the search {name} led {others} run again by {leads[0]:+.4f}, "
        f"on fresh seeds by {leads[1]:+.4f}."
    )


def correlation(verdict: Verdict) -> str:
    """Whether the search, with its proxy, ranks as full training on fresh seeds does; with its n."""
    found, count = verdict.correlations, len(verdict.trials)
    if found is None:
        return f"Rank correlation of search and fresh scores: cannot be told from {count} trials run again."
    caution = "; so few are a hint, no proof" if count < SOLID else ""
    return (
        f"Rank correlation of search and fresh scores: Spearman {found[0]:+.2f}, Kendall {found[1]:+.2f} "
        f"(n = {count} trials run again, the best of the search, which differ less than all{caution})."
    )
