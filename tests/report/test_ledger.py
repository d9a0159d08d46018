from typing import Any

import pytest

from ffdi.report import ledger
from ffdi.report.figures import Picture
from ffdi.report.page import Text, render
from ffdi.report.table import Table
from ffdi.submission.row import Row
from tests.report.html_reader import check
from tests.submission.test_alarms import scored
from tests.submission.test_ledger import row

CALM = [scored(1, 0.95, 0.951), scored(2, 0.96, 0.958, private=0.95)]
TURNED = [*CALM, scored(3, 0.97, 0.94)]
ODD = [scored(1, 0.95, 0.90)]
CHANCE = [scored(number, 0.95 + number / 1000, 0.92 + number / 1000) for number in range(9, 20)]


@pytest.mark.parametrize(
    ("rows", "headline", "alarms"),
    [
        (CALM, "The board confirms the honest scores: 2 public scores as forecast, no rank inversion.", 0),
        (TURNED, "The board contradicts the honest scores: 2 rank inversions beyond noise, 0 scores outside", 1),
        (CHANCE, "as the honest scores have it: 0 rank inversions beyond noise, 1 score outside the forecast, no", 1),
        (ODD, "0 rank inversions beyond noise, 1 score outside the forecast.", 1),
        ([scored(1, 0.95, 0.9, forecast_low=None)], "1 public score, and no forecast to compare with.", 0),
        ([scored(1, 0.95, 0.95), scored(2, 0.95, 0.95)], "2 public scores as forecast", 0),
        ([row(1, status="scored", public=0.9)], "1 public score, and no forecast", 0),
        ([row(1, status="refused", error="<script>alert(1)</script>")], "1 send, and no score yet.", 0),
        ([row(1, status="lost")], "1 send, and no score yet.", 0),
    ],
)
def test_the_headline_says_whether_the_board_agrees(rows: list[Row], headline: str, alarms: int) -> None:
    made = ledger.page(rows)
    assert headline in made.headline
    blocks: list[Any] = [block for section in made.sections for block in section.blocks]
    assert sum(isinstance(block, Text) and block.warning for block in blocks) == alarms
    assert sum(isinstance(block, Picture) for block in blocks) == 2 * any(one.honest and one.public for one in rows)
    check(render(made), made.headline)


def test_every_send_is_in_the_table_newest_first() -> None:
    rows = [scored(number, 0.9 + number / 1000, 0.95) for number in range(1, 60)]
    (table,) = [block for block in ledger.page(rows).sections[-1].blocks if isinstance(block, Table)]
    assert [line[0] for line in table.rows] == [one.submission for one in reversed(rows)]


def test_what_is_not_settled_is_named_with_its_meaning() -> None:
    texts = [block.text for block in ledger.page([row(1, status="lost")]).sections[0].blocks if isinstance(block, Text)]
    assert "no answer came" in texts[0]


def test_competitions_are_not_mixed() -> None:
    other = scored(3, 0.97, 0.94, competition="another")
    made = ledger.page([*CALM, other])
    assert [section.title for section in made.sections] == ["another", "contest", "Every send"]
    assert "no rank inversion" in made.headline
