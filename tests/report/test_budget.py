import pytest

from ffdi.blend.budget import budget
from ffdi.report import budget as report
from ffdi.report.page import Page, render
from ffdi.report.table import Table
from tests.blend.test_honest import drawn, team_of
from tests.report.html_reader import check


@pytest.mark.parametrize("known", [True, False])
def test_the_section_shows_both_ways(known: bool) -> None:
    team = team_of(*drawn(200, [1.0, 0.5, 0.2], 3))
    cost = {member.name: 4_000_000 for member in team.members} if known else {}
    (made,) = report.sections(budget(team, cost, 9_000_000))
    shown = made.blocks[-1]
    assert isinstance(shown, Table)
    assert len(shown.rows) == (5 if known else 6)
    assert ("Limit: 9,000,000 parameters." in shown.caption) == known
    check(render(Page("blend", "One.", (made,))), "One.")


def test_a_budget_that_no_member_fits() -> None:
    team = team_of(*drawn(200, [1.0, 0.5], 3))
    (made,) = report.sections(budget(team, {"m000": 5, "m001": 6}, 4))
    assert [type(block).__name__ for block in made.blocks] == ["Picture", "Table"]


def test_single_members_need_no_section() -> None:
    assert report.sections(None) == ()
