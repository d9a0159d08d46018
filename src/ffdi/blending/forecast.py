"""Forecast the leaderboard from held-out scores. It holds for kinds of forgeries that were held out, and no others.

Two things are uncertain: which rows were held out, and which rows the board has. AUCs are means over rows, so they are
nearly normal; their covariance is the sum of both parts, with near-duplicates as one.

Shapes: S candidates, N rows, C strata.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from ffdi.blending.features import Array, Target
from ffdi.blending.shift import Shift, lower_limit
from ffdi.blending.strata import Strata, covariance, influence, strata
from ffdi.config.competition import Board
from ffdi.metrics.delong import Interval, logit_interval, perfect, quantile
from ffdi.metrics.ranks import rank

ALIKE = 0.99  # rank correlation from which a second submission would repeat the first
LEVEL = 0.90
BOARDS = ("public", "private")
NORMAL = NormalDist()
TINY = 1e-12  # a standard deviation below this is that of one and the same order
UNKNOWN = (
    "The forecast cannot know forgeries of kinds that were not held out: on a board that has them the AUC may fall far "
    "below its interval, and the order of candidates may change."
)


@dataclass(frozen=True)
class CandidateForecast:
    """AUC of one candidate on either board. `chance`: that it beats the best there. `correlation`: of ranks with it.

    `lowest`: by board, the lower limit if its forgeries are of unseen kinds; empty if that cost is not known.
    """

    public: Interval
    private: Interval
    chance: float
    correlation: float
    lowest: dict[str, float]


@dataclass(frozen=True)
class Forecast:
    """`beats`: the chance that the first has the higher AUC on the private board.

    `smallest_gain`: by name of the rows, the AUC gain over the best that noise cannot explain (95 %, two-sided).
    """

    board: Board
    level: float
    groups: int  # of near-duplicates among the held-out rows, single images counted
    candidates: dict[str, CandidateForecast]
    best: str
    second: str | None
    beats: dict[str, dict[str, float]]
    smallest_gain: dict[str, float]
    shift: Shift


def forecast(
    scores: Mapping[str, Array],
    target_N: Target,
    best: str,
    board: Board,
    *,
    group_N: ArrayLike | None = None,
    source_N: ArrayLike | None = None,
    sent: str | None = None,
    shift: Shift | None = None,
    level: float = LEVEL,
) -> Forecast:
    """Return what the board may show for every candidate.

    Args:
        scores: N held-out scores by candidate.
        target_N: 0 or 1.
        best: the candidate that is sent.
        board: sizes, share of fakes and mix of sources.
        group_N: a label that near-duplicates share.
        source_N: the source of each row, if the board has a mix.
        sent: the method behind `best`, if the scores of `best` are lowered by choosing the method anew. It meets the
            other candidates in the place of `best` and is no candidate itself.
        shift: what unseen kinds of forgeries cost.
        level: confidence level of the intervals.

    Raises:
        UserError: a source of the mix, or a class, has no rows.
    """
    joint = _joint(scores, strata(target_N, group_N, source_N, board.mix), board)
    names = [name for name in scores if name == best or name != sent]
    meets = {name: sent if name == best and sent else name for name in names}
    shift = shift or Shift(None, "")
    own_N = rank(scores[meets[best]])
    correlation = {name: float(np.corrcoef(rank(scores[meets[name]]), own_N)[0, 1]) for name in names}
    candidates = {}
    for name in names:
        public, private = (joint.interval(name, kind, level) for kind in BOARDS)
        spans = dict(zip(BOARDS, (public, private), strict=True))
        lows = {kind: lower_limit(span, shift.cost, level) for kind, span in spans.items()} if shift.cost else {}
        chance = joint.chance(meets[name], meets[best])
        candidates[name] = CandidateForecast(public, private, chance, correlation[name], lows)
    others = [name for name in names if name != best and correlation[name] < ALIKE]
    second = max(others, key=lambda name: joint.expected_gain(meets[name], meets[best]), default=None)
    rival = second or min(correlation, key=lambda name: correlation[name])
    smallest = {} if rival == best else joint.smallest_gains(meets[rival], meets[best])
    beats = {name: {other: joint.chance(meets[name], meets[other]) for other in names} for name in names}
    return Forecast(board, level, joint.rows.groups, candidates, best, second, beats, smallest, shift)


@dataclass(frozen=True)
class _Joint:
    """The joint normal distribution of the candidates' AUCs. `spread`: covariance [S, S] by "held_out" and board."""

    place: dict[str, int]
    rows: Strata
    value_S: Array
    spread: dict[str, Array]

    def interval(self, name: str, board: str, level: float) -> Interval:
        """Return the interval of the AUC on a board, by the variance of the held-out rows plus that of the board.

        Nominal 90 % held 89.9 % of 4,000 simulated boards; quantiles of 1,000 drawn boards held 88.1 % of 2,000.
        """
        at = self.place[name]
        value = float(self.value_S[at])
        se = math.sqrt(self.spread["held_out"][at, at] + self.spread[board][at, at])
        if value in (0.0, 1.0):
            return perfect(value, self.rows.groups_of_rarer_class, se, level)
        return logit_interval(value, se, level)

    def chance(self, mine: str, other: str) -> float:
        """Return the probability of the higher AUC on the private board; a tie counts one half."""
        gain, sd = self._difference(mine, other)
        if sd < TINY:
            return 0.5 if abs(gain) < TINY else float(gain > 0)
        return NORMAL.cdf(gain / sd)

    def expected_gain(self, mine: str, other: str) -> float:
        """Return what a second selection adds: the expected maximum of the difference and 0 (Clark, 1961)."""
        gain, sd = self._difference(mine, other)
        return max(gain, 0.0) if sd < TINY else gain * NORMAL.cdf(gain / sd) + sd * NORMAL.pdf(gain / sd)

    def smallest_gains(self, mine: str, other: str) -> dict[str, float]:
        """Return the gain that noise cannot explain (95 %), by rows."""
        return {name: quantile(0.95) * self._sd(mine, other, spread_SS) for name, spread_SS in self.spread.items()}

    def _difference(self, mine: str, other: str) -> tuple[float, float]:
        gain = float(self.value_S[self.place[mine]] - self.value_S[self.place[other]])
        return gain, self._sd(mine, other, self.spread["held_out"] + self.spread["private"])

    def _sd(self, mine: str, other: str, spread_SS: Array) -> float:
        a, b = self.place[mine], self.place[other]
        return math.sqrt(max(float(spread_SS[a, a] + spread_SS[b, b] - 2 * spread_SS[a, b]), 0.0))


