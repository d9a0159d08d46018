import math

import pytest

from ffdi.submission.inversions import comparable_pairs, forecast_misses, inversions, noise, sentences
from tests.fixtures.sending import row, scored_row


def test_an_order_swapped_by_more_than_noise_is_found_largest_first() -> None:
    rows = [scored_row(1, 0.95, 0.94), scored_row(2, 0.94, 0.948), scored_row(3, 0.96, 0.935)]
    found = inversions(rows)
    pairs = [(one.better.submission[:3], one.worse.submission[:3]) for one in found]
    assert pairs == [("003", "002"), ("001", "002"), ("003", "001")]
    assert found[0].gap == pytest.approx(0.02 + 0.013)
    told = sentences(rows)
    assert len(told) == 3
    assert "003-toy (expected 0.9600, public 0.9350) was expected above 002-toy (expected 0.9400, public" in told[0]
    assert "noise explains 0.0100 of 0.0330" in told[0]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"noise": 0.1}, "chance explains it"),
        ({"competition": "another"}, "leaderboards differ"),
        ({"oof": None}, "nothing was expected"),
        ({"public": None}, "no score yet"),
        ({"public": 0.95}, "a tie is no order"),
        ({"public": 0.97}, "as expected"),
        ({"sha256": row(1).sha256}, "the same file"),
        ({"noise": None, "forecast_low": None}, "no noise to compare with"),
        ({"nested": 0.94}, "nested counts, not the OOF that weights were learned on"),
    ],
)
def test_nothing_is_reported_where_there_is_nothing_to_tell(changes: dict[str, object], why: str) -> None:
    worse, given = scored_row(1, 0.94, 0.95), {"oof": 0.96, "public": 0.935}
    assert len(inversions([worse, scored_row(2, **given)])) == 1  # type: ignore[arg-type]
    assert inversions([worse, scored_row(2, **given | changes)]) == [], why  # type: ignore[arg-type]


def test_without_a_cards_noise_forecasts_count_as_independent() -> None:
    one, two = scored_row(1, 0.95, 0.94, noise=None), scored_row(2, 0.94, 0.95)
    # 90 % intervals of 0.04 have a standard error of 0.04 / (2 * 1.645); 95 % of a difference is 1.96 * sqrt(2) of it.
    assert noise(one, two) == pytest.approx(1.959964 * math.sqrt(2) * 0.04 / (2 * 1.644854), abs=1e-6)
    assert comparable_pairs([one, two]) == [(one, two)]


@pytest.mark.parametrize(("public", "told"), [(0.92, "below"), (0.93, ""), (0.97, ""), (0.98, "above"), (None, "")])
def test_a_score_outside_its_forecast_is_told(public: float | None, told: str) -> None:
    rows = [scored_row(1, 0.95, public)]
    assert len(forecast_misses(rows)) == bool(told)
    assert told in " ".join(sentences(rows))
