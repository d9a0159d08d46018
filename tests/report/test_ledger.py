import pytest

from ffdi.report import ledger
from ffdi.report.page import Picture, Text, render
from ffdi.report.table import Table
from ffdi.submission.ledger import Row
from tests.fixtures.html_reader import check
from tests.fixtures.sending import row
from tests.fixtures.sending import scored_row as scored

CALM = [scored(1, 0.95, 0.951), scored(2, 0.96, 0.958, private=0.95)]
CHANCE = [scored(number, 0.95 + number / 1000, 0.92 + number / 1000) for number in range(9, 20)]


@pytest.mark.parametrize(
    ("rows", "headline", "warnings", "plots"),
    [
        (CALM, "agrees with nested CV: 2 scores inside the forecast, no rank inversion.", 0, 1),
        (
            [*CALM, scored(3, 0.97, 0.94)],
            "contradicts nested CV: 2 rank inversions beyond noise, 0 scores outside",
            2,
            1,
        ),
        (CHANCE, "1 score outside the forecast, no more than chance brings.", 1, 1),
        ([scored(1, 0.95, 0.90)], "0 rank inversions beyond noise, 1 score outside the forecast.", 1, 1),
        ([scored(1, 0.95, 0.9, forecast_low=None)], "1 public score, no forecast to compare with.", 0, 1),
        ([scored(1, 0.95, 0.95), scored(2, 0.95, 0.95)], "2 scores inside the forecast", 0, 1),
        ([row(status="scored", public=0.9)], "1 public score, no forecast", 0, 0),
        ([row(status="refused", error="<script>alert(1)</script>")], "1 submission, no score yet.", 0, 0),
        ([row(status="lost")], "1 submission, no score yet.", 0, 0),
    ],
)
def test_the_headline_says_whether_the_leaderboard_agrees(
    rows: list[Row], headline: str, warnings: int, plots: int
) -> None:
    made = ledger.page(rows)
    assert headline in made.headline
    blocks = [block for section in made.sections for block in section.blocks]
    assert sum(isinstance(block, Text) and block.warning for block in blocks) == warnings
    assert sum(isinstance(block, Picture) for block in blocks) == plots
    check(render(made), made.headline)


def test_every_submission_is_in_the_table_newest_first_by_competition() -> None:
    rows = [scored(number, 0.9 + number / 1000, 0.95) for number in range(1, 60)]
    made = ledger.page([*rows, scored(60, 0.97, 0.94, competition="another"), row(61, status="lost")])
    assert [section.title for section in made.sections] == ["another", "contest", "Every submission"]
    (table,) = [block for block in made.sections[-1].blocks if isinstance(block, Table)]
    assert [line[0] for line in table.rows] == [f"{number:03d}-toy" for number in range(61, 0, -1)]
    assert "no answer came" in render(made)
