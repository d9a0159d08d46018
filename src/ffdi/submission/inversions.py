"""Find where the leaderboard contradicts the estimates: scores outside their forecast, pairs in the wrong order."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from ffdi.blending.forecast import LEVEL
from ffdi.metrics.delong import quantile
from ffdi.submission.ledger import Row


@dataclass(frozen=True)
class Inversion:
    """Two submissions of which the estimates favour `better` and the public leaderboard `worse`.

    `gap`: the estimated difference plus the leaderboard's. `noise`: how much of that chance explains (95 %).
    """

    better: Row
    worse: Row
    gap: float
    noise: float


def comparable_pairs(rows: Iterable[Row]) -> list[tuple[Row, Row]]:
    """Return pairs of one competition and different contents that have estimates, public scores and a noise."""
    scored = [row for row in rows if row.expected is not None and row.public is not None]
    return [
        (one, two)
        for one, two in combinations(scored, 2)
        if one.competition == two.competition and one.content != two.content and not math.isnan(noise(one, two))
    ]


def inversions(rows: Iterable[Row]) -> list[Inversion]:
    """Return the pairs that the leaderboard swaps by more than chance explains, the worst first."""
    found = []
    for pair in comparable_pairs(rows):
        better, worse = sorted(pair, key=lambda row: _number(row.expected), reverse=True)
        expected = _number(better.expected) - _number(worse.expected)
        lost = _number(worse.public) - _number(better.public)
        if expected > 0 and lost > 0 and expected + lost > noise(better, worse):
            found.append(Inversion(better, worse, expected + lost, noise(better, worse)))
    return sorted(found, key=lambda one: one.noise - one.gap)


def forecast_misses(rows: Iterable[Row]) -> list[Row]:
    """Return the submissions whose public score lies outside its forecast."""
    return [row for row in rows if _number(row.public) < _low(row) or _number(row.public) > _high(row)]


def noise(one: Row, two: Row) -> float:
    """Return by how much the two differences may disagree by chance (95 %); NaN without forecasts.

    It is the larger of what the two cards say of similar submissions. Where a card says nothing, the forecasts count as
    independent. The same images score both, so that this is too wide and reports too few.
    """
    if one.noise is not None and two.noise is not None:
        return max(one.noise, two.noise)
    errors = [(_high(row) - _low(row)) / (2 * quantile(LEVEL)) for row in (one, two)]
    return quantile(0.95) * math.hypot(*errors)


def sentences(rows: Iterable[Row]) -> list[str]:
    """Return a sentence for each inversion and for each missed forecast."""
    rows = list(rows)
    return [*map(_inversion_sentence, inversions(rows)), *map(_miss_sentence, forecast_misses(rows))]


def _inversion_sentence(one: Inversion) -> str:
    better, worse = (
        f"{row.submission} (expected {_number(row.expected):.4f}, public {_number(row.public):.4f})"
        for row in (one.better, one.worse)
    )
    return (
        f"Rank inversion: {better} was expected above {worse}, and the public leaderboard says the opposite; "
        f"noise explains {one.noise:.4f} of {one.gap:.4f}."
    )


def _miss_sentence(row: Row) -> str:
    below = _number(row.public) < _low(row)
    why = "may hold forgeries of kinds that were not held out" if below else "may be easier than what was held out"
    return (
        f"{row.submission}: public {row.public:.4f} lies {'below' if below else 'above'} its forecast of "
        f"{_low(row):.4f} to {_high(row):.4f}; the leaderboard {why}."
    )


def _low(row: Row) -> float:
    return _number(row.forecast_low)


def _high(row: Row) -> float:
    return _number(row.forecast_high)


def _number(value: float | None) -> float:
    return math.nan if value is None else value
