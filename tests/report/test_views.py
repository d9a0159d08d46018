from ffdi.blending.views import judge
from ffdi.report import views
from ffdi.report.page import Page, render
from ffdi.report.table import Table
from tests.blending.test_views import viewed
from tests.report.html_reader import check


def test_the_tables_hold_every_member_and_view() -> None:
    found = judge(viewed({"hflip": 1.0, "identity": 1.0, "scale:2": 0.0}, 300))
    (made,) = views.sections([found, found])
    members, each = made.blocks
    assert isinstance(members, Table)
    assert isinstance(each, Table)
    assert (len(members.rows), len(each.rows)) == (2, 6)
    assert "hflip, identity" in members.rows[0]
    check(render(Page("blend", "One.", (made,))), "One.")


def test_single_views_need_no_section() -> None:
    assert views.sections([]) == ()
