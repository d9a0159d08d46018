import math

import pytest

from ffdi.submission.alarms import compared, inversions, noise, sentences, surprises
from ffdi.submission.row import Row
from tests.submission.test_ledger import row

FORECAST = {"forecast_low": 0.93, "forecast_high": 0.97}


def scored(number: int, oof: float, public: float | None, **changes: object) -> Row:
    given = {"submission": f"{number:03d}-toy", "status": "scored", "oof": oof, "public": public, "noise": 0.01}
    return row(number, **given | FORECAST | changes)


def test_an_order_turned_round_by_more_than_noise_is_found_largest_first() -> None:
    rows = [scored(1, 0.95, 0.94), scored(2, 0.94, 0.948), scored(3, 0.96, 0.935)]
    found = inversions(rows)
    assert [(one.better.submission[:3], one.worse.submission[:3]) for one in found] == [("003", "002"), ("001", "002"),
                                                                                        ("003", "001")]  # fmt: skip
    assert found[0].gap == pytest.approx(0.02 + 0.013)
    told = sentences(rows)
    assert len(told) == 2
    assert (
        "003-toy (honest 0.9600, public 0.9350) was held to be better than 002-toy (0.9400, 0.9480), 001-t" in told[0]
    )
    assert "noise explains 0.0100 of 0.0330" in told[0]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"noise": 0.1}, "chance explains it"),
        ({"competition": "another"}, "boards differ"),
        ({"oof": None}, "nothing was expected"),
        ({"public": None}, "no score yet"),
        ({"public": 0.95}, "a tie is no order"),
        ({"public": 0.97}, "as expected"),
        ({"sha256": row(1).sha256}, "the same file"),
        ({"noise": None, "forecast_low": None}, "nothing to judge by"),
        ({"nested": 0.94}, "nested counts, not the OOF that weights were learned on"),
    ],
)
def test_no_alarm_where_there_is_nothing_to_tell(changes: dict[str, object], why: str) -> None:
    worse = scored(1, 0.94, 0.95)
    assert len(inversions([worse, scored(2, 0.96, 0.935)])) == 1
    given: dict[str, object] = {"oof": 0.96, "public": 0.935}
    assert inversions([worse, scored(2, **given | changes)]) == [], why  # type: ignore[arg-type]


def test_without_a_cards_noise_forecasts_stand_in_as_if_independent() -> None:
    one, two = scored(1, 0.95, 0.94, noise=None), scored(2, 0.94, 0.95)
    # 90 % intervals of 0.04 have a standard error of 0.04 / (2 * 1.645); 95 % of a difference is 1.96 * sqrt(2) of it.
    assert noise(one, two) == pytest.approx(1.959964 * math.sqrt(2) * 0.04 / (2 * 1.644854), abs=1e-6)
    assert compared([one, two]) == [(one, two)]


@pytest.mark.parametrize(("public", "below"), [(0.92, [True]), (0.93, []), (0.97, []), (0.98, [False]), (None, [])])
def test_a_score_outside_its_forecast_is_told(public: float | None, below: list[bool]) -> None:
    rows = [scored(1, 0.95, public)]
    assert [one.below for one in surprises(rows)] == below
    assert len(sentences(rows)) == len(below)
