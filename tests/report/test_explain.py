import re

import numpy as np

from ffdi.core import keys
from ffdi.report import explain as report
from ffdi.report.explain import Explained
from ffdi.report.page import render
from tests.fixtures.html_reader import check

PANELS = ["Image", "Grad-CAM"]


def pixels(name: str, side: int = 96) -> np.ndarray:
    smooth = keys.rng("explain", name).integers(0, 200, (side // 8, side // 8, 3), dtype=np.uint8)
    noise = keys.rng("noise", name).integers(0, 50, (side, side, 3), dtype=np.uint8)
    return smooth.repeat(8, 0).repeat(8, 1) + noise


def explained(
    name: str = "a.jpg", label: str = "fake", logit: float = -2.0, cell: int = 0, side: int = 96
) -> Explained:
    cells_hw = np.zeros((4, 4), np.float32)
    cells_hw[cell, cell] = 1
    return Explained(name, label, "The blend gives it 0.1", "one fold 0", pixels(name, side), cells_hw, logit)


def test_the_page_holds_every_panel_of_every_image() -> None:
    images = [explained(), explained("b.jpg", "original", 2.0, cell=2)]
    made, again = (report.page(images, "Explained", "By another net.", {"m": "a"}) for _ in range(2))
    html = render(made)
    told = [text for _, text in check(html, made.headline).words]
    assert {panel: told.count(panel) for panel in PANELS} == dict.fromkeys(PANELS, 2)
    assert html == render(again)
    assert "the net calls 1 fake and 1 original; it is wrong on 2 of the 2 with a known label" in made.headline


def test_with_an_empty_map_less_is_said() -> None:
    image = Explained("a.jpg", "unlabelled", "", "one fold 0", pixels("c", 40), np.zeros((2, 2), np.float32), -9e9)
    made = report.page([image], "Explained", "", {})
    html = render(made)
    assert not re.search(r"\bnan\b", re.sub(r'"data:[^"]*"', "", html))
    assert "wrong on" not in made.headline
