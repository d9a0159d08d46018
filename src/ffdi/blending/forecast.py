"""Forecast the leaderboard from held-out scores.

Two things are noise: which rows were held out, and which rows the board has. AUCs are means over rows, so they are
nearly normal; their covariance is the sum of both parts, with near-duplicates as one. Three things are corrections,
each with its own standard error (`Evidence`): the test is scored by the mean of the fold models, it may have another
mix of images, and its forgeries may be of unseen kinds.

Shapes: S candidates, N rows.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from ffdi.blending.evidence import NO_EVIDENCE, Evidence
from ffdi.blending.features import Array
from ffdi.blending.influence import HeldOut, Shift, covariance, held_out, influence
from ffdi.config.competition import Board
from ffdi.metrics.delong import Interval, logit, perfect, quantile, sigmoid
from ffdi.metrics.ranks import rank

ALIKE = 0.99  # rank correlation from which a second submission would repeat the first
LEVEL = 0.90  # of the intervals
BOARDS = ("public", "private")
NORMAL = NormalDist()
TINY = 1e-12  # a standard deviation below this is that of one and the same order


@dataclass(frozen=True)
class CandidateForecast:
    """AUC of one candidate by board. `chance`: that it beats the best there. `correlation`: of ranks with it.

    `seen`: all forgeries are of the kinds that were held out. `unseen`: as many as the board says are not, or all of
    them if it says nothing; empty if the cost of unseen kinds is not known.
    """

    seen: dict[str, Interval]
    unseen: dict[str, Interval]
    chance: float
    correlation: float


@dataclass(frozen=True)
class Forecast:
    """`leads`: which intervals answer for this board; "none" if the test is of another source."""

    board: Board
    level: float
    groups: int  # of near-duplicates among the held-out rows, single images counted
    candidates: dict[str, CandidateForecast]
    best: str
    second: str | None
    evidence: Evidence
    leads: Literal["seen", "unseen", "none"]


def forecast(
    scores: Mapping[str, Array],
    target_N: ArrayLike,
    best: str,
    board: Board,
    *,
    group_N: ArrayLike | None = None,
    sent: str | None = None,
    evidence: Evidence = NO_EVIDENCE,
) -> Forecast:
    """Return what the board may show for every candidate.

    Args:
        scores: N held-out scores by candidate.
        target_N: 0 or 1.
        best: the candidate that is sent.
        board: sizes, share of fakes, share of these that are of unseen kinds.
        group_N: a label that near-duplicates share.
        sent: the method behind `best`, if the scores of `best` are lowered by choosing the method anew. It meets the
            other candidates in the place of `best` and is no candidate itself.
        evidence: the corrections.
    """
    joint = _joint(scores, held_out(target_N, group_N), board)
    names = [name for name in scores if name == best or name != sent]
    meets = {name: sent if name == best and sent else name for name in names}
    own_N = rank(scores[meets[best]])
    correlation = {name: float(np.corrcoef(rank(scores[meets[name]]), own_N)[0, 1]) for name in names}
    candidates = {}
    for name in names:
        seen = {kind: joint.interval(name, kind, evidence.seen) for kind in BOARDS}
        unseen = {
            kind: with_unseen(span, board.unseen or 1.0, evidence.unseen.losses, LEVEL)
            for kind, span in seen.items()
            if evidence.unseen
        }
        chance = joint.chance(meets[name], meets[best])
        candidates[name] = CandidateForecast(seen, unseen, chance, correlation[name])
    others = [name for name in names if name != best and correlation[name] < ALIKE]
    second = max(others, key=lambda name: joint.expected_gain(meets[name], meets[best]), default=None)
    leads: Literal["seen", "unseen", "none"] = "unseen" if board.unseen and evidence.unseen else "seen"
    if evidence.source and evidence.source.other_source:
        leads = "none"
    return Forecast(board, LEVEL, joint.rows.groups, candidates, best, second, evidence, leads)


def with_unseen(span: Interval, share: float, losses: Sequence[float], level: float) -> Interval:
    """Return the interval on a board on which a share of the fakes is of unseen kinds.

    The AUC is a mean over fakes. Its spread over kinds is Student's, since there are few clusters: downwards on the
    scale of the AUC, where clusters that cost nothing do not widen it, upwards on the logit scale, which ends at 1. The
    noise of `span` adds to it as squares on the logit scale, each side for itself.

    Args:
        span: the interval if all kinds are seen.
        share: of the fakes.
        losses: change of the AUC's logit for each cluster that was left out.
        level: confidence level.
    """
    from scipy.special import stdtrit  # late: it would delay the start of every verb

    own, count = logit(span.value), len(losses)
    left_out_C = np.array([sigmoid(own + loss) for loss in losses])
    mean, factor = left_out_C.mean(), stdtrit(count - 1, (1 + level) / 2) * math.sqrt(1 + 1 / count)
    highest = sigmoid(own + np.mean(losses) + factor * np.std(losses, ddof=1))
    limits = (mean - factor * left_out_C.std(ddof=1), mean, max(highest, mean))
    low, value, high = (logit((1 - share) * span.value + share * limit) for limit in limits)
    down, up = math.hypot(value - low, own - logit(span.low)), math.hypot(high - value, logit(span.high) - own)
    se = (down + up) / 2 / quantile(level) * sigmoid(value) * (1 - sigmoid(value))
    return Interval(sigmoid(value), sigmoid(value - down), sigmoid(value + up), se)


@dataclass(frozen=True)
class _Joint:
    """The joint normal distribution of the candidates' AUCs. `spread`: covariance [S, S] by "held_out" and board."""

    place: dict[str, int]
    rows: HeldOut
    value_S: Array
    spread: dict[str, Array]

    def interval(self, name: str, board: str, shift: Shift) -> Interval:
        """Return the interval of the AUC on a board: the noise of the held-out rows, of the board and of the shift.

        Without a shift nominal 90 % held 89.9 % of 4,000 simulated boards.
        """
        at = self.place[name]
        value = float(self.value_S[at])
        se = math.sqrt(self.spread["held_out"][at, at] + self.spread[board][at, at])
        if value in (0.0, 1.0):
            return perfect(value, min(self.rows.groups_by_class), se, LEVEL)
        middle = logit(value) + shift.value
        wide = math.hypot(se / (value * (1 - value)), shift.se)
        half, moved = quantile(LEVEL) * wide, sigmoid(middle)
        return Interval(moved, sigmoid(middle - half), sigmoid(middle + half), wide * moved * (1 - moved))

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

    def _difference(self, mine: str, other: str) -> tuple[float, float]:
        a, b = self.place[mine], self.place[other]
        spread_SS = self.spread["held_out"] + self.spread["private"]
        variance = float(spread_SS[a, a] + spread_SS[b, b] - 2 * spread_SS[a, b])
        return float(self.value_S[a] - self.value_S[b]), math.sqrt(max(variance, 0.0))


def _joint(scores: Mapping[str, Array], rows: HeldOut, board: Board) -> _Joint:
    found = [influence(score_N, rows) for score_N in scores.values()]
    influence_SN = np.stack([values_N for _, values_N in found])
    spread = {"held_out": covariance(influence_SN, rows)}
    for name in BOARDS:
        spread[name] = covariance(influence_SN, rows, _size(getattr(board, f"{name}_rows"), board.fake_share))
    place = {name: number for number, name in enumerate(scores)}
    return _Joint(place, rows, np.array([value for value, _ in found]), spread)


def _size(rows: int, fake_share: float) -> tuple[int, int]:
    """Return (originals, fakes), at least one of each."""
    fakes = min(max(round(rows * fake_share), 1), max(rows - 1, 1))
    return max(rows - fakes, 1), fakes
