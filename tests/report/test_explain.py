import re

import numpy as np
import pytest

from ffdi.data import checks
from ffdi.report import explain as report
from ffdi.report.explain import Explained
from ffdi.report.page import render
from tests.data.test_traces import texture

PANELS = ["Image", "Grad-CAM", "Error level", "Residual", "Spectrum", "Azimuthal mean"]
CHECKS = ["Detail: ", "Light: ", "Pixels: ", "Background: "]


def explained(name: str = "a.jpg", label: str = "fake", logit: float = -2.0, corner: bool = True) -> Explained:
    cells_hw = np.zeros((4, 4), np.float32)
    cells_hw[(0, 0) if corner else (2, 2)] = 1
    return Explained(name, label, "The blend gives it 0.1", "one fold 0", texture(key=name), cells_hw, logit)


@pytest.fixture(scope="module")
def originals() -> checks.Originals:
    return checks.of_originals(texture(key=f"original {number}") for number in range(5))


def test_the_page_holds_every_panel_of_every_image(originals: checks.Originals) -> None:
    images = [explained(), explained("b.jpg", "original", 2.0, corner=False)]
    made = report.page(images, originals, "Explained", "By the net that did not see it.", {"manifest": "abc"})
    html = render(made)
    assert html == render(made)
    for panel in PANELS:
        assert html.count(f"<strong>{panel}</strong>") == 2, panel
    for check in CHECKS:
        assert html.count(f"<p>{check}") == 2, check
    assert html.count("<strong>Measured</strong>") == 2
    assert "By the net that did not see it." in html
    assert not re.search(r'(src|href)="(?!data:|#)', html)
    assert "1 look fake" in made.headline
    assert "wrong about 2 of the 2" in made.headline
    assert "In 1 of them most of the map lies outside the face" in made.headline
    assert "compares sizes as much as traces" not in html


def test_every_number_said_is_the_one_measured(originals: checks.Originals) -> None:
    image = explained()
    detail, light, pixels, background = report.check_lines(image, originals)
    found = image.measures
    assert f"{found.detail:.2f} times" in detail
    assert f"more than in {originals.below('detail', found.detail):.0%} of the originals" in detail
    assert f"{abs(found.face_light):.0f} grey level" in light
    assert f"{100 * found.high:.2g}% of the power" in pixels
    assert f"Of the net's map {image.outside:.0%} lies outside the face" in background
    assert image.outside > 0.9


def test_an_image_of_another_size_is_warned_of(originals: checks.Originals) -> None:
    small = Explained("a.jpg", "fake", "", "one fold 0", texture(80), np.ones((2, 2), np.float32), 1.0)
    html = render(report.page([small], originals, "Explained", "", {}))
    assert "Its shorter side has 80 pixels, those of the originals 160" in html


def test_without_originals_and_with_an_empty_map_less_is_said() -> None:
    image = Explained(
        "a.jpg", "unlabelled", "P(fake) 0.5", "one fold 0", texture(40), np.zeros((2, 2), np.float32), -9e9
    )
    none = checks.of_originals([])
    lines = " ".join(report.check_lines(image, none))
    assert "of the originals" not in lines
    assert "The net's map is empty" in lines
    made = report.page([image], none, "Explained", "", {})
    html = render(made)
    assert "run `ffdi scan` to compare" in html
    assert not re.search(r"\bnan\b", re.sub(r'"data:[^"]*"', "", html))
    assert "wrong about" not in made.headline


def test_outlines_are_those_of_the_template(originals: checks.Originals) -> None:
    html = render(report.page([explained()], originals, "Explained", "", {}))
    assert report.TEMPLATE in html
    assert "outlines: the template" in html
