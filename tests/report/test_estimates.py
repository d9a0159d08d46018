import pytest

from ffdi.blending.choice import decide
from ffdi.config.recipe import Blend
from ffdi.report import estimates
from ffdi.report.figures import Picture
from ffdi.report.page import Page, Text, render
from ffdi.report.table import Table
from tests.blending.test_choice import few
from tests.report.html_reader import check


@pytest.mark.parametrize("wish", [Blend(), Blend(weights={"m000": 1.0, "m001": 3.0})])
def test_the_section_shows_every_method(wish: Blend) -> None:
    choice = decide(wish, few(1.0, 1.0))
    made = estimates.section(choice)
    assert [type(block) for block in made.blocks] == [Text, Picture, Picture, Table]
    shown = made.blocks[-1]
    assert isinstance(shown, Table)
    assert choice.found is not None
    assert [row[0].removesuffix(" *") for row in shown.rows] == list(choice.found.estimates)
    assert [row[0] for row in shown.rows if row[0].endswith("*")] == [f"{choice.row} *"]
    check(render(Page("blend", "One.", (made,))), "One.")


def test_one_member_gets_a_sentence() -> None:
    choice = decide(Blend(), few(1.0))
    assert estimates.section(choice).blocks == (Text(choice.why),)
