import re

import numpy as np

from ffdi.core import keys
from ffdi.report import explain as report
from ffdi.report.explain import Explained
from ffdi.report.page import render
from tests.fixtures.html_reader import check

NOISE = keys.rng("explain").integers(0, 250, (96, 80, 3), np.uint8)


def explained(name: str, label: str, logit: float, cells_hw: np.ndarray) -> Explained:
    return Explained(name, label, "The blend gives it 0.1", "one fold 0", NOISE, cells_hw.astype(np.float32), logit)


def test_the_page_holds_every_panel_of_every_image() -> None:
    images = [explained("a.jpg", "fake", -2.0, np.eye(4)), explained("b.jpg", "original", 2.0, np.eye(4))]
    made, again = (report.page(images, "Explained", "By another net.", {"m": "a"}) for _ in range(2))
    html = render(made)
    told = [text for _, text in check(html, made.headline).words]
    assert (told.count("Image"), told.count("Grad-CAM")) == (2, 2)
    assert html == render(again)
    assert "the net calls 1 fake and 1 original; it is wrong on 2 of the 2 with a known label" in made.headline


def test_with_an_empty_map_less_is_said() -> None:
    made = report.page([explained("a.jpg", "unlabelled", -9e9, np.zeros((2, 2)))], "Explained", "", {})
    html = render(made)
    assert not re.search(r"\bnan\b", re.sub(r'"data:[^"]*"', "", html))
    assert "wrong on" not in made.headline
