import pytest

from ffdi.blending.forecast import UNKNOWN, forecast
from ffdi.blending.gap import Gap
from ffdi.metrics.delong import Interval
from ffdi.report import outlook
from ffdi.report.figures import Picture
from ffdi.report.page import Page, Text, render
from ffdi.report.table import Table
from tests.blending.test_forecast import SMALL, people
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
    assert [row[-1] for row in shown.rows if row[-1]] == ["sent", "second"][: len(skills)]
    pictures = [block.title for block in made.blocks if isinstance(block, Picture)]
    assert pictures == ["What the board may show", "Who beats whom"][: len(skills)]
    check(render(Page("blend", "One.", (made,))), "One.")


def test_a_known_gap_widens_the_picture_and_the_table() -> None:
    scores, target = people(300, 0.5, "page")
    gap = Gap(Interval(0.05, 0.01, 0.09, 0.02), "Unseen forgeries cost 0.0500.")
    plain, wide = (forecast(scores, target, "a", SMALL, gap=one, draws=20) for one in (None, gap))
    (made,) = outlook.sections(wide)
    assert Text(gap.why) in made.blocks
    shown = made.blocks[-1]
    assert isinstance(shown, Table)
    assert "unseen kinds: from" in shown.columns
    assert outlook.dots(wide).axes[0].get_xlim()[0] < outlook.dots(plain).axes[0].get_xlim()[0] - 0.02


def test_many_candidates_are_cut_to_those_that_can_be_read() -> None:
    scores, target = people(300, 0.5, "page", skills=(1.5, 1.4))
    scores |= {f"c{place}": scores["b"] + place / 50 * scores["a"] for place in range(12)}
    (made,) = outlook.sections(forecast(scores, target, "a", SMALL, draws=20))
    duels = next(block for block in made.blocks if isinstance(block, Picture) and "whom" in block.title)
    assert "The selected, then the best of 14." in duels.caption


def test_without_a_forecast_there_is_no_section() -> None:
    assert outlook.sections(None) == ()