def _joint(scores: Mapping[str, Array], rows: Strata, board: Board) -> _Joint:
    found = [influence(score_N, rows) for score_N in scores.values()]
    influence_SN = np.stack([values_N for _, values_N in found])
    spread = {"held_out": covariance(influence_SN, rows)}
    for name in BOARDS:
        sizes_C = rows.sizes(*_classes(getattr(board, f"{name}_rows"), board.fake_share))
        spread[name] = covariance(influence_SN, rows, sizes_C)
    place = {name: number for number, name in enumerate(scores)}
    return _Joint(place, rows, np.array([value for value, _ in found]), spread)


def sentences(found: Forecast) -> list[str]:
    """Return what to send, what can be told from noise, and what the forecast does not know."""
    best = "the choice of auto" if found.best == "auto" else found.best
    if found.second is None:
        told = [f"Final selections: {best}; no other candidate ranks the images differently."]
    else:
        second = found.candidates[found.second]
        told = [
            f"Final selections: {best}, and {found.second}, which differs (rank correlation "
            f"{second.correlation:.3f}) and beats it on the private board with a chance of {second.chance:.0%}."
        ]
    if found.smallest_gain:
        gains = ", ".join(f"{name.replace('_', '-')} {gain:.4f}" for name, gain in found.smallest_gain.items())
        told.append(f"The smallest gain of such a candidate that noise cannot explain (95 %), by rows: {gains}.")
    told.append(UNKNOWN)
    return [*told, found.shift.why] if found.shift.why else told


def _classes(rows: int, fake_share: float) -> tuple[int, int]:
    """Return (fakes, reals), at least one of each."""
    fakes = min(max(round(rows * fake_share), 1), max(rows - 1, 1))
    return fakes, max(rows - fakes, 1)
