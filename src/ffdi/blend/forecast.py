"""What the board may show, told from held-out scores; it knows forgeries like those held out and no others.

Two things are uncertain: which rows were held out, and which the board holds. Intervals add up DeLong's variances of
both. Who beats whom is drawn: each draw resamples the held-out rows, then takes a public and a private board from
them, for all candidates at once.

Shapes: S candidates, N rows, P fakes, R reals, D draws.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ffdi.base.keys import rng
from ffdi.blend.features import Array
from ffdi.blend.weights import Target
from ffdi.score.interval import Interval, Placements, around, on_logits, placements, quantile
from ffdi.score.ranks import rank
from ffdi.spec.competition import Board

DRAWS = 1000
FEW = 2048  # rows of a board up to which it is drawn row by row; above, the mean of its rows is normal
ALIKE = 0.99  # rank correlation from which a second submission would be the first one again
LEVEL = 0.90
BOARDS = ("public", "private")
UNKNOWN = (
    "The forecast cannot know forgeries of kinds that were not held out: on a board that has them the AUC may fall far "
    "below its interval, and the order of candidates may change."
)
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Outlook:
    """AUC of one candidate on either board; the chance that it beats the best there; its rank correlation with it."""

    public: Interval
    private: Interval
    chance: float
    likeness: float


@dataclass(frozen=True)
class Forecast:
    """`smallest`: by name of the rows, the AUC gain over the best that noise cannot explain (95 %, two-sided)."""

    board: Board
    level: float
    outlooks: dict[str, Outlook]
    best: str
    second: str | None
    smallest: dict[str, float]


def forecast(
    scores: Mapping[str, Array], target_N: Target, best: str, board: Board, level: float = LEVEL, draws: int = DRAWS
) -> Forecast:
    """`scores`: held-out scores by candidate, `best` among them, the one that is sent. `level`: of the intervals.

    `second` is the candidate with which the better of two does best on the private board, among those that rank
    images otherwise than `best`; None if all rank them alike.
    """
    sizes = {name: _classes(getattr(board, f"{name}_rows"), board.fake_share) for name in BOARDS}
    placed = {name: placements(target_N, score_N) for name, score_N in scores.items()}
    if sum(sum(size) for size in sizes.values()) <= len(BOARDS) * FEW:
        aucs = _by_rows(np.array(list(scores.values())), target_N == 1, sizes, draws)
    else:
        aucs = _by_normal(placed, sizes, draws)
    drawn = {name: {kind: aucs[kind][:, place] for kind in BOARDS} for place, name in enumerate(scores)}
    ranks = {name: rank(score_N) for name, score_N in scores.items()}
    likeness = {name: float(np.corrcoef(rank_N, ranks[best])[0, 1]) for name, rank_N in ranks.items()}
    outlooks = {
        name: Outlook(
            _interval(placed[name], sizes["public"], level),
            _interval(placed[name], sizes["private"], level),
            _chance(drawn[name]["private"], drawn[best]["private"]),
            likeness[name],
        )
        for name in scores
    }
    second = _second({name: one["private"] for name, one in drawn.items()}, likeness, best)
    rival = second or min(likeness, key=lambda name: likeness[name])
    return Forecast(board, level, outlooks, best, second, _smallest(placed, best, rival, sizes))


def sentences(found: Forecast) -> list[str]:
    """What to send, what can be told from noise, and what none of this knows."""
    told = []
    if found.second is None:
        told.append(f"Final selections: {found.best}; no other candidate ranks the images otherwise.")
    else:
        second = found.outlooks[found.second]
        told.append(
            f"Final selections: {found.best}, and {found.second}, which differs (rank correlation "
            f"{second.likeness:.3f}) and beats it on the private board with a chance of {second.chance:.0%}."
        )
    if found.smallest:
        gains = ", ".join(f"{name.replace('_', '-')} {gain:.4f}" for name, gain in found.smallest.items())
        told.append(f"The smallest gain of such a rival that noise cannot explain (95 %), by rows: {gains}.")
    return [*told, UNKNOWN]


def _classes(rows: int, fake_share: float) -> tuple[int, int]:
    """(fakes, reals), at least one of each."""
    fakes = min(max(round(rows * fake_share), 1), max(rows - 1, 1))
    return fakes, max(rows - fakes, 1)


def _by_rows(
    scores_SN: Array, is_fake_N: NDArray[np.bool_], sizes: Mapping[str, tuple[int, int]], draws: int
) -> dict[str, Array]:
    """AUC of every draw and candidate, [D, S], by board."""
    fakes_SP, reals_SR = scores_SN[:, is_fake_N], scores_SN[:, ~is_fake_N]
    aucs = {name: np.empty((draws, len(scores_SN))) for name in sizes}
    for draw in range(draws):
        generator = rng("forecast", draw)
        fakes_P, reals_R = (_again(part.shape[1], part.shape[1], generator) for part in (fakes_SP, reals_SR))
        for name, (fakes, reals) in sizes.items():
            fake_F = fakes_P[_again(len(fakes_P), fakes, generator)]
            real_F = reals_R[_again(len(reals_R), reals, generator)]
            pairs = zip(fakes_SP[:, fake_F], reals_SR[:, real_F], strict=True)
            aucs[name][draw] = [_auc(fake_scores, real_scores) for fake_scores, real_scores in pairs]
    return aucs


def _again(rows: int, wanted: int, generator: np.random.Generator) -> Indices:
    return generator.integers(0, rows, wanted)


def _auc(fakes_P: Array, reals_R: Array) -> float:
    """The exact AUC without the checks of `score.auc`, which would take longer than the counting."""
    sorted_R = np.sort(reals_R)
    won = np.searchsorted(sorted_R, fakes_P, "left").sum() + np.searchsorted(sorted_R, fakes_P, "right").sum()
    return float(won) / (2 * len(fakes_P) * len(reals_R))


def _by_normal(placed: Mapping[str, Placements], sizes: Mapping[str, tuple[int, int]], draws: int) -> dict[str, Array]:
    """The same for large boards: an AUC is a mean over rows of their placements, and such means are normal."""
    fakes_SP = np.array([one.fakes_P for one in placed.values()])
    reals_SR = np.array([one.reals_R for one in placed.values()])
    fakes_SS, reals_SS = (np.atleast_2d(np.cov(part)) for part in (fakes_SP, reals_SR))
    known_S = np.array([one.value for one in placed.values()])
    truth_DS = known_S + _noise(fakes_SS / fakes_SP.shape[1] + reals_SS / reals_SR.shape[1], draws, "truth")
    return {
        name: np.clip(truth_DS + _noise(fakes_SS / fakes + reals_SS / reals, draws, name), 0, 1)
        for name, (fakes, reals) in sizes.items()
    }


def _noise(covariance_SS: Array, draws: int, name: str) -> Array:
    """Normal draws [D, S]. By eigenvalues: candidates that are copies make the covariance singular."""
    values, vectors = np.linalg.eigh(covariance_SS)
    plain_DS = rng("forecast", name).normal(size=(draws, len(values)))
    return (plain_DS * np.sqrt(np.maximum(values, 0))) @ vectors.T


def _interval(placed: Placements, size: tuple[int, int], level: float) -> Interval:
    """Around the held-out AUC, on the logit scale, by DeLong's variance of the held-out rows plus that of the board's.

    Nominal 90 % held 89.9 % of 4,000 simulated boards; quantiles of 1,000 draws held 88.1 % of 2,000, because a lucky
    held-out AUC comes with too small a spread.
    """
    if placed.value in (0.0, 1.0):
        return around(placed, level)
    return on_logits(placed.value, math.hypot(placed.se(), placed.se(*size)), level)


def _chance(mine_D: Array, theirs_D: Array) -> float:
    """That mine is higher; a tie counts one half."""
    return float(np.mean(mine_D > theirs_D) + np.mean(mine_D == theirs_D) / 2)


def _second(private: Mapping[str, Array], likeness: Mapping[str, float], best: str) -> str | None:
    others = [name for name in private if name != best and likeness[name] < ALIKE]
    return max(others, key=lambda name: np.maximum(private[name], private[best]).mean(), default=None)


def _smallest(
    placed: Mapping[str, Placements], best: str, rival: str, sizes: Mapping[str, tuple[int, int]]
) -> dict[str, float]:
    """For a rival that ranks like this one; empty if there is none."""
    if rival == best:
        return {}
    difference = placed[rival] - placed[best]
    own = (len(difference.fakes_P), len(difference.reals_R))
    return {name: quantile(0.95) * difference.se(*size) for name, size in {"held_out": own, **sizes}.items()}
