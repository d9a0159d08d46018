from ffdi.metrics.degraded import Degraded, compare
from ffdi.metrics.delong import delong
from ffdi.metrics.slices import cut
from ffdi.report import evaluate as report
from ffdi.report.page import render
from tests.metrics import test_degraded as copies
from tests.metrics.test_slices import rows


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


def test_degraded_copies_stand_beside_the_clean_images() -> None:
    table = rows()
    whole = delong(table["target"], table["score"])
    found = [compare(copies.rows(shift=shift), name) for name, shift in (("blur", 0.0), ("patch", 1.0))]
    shown = [one for one in found if isinstance(one, Degraded)]
    html = render(report.page([], whole, {}, shown))
    assert "The worst slice is degradation blur" in html
    assert (
        f"clean, the same images have {shown[0].clean.auc.value:.4f}, which is a drop of {shown[0].drop.value:.4f} ("
        in html
    )
    assert 'id="degradation"' in html
    assert "Originals after patch look more fake than clean ones" in html
    assert "would be a forgery by the contest&#39;s rules" in html
    assert "Degradation" not in render(report.page(cut(table, {"source": "originals"}), whole, {}))
