from ffdi.report import slices as report
from ffdi.report.page import render
from ffdi.score.interval import delong
from ffdi.score.slices import cut
from tests.score.test_slices import rows


def test_the_page_names_the_weak_spot_and_warns_of_the_offset() -> None:
    table = rows()
    found = cut(table, {"hand": "fakes", "source": "originals"})
    whole = delong(table["target"], table["score"])
    html = render(report.page(found, whole, {}))
    assert "The worst slice is hand unseen" in html
    assert "beyond noise below the pooled" in html
    assert "Originals of source c look more fake than others" in html


def test_nothing_to_cut_is_said() -> None:
    table = rows(100)
    html = render(report.page([], delong(table["target"], table["score"]), {}))
    assert "There is nothing to cut the held-out images by." in html
