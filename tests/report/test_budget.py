import pytest

from ffdi.blending.budget import budget
from ffdi.blending.cost import Cost
from ffdi.report import budget as report
from ffdi.report.page import Page, render
from ffdi.report.table import Table
from tests.blending.test_honest import drawn, team_of
from tests.report.html_reader import check

NAMES = ("m000", "m001", "m002")
PARAMETERS = Cost("parameters", dict.fromkeys(NAMES, 4_000_000), 9_000_000)
MINUTES = Cost("minutes", dict.fromkeys(NAMES, 1.25))
MEMBERS = Cost("members", dict.fromkeys(NAMES, 1))


@pytest.mark.parametrize(
    ("costs", "rows", "said"),
    [((PARAMETERS,), 5, "Limit: 9,000,000 parameters."), ((MINUTES, PARAMETERS), 5, "Limit"), ((MEMBERS,), 6, "")],
)
def test_the_section_shows_both_ways(costs: tuple[Cost, ...], rows: int, said: str) -> None:
    team = team_of(*drawn(200, [1.0, 0.5, 0.2], 3))
    found = budget(team, costs)
    (made,) = report.sections(found)
    shown = made.blocks[-1]
    assert isinstance(shown, Table)
    assert len(shown.rows) == rows
    assert said in shown.caption
    assert ("Limit" in shown.caption) == bool(said)
    assert [unit for unit in ("minutes", "parameters") if unit in shown.columns] == [
        cost.unit for cost in costs if cost is not MEMBERS
    ]
    check(render(Page("blend", "One.", (made,))), "One.")


def test_it_names_who_is_left_out_or_how_few_will_do() -> None:
    team = team_of(*drawn(400, [2.0, 0.5, 0.0], 3))
    left = report.verdict(budget(team, [PARAMETERS]))
    assert left == "Left out to stay within 9,000,000 parameters: m002."
    few = report.verdict(budget(team, [MEMBERS]))
    assert few.startswith("With 1 member (m000) the nested AUC, ")


def test_single_members_need_no_section() -> None:
    assert report.sections(None) == ()
