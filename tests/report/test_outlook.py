import pytest

from ffdi.blend.forecast import UNKNOWN, forecast
from ffdi.report import outlook
from ffdi.report.page import Page, Text, render
from ffdi.report.table import Table
from tests.blend.test_forecast import SMALL, people
from tests.report.html_reader import check


@pytest.mark.parametrize("skills", [(1.5,), (1.5, 1.4), (1.5, 1.4, 0.2)])
def test_the_section_names_the_two_to_select_and_what_is_unknown(skills: tuple[float, ...]) -> None:
    scores, target = people(300, 0.5, "page", skills=skills)
    found = forecast(scores, target, "a", SMALL, draws=20)
    (made,) = outlook.sections(found)
    texts = [block for block in made.blocks if isinstance(block, Text)]
    assert texts[0].text.startswith("Final selections: a")
    assert texts[-1] == Text(UNKNOWN, warning=True)
    shown = made.blocks[-1]
    assert isinstance(shown, Table)
    assert [row[-1] for row in shown.rows if row[-1]] == ["best", "differs"][: len(skills)]
    check(render(Page("blend", "One.", (made,))), "One.")


def test_without_a_forecast_there_is_no_section() -> None:
    assert outlook.sections(None) == ()
