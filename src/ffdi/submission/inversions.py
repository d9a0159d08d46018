"""Find where the leaderboard contradicts the estimates: scores outside their forecast, pairs in the wrong order."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from ffdi.blending.forecast import LEVEL
from ffdi.metrics.delong import quantile
from ffdi.submission.ledger import Row

MAX_NAMED = 4  # submissions that a sentence lists


@dataclass(frozen=True)
class Inversion:
    """Two submissions of which the estimates favour `better` and the public leaderboard `worse`.

    `gap`: the estimated difference plus the leaderboard's. `noise`: how much of that chance explains (95 %).
    """

    better: Row
    worse: Row
    gap: float
    noise: float


@dataclass(frozen=True)
class ForecastMiss:
    """A public score outside the interval that was forecast."""

    row: Row
    below: bool


def comparable_pairs(rows: Iterable[Row]) -> list[tuple[Row, Row]]:
    """Return pairs of one competition and different contents that have estimates, public scores and a noise."""
    scored = [row for row in rows if row.expected is not None and row.public is not None]
    return [
        (one, two)
        for one, two in combinations(scored, 2)
        if one.competition == two.competition and one.content != two.content and noise(one, two) is not None
    ]


def inversions(rows: Iterable[Row]) -> list[Inversion]:
    """Return the pairs that the leaderboard swaps by more than chance explains, the worst first."""
    found = []
    for one, two in comparable_pairs(rows):
        expected, public = _value(one.expected) - _value(two.expected), _value(one.public) - _value(two.public)
        if expected * public < 0:
            better, worse = (one, two) if expected > 0 else (two, one)
            found.append(Inversion(better, worse, abs(expected) + abs(public), _value(noise(one, two))))
    return sorted((one for one in found if one.gap > one.noise), key=lambda one: one.noise - one.gap)


def forecast_misses(rows: Iterable[Row]) -> list[ForecastMiss]:
    """Return the public scores outside their forecast."""
    return [
        ForecastMiss(row, row.public < row.forecast_low)
        for row in rows
        if row.public is not None and row.forecast_low is not None and row.forecast_high is not None
        if not row.forecast_low <= row.public <= row.forecast_high
    ]


def noise(one: Row, two: Row) -> float | None:
    """Return by how much the two differences may disagree by chance (95 %); None without forecasts.

    It is the larger of what the two cards say of similar submissions. Where a card says nothing, the forecasts count as
    independent. The same images score both, so that this is too wide and reports too few.
    """
    if one.noise is not None and two.noise is not None:
        return max(one.noise, two.noise)
    errors = [_standard_error(row) for row in (one, two)]
    return None if None in errors else quantile(0.95) * math.hypot(*map(_value, errors))


def sentences(rows: Sequence[Row]) -> list[str]:
    """Return one sentence for each submission with inversions and one for each missed forecast."""
    by_better: dict[str, list[Inversion]] = {}
    for one in inversions(rows):
        by_better.setdefault(one.better.tag, []).append(one)
    return [*map(_inversion_sentence, by_better.values()), *map(_miss_sentence, forecast_misses(rows))]


def _inversion_sentence(group: Sequence[Inversion]) -> str:
    """Describe all inversions of one submission; the first is the worst."""
    better, first = group[0].better, group[0]
    names = [
        f"{one.worse.submission} ({_value(one.worse.expected):.4f}, {_value(one.worse.public):.4f})" for one in group
    ]
    rest = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    scores = f"expected {_value(better.expected):.4f}, public {_value(better.public):.4f}"
    return (
        f"Rank inversion: {better.submission} ({scores}) was expected above {', '.join(names[:MAX_NAMED])}{rest}, "
        f"and the public leaderboard says the opposite; noise explains {first.noise:.4f} of {first.gap:.4f}"
        f"{' against the first' if len(names) > 1 else ''}."
    )


def _miss_sentence(miss: ForecastMiss) -> str:
    row, side = miss.row, "below" if miss.below else "above"
    why = "may hold forgeries of kinds that were not held out" if miss.below else "may be easier than what was held out"
    forecast = f"{_value(row.forecast_low):.4f} to {_value(row.forecast_high):.4f}"
    return f"{row.submission}: public {row.public:.4f} lies {side} its forecast of {forecast}; the leaderboard {why}."


def _standard_error(row: Row) -> float | None:
    """Return that of the forecast, from the width of its interval."""
    if row.forecast_low is None or row.forecast_high is None:
        return None
    return (row.forecast_high - row.forecast_low) / (2 * quantile(LEVEL))


def _value(number: float | None) -> float:
    return math.nan if number is None else number
