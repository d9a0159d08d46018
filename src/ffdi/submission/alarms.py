"""Where the board contradicts what was expected: scores outside their forecast, orders turned round beyond noise."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from ffdi.blending.forecast import LEVEL
from ffdi.metrics.delong import quantile
from ffdi.submission.row import Row

NAMED = 4  # lesser submissions that a sentence lists


@dataclass(frozen=True)
class Inversion:
    """`better` was held to be worth more than `worse`, and the public board says otherwise.

    `gap`: the honest difference plus the board's. `noise`: how much of that chance explains (95 %).
    """

    better: Row
    worse: Row
    gap: float
    noise: float


@dataclass(frozen=True)
class Surprise:
    """A public score outside the interval that was forecast."""

    row: Row
    below: bool


def compared(rows: Iterable[Row]) -> list[tuple[Row, Row]]:
    """Pairs of one competition with different contents, both with honest and public score and a noise to judge by."""
    able = [row for row in rows if row.honest is not None and row.public is not None]
    pairs = combinations(able, 2)
    return [
        (one, two)
        for one, two in pairs
        if one.competition == two.competition and one.content != two.content and noise(one, two) is not None
    ]


def inversions(rows: Iterable[Row]) -> list[Inversion]:
    """Largest excess over noise first."""
    found = []
    for one, two in compared(rows):
        honest, public = _value(one.honest) - _value(two.honest), _value(one.public) - _value(two.public)
        if honest * public < 0:
            better, worse = (one, two) if honest > 0 else (two, one)
            found.append(Inversion(better, worse, abs(honest) + abs(public), _value(noise(one, two))))
    return sorted((one for one in found if one.gap > one.noise), key=lambda one: one.noise - one.gap)


def surprises(rows: Iterable[Row]) -> list[Surprise]:
    found = []
    for row in rows:
        if row.public is None or row.forecast_low is None or row.forecast_high is None:
            continue
        if not row.forecast_low <= row.public <= row.forecast_high:
            found.append(Surprise(row, row.public < row.forecast_low))
    return found


def noise(one: Row, two: Row) -> float | None:
    """By how much the honest difference and the board's may part by chance (95 %); None without forecasts.

    The larger of what the two cards say of submissions that are alike. Where a card says nothing, the two forecasts as
    if they were independent: the same images score both, so that this is too wide and raises too few alarms.
    """
    if one.noise is not None and two.noise is not None:
        return max(one.noise, two.noise)
    spreads = [_spread(row) for row in (one, two)]
    return None if None in spreads else quantile(0.95) * math.hypot(*map(_value, spreads))


def sentences(rows: Sequence[Row]) -> list[str]:
    """For people: one for each submission that the board puts below lesser ones, one for each surprise."""
    by_better: dict[str, list[Inversion]] = {}
    for one in inversions(rows):
        by_better.setdefault(one.better.tag, []).append(one)
    told = [_turned(group) for group in by_better.values()]
    for odd in surprises(rows):
        row = odd.row
        told.append(
            f"{row.submission}: public {row.public:.4f} lies {'below' if odd.below else 'above'} its forecast of "
            f"{row.forecast_low:.4f} to {row.forecast_high:.4f}; "
            + (
                "the board may hold forgeries of kinds that were not held out."
                if odd.below
                else "the board may be easier than what was held out."
            )
        )
    return told


def _turned(group: Sequence[Inversion]) -> str:
    """Of all pairs that one submission lost; the first is the worst."""
    better, first = group[0].better, group[0]
    names = [
        f"{one.worse.submission} ({_value(one.worse.honest):.4f}, {_value(one.worse.public):.4f})" for one in group
    ]
    rest = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    scores = f"honest {_value(better.honest):.4f}, public {_value(better.public):.4f}"
    return (
        f"Rank inversion: {better.submission} ({scores}) was held to be better than {', '.join(names[:NAMED])}{rest}, "
        f"and the public board says the opposite; noise explains {first.noise:.4f} of {first.gap:.4f}"
        f"{' against the first' if len(names) > 1 else ''}."
    )


def _spread(row: Row) -> float | None:
    """Standard error of a forecast, on the AUC scale, from the width of its interval."""
    if row.forecast_low is None or row.forecast_high is None:
        return None
    return (row.forecast_high - row.forecast_low) / (2 * quantile(LEVEL))


def _value(number: float | None) -> float:
    return math.nan if number is None else number
