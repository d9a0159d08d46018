"""Every plot with ordinary and with awkward data; warnings are errors, and what is drawn is read from the axes."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from ffdi.report import plots
from ffdi.report.plots import embed


def drawn(figure: Figure) -> list[str]:
    """Draw it, and return the texts inside its axes."""
    assert embed(figure, "title").source.startswith("data:image/")
    return [text.get_text() for text in figure.axes[0].texts]


def test_dots_have_bars_numbers_and_a_line() -> None:
    names = ["a", "tf_efficientnetv2_m.in21k-384"]
    rows = pd.DataFrame({"name": names, "auc": [0.9, 0.8], "low": [0.85, 0.7], "high": [0.95, 0.9]})
    figure = plots.dots(rows, "AUC", 0.5, 0.1)
    assert drawn(figure) == ["0.900", "0.800"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["a", "tf_efficien…_m.in21k-384"]


@pytest.mark.parametrize("column", ["loss", "lr"])
def test_curves_draw_oof_solid_and_training_dashed(column: str) -> None:
    log = pd.DataFrame({"split": ["train", "train", "oof"], "epoch": [0.5, 1, 1], "loss": [0.7, 0.6, 0.65]})
    log["lr"] = [1e-3, 1e-4, np.nan]
    figure = plots.fold_curves(dict.fromkeys(range(7), log), column, column)
    drawn(figure)
    looks = [line.get_linestyle() for line in figure.axes[0].lines[:2]]
    assert looks == (["--", "-"] if column == "loss" else ["--", "--"])
