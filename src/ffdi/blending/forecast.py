"""What the board may show, told from held-out scores; it knows forgeries like those held out and no others.

Two things are uncertain: which rows were held out, and which the board holds. Intervals add up the variances of both,
with near-duplicates as one. Who beats whom is drawn: each draw takes the held-out groups again, then a public and a
private board from them, groups whole, for all candidates at once.

Shapes: S candidates, N rows, P fakes, R reals, C strata, D draws.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ffdi.blending.features import Array
from ffdi.blending.gap import Gap, lowest
from ffdi.blending.strata import Draws, Indices, Strata, covariance, pulls, strata
from ffdi.blending.weights import Target
from ffdi.config.competition import Board
from ffdi.core.keys import rng
from ffdi.metrics.delong import Interval, logit_interval, quantile, tail
from ffdi.metrics.ranks import rank

DRAWS = 1000
FEW = 2048  # rows of a board up to which it is drawn row by row; above, the mean of its rows is normal
FEW_HELD = 1 << 14  # held-out rows up to which that is done
ALIKE = 0.99  # rank correlation from which a second submission would be the first one again
LEVEL = 0.90
BOARDS = ("public", "private")
UNKNOWN = (
    "The forecast cannot know forgeries of kinds that were not held out: on a board that has them the AUC may fall far "
    "below its interval, and the order of candidates may change."
)


@dataclass(frozen=True)
class Outlook:
    """AUC of one candidate on either board; the chance that it beats the best there; its rank correlation with it.

    `lowest`: by board, the lower limit if its forgeries are of unseen kinds; empty where that cost is not known.
    """

    public: Interval
    private: Interval
    chance: float
    likeness: float
    lowest: dict[str, float]


@dataclass(frozen=True)
class Forecast:
    """`beats`: the chance that the first beats the second on the private board.

    `smallest`: by name of the rows, the AUC gain over the best that noise cannot explain (95 %, two-sided).
    """

    board: Board
    level: float
    groups: int  # of near-duplicates, single images among them, that the held-out rows make
    outlooks: dict[str, Outlook]
    best: str
    second: str | None
    beats: dict[str, dict[str, float]]
    smallest: dict[str, float]
    gap: Gap


def forecast(
    scores: Mapping[str, Array],
    target_N: Target,
    best: str,
    board: Board,
    *,
    group_N: ArrayLike | None = None,
    source_N: ArrayLike | None = None,
    sent: str | None = None,
    gap: Gap | None = None,
    level: float = LEVEL,
    draws: int = DRAWS,
) -> Forecast:
    """`scores`: held-out scores by candidate, `best` among them, the one that is sent. `level`: of the intervals.

    `sent`: the name of what is sent, if the scores of `best` pay for its choice. It meets the others, which paid for
    none, in the place of `best`, and is no candidate itself.
    `group_N`: a label that near-duplicates share. `source_N`: of each row, where the board has a mix of sources.
    `second` is the candidate with which the better of two does best on the private board, among those that rank
    images otherwise than `best`; None if all rank them alike. Raises UserError as `strata` does.
    """
    rows = strata(target_N, group_N, source_N, board.mix)
    found = [pulls(score_N, rows) for score_N in scores.values()]
    value_S, pulls_SN = np.array([value for value, _ in found]), np.stack([pull_N for _, pull_N in found])
    sizes = {name: rows.sizes(*_classes(getattr(board, f"{name}_rows"), board.fake_share)) for name in BOARDS}
    spreads = {name: covariance(pulls_SN, rows, size_C) for name, size_C in {"held_out": None, **sizes}.items()}
    if sum(size_C.sum() for size_C in sizes.values()) <= len(BOARDS) * FEW and len(target_N) <= FEW_HELD:
        aucs = _by_rows(np.array(list(scores.values())), rows, sizes, draws)
    else:
        aucs = _by_normal(value_S, spreads, draws)
    place = {name: number for number, name in enumerate(scores)}
    fights = {name: sent or best if name == best else name for name in scores if name == best or name != sent}
    private = {name: aucs["private"][:, place[fights[name]]] for name in fights}
    own_N = rank(scores[fights[best]])
    likeness = {name: float(np.corrcoef(rank(scores[fight]), own_N)[0, 1]) for name, fight in fights.items()}
    second = _second(private, likeness, best)
    rival = second or min(likeness, key=lambda name: likeness[name])
    gap = gap or Gap(None, "")
    outlooks = {}
    for name in fights:
        spans = {kind: _interval(value_S[place[name]], place[name], spreads, kind, rows, level) for kind in BOARDS}
        lows = {kind: lowest(span, gap.lost, level) for kind, span in spans.items()} if gap.lost else {}
        chance = _chance(private[name], private[best])
        outlooks[name] = Outlook(spans["public"], spans["private"], chance, likeness[name], lows)
    smallest = {} if rival == best else _smallest(place[fights[best]], place[rival], spreads)
    beats = {name: {other: _chance(mine_D, private[other]) for other in private} for name, mine_D in private.items()}
    return Forecast(board, level, rows.groups, outlooks, best, second, beats, smallest, gap)


def sentences(found: Forecast) -> list[str]:
    """What to send, what can be told from noise, and what none of this knows."""
    told = []
    best = "what auto chose" if found.best == "auto" else found.best
    if found.second is None:
        told.append(f"Final selections: {best}; no other candidate ranks the images otherwise.")
    else:
        second = found.outlooks[found.second]
        told.append(
            f"Final selections: {best}, and {found.second}, which differs (rank correlation "
            f"{second.likeness:.3f}) and beats it on the private board with a chance of {second.chance:.0%}."
        )
    if found.smallest:
        gains = ", ".join(f"{name.replace('_', '-')} {gain:.4f}" for name, gain in found.smallest.items())
        told.append(f"The smallest gain of such a rival that noise cannot explain (95 %), by rows: {gains}.")
    told.append(UNKNOWN)
    return [*told, found.gap.why] if found.gap.why else told


def _classes(rows: int, fake_share: float) -> tuple[int, int]:
    """(fakes, reals), at least one of each."""
    fakes = min(max(round(rows * fake_share), 1), max(rows - 1, 1))
    return fakes, max(rows - fakes, 1)


def _by_rows(scores_SN: Array, rows: Strata, sizes: Mapping[str, Indices], draws: int) -> dict[str, Array]:
    """AUC of every draw and candidate, [D, S], by board."""
    place_SN = np.stack([np.unique(score_N, return_inverse=True)[1] for score_N in scores_SN])
    place_SN += np.arange(len(place_SN))[:, None] * scores_SN.shape[1]  # each candidate's values apart
    aucs = {name: np.empty((draws, len(scores_SN))) for name in sizes}
    boards = Draws(rows)
    for draw in range(draws):
        generator = rng("forecast", draw)
        groups = boards.again(generator)
        for name, sizes_C in sizes.items():
            drawn = boards.board(groups, sizes_C, generator)
            is_fake = rows.target_N[drawn] == 1
            aucs[name][draw] = _aucs(place_SN[:, drawn[is_fake]], place_SN[:, drawn[~is_fake]], scores_SN.shape)
    return aucs


def _aucs(fakes_SP: Indices, reals_SR: Indices, shape: tuple[int, ...]) -> Array:
    """The exact AUC of each candidate, by counting at every value, ties one half."""
    fakes_SV, reals_SV = (np.bincount(part.ravel(), minlength=math.prod(shape)) for part in (fakes_SP, reals_SR))
    fakes_SV, reals_SV = fakes_SV.reshape(shape), reals_SV.reshape(shape)
    twice_S = (fakes_SV * (2 * reals_SV.cumsum(axis=1) - reals_SV)).sum(axis=1)
    return twice_S / (2 * fakes_SP.shape[1] * reals_SR.shape[1])


def _by_normal(value_S: Array, spreads: Mapping[str, Array], draws: int) -> dict[str, Array]:
    """The same for large boards: an AUC is a mean over rows of their placements, and such means are normal."""
    truth_DS = value_S + _noise(spreads["held_out"], draws, "truth")
    return {name: np.clip(truth_DS + _noise(spreads[name], draws, name), 0, 1) for name in BOARDS}


def _noise(covariance_SS: Array, draws: int, name: str) -> Array:
    """Normal draws [D, S]. By eigenvalues: candidates that are copies make the covariance singular."""
    values, vectors = np.linalg.eigh(covariance_SS)
    plain_DS = rng("forecast", name).normal(size=(draws, len(values)))
    return (plain_DS * np.sqrt(np.maximum(values, 0))) @ vectors.T


def _interval(
    value: float, place: int, spreads: Mapping[str, Array], kind: str, rows: Strata, level: float
) -> Interval:
    """Around the held-out AUC, on the logit scale, by the variance of the held-out rows plus that of the board's.

    Nominal 90 % held 89.9 % of 4,000 simulated boards; quantiles of 1,000 draws held 88.1 % of 2,000, because a lucky
    held-out AUC comes with too small a spread. At 0 and 1 the variance says nothing: as `score.interval.delong`.
    """
    se = math.sqrt(spreads["held_out"][place, place] + spreads[kind][place, place])
    if value in (0.0, 1.0):
        reach = tail(level) ** (1 / rows.fewest)
        return Interval(value, reach if value else 0.0, 1.0 if value else 1 - reach, se)
    return logit_interval(float(value), se, level)


def _chance(mine_D: Array, theirs_D: Array) -> float:
    """That mine is higher; a tie counts one half."""
    return float(np.mean(mine_D > theirs_D) + np.mean(mine_D == theirs_D) / 2)


def _second(private: Mapping[str, Array], likeness: Mapping[str, float], best: str) -> str | None:
    others = [name for name in private if name != best and likeness[name] < ALIKE]
    return max(others, key=lambda name: np.maximum(private[name], private[best]).mean(), default=None)


def _smallest(best: int, rival: int, spreads: Mapping[str, Array]) -> dict[str, float]:
    """For a rival that ranks like this one."""
    apart = np.zeros(len(spreads["held_out"]))
    apart[[rival, best]] = 1, -1
    return {
        name: quantile(0.95) * math.sqrt(max(float(apart @ spread @ apart), 0.0)) for name, spread in spreads.items()
    }
