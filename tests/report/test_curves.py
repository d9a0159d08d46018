import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from sklearn.metrics import roc_auc_score, roc_curve

from ffdi.core import keys
from ffdi.report import curves
from ffdi.report.figures import embed


def scored(count: int, skill: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    rng = keys.rng("roc", count)
    target = rng.integers(0, 2, count)
    return target, rng.normal(target * skill, 1)


@pytest.mark.parametrize("count", [20, 200_000])
def test_a_thinned_curve_keeps_its_area_and_its_low_end(count: int) -> None:
    target, score = scored(count)
    curve = curves.roc(target, score)
    assert len(curve.fpr) <= 2 * curves.POINTS + 2
    assert np.trapezoid(curve.tpr, curve.fpr) == pytest.approx(roc_auc_score(target, score), abs=1e-4)
    assert (np.diff(curve.fpr) >= 0).all()
    assert (curve.fpr[0], curve.tpr[0], curve.fpr[-1], curve.tpr[-1]) == (0, 0, 1, 1)
    assert curve.finest == 1 / (target == 0).sum()


def test_thinned_points_lie_on_the_curve() -> None:
    target, score = scored(50_000)
    curve = curves.roc(target, score)
    fpr, tpr, _ = roc_curve(target, score, drop_intermediate=False)
    assert set(zip(curve.fpr, curve.tpr, strict=True)) <= set(zip(fpr, tpr, strict=True))


@pytest.mark.parametrize("count", [6, 300, 50_000])
def test_panels_name_every_curve(count: int) -> None:
    rocs = {f"member {skill}": curves.roc(*scored(count, skill)) for skill in (0.0, 1.0, 9.0)}
    for panel in (curves.roc_panel, curves.low_roc_panel):
        figure = panel(rocs)
        assert embed(figure, "title", "alt").source
        assert legend(figure) == list(rocs)


def test_many_names_are_left_to_the_whole_roc() -> None:
    rocs = {f"member {number}": curves.roc(*scored(50, number)) for number in range(5)}
    assert legend(curves.roc_panel(rocs)) == list(rocs)
    assert legend(curves.low_roc_panel(rocs)) == []


def legend(figure: Figure) -> list[str]:
    box = figure.axes[0].get_legend()
    return [] if box is None else [text.get_text() for text in box.get_texts()]


def test_the_low_panel_reaches_the_rates_of_the_contest() -> None:
    axes = curves.low_roc_panel({"a": curves.roc(*scored(300))}).axes[0]
    assert axes.get_xscale() == "log"
    assert axes.get_xlim()[0] < min(curves.FALSE_POSITIVE_RATES)


def log_of(epochs: int) -> pd.DataFrame:
    train = pd.DataFrame({"split": "train", "epoch": np.arange(1, 2 * epochs + 1) / 2, "loss": 0.5, "lr": 1e-4})
    oof = pd.DataFrame({"split": "oof", "epoch": np.arange(1.0, epochs + 1), "loss": 0.6, "auc": 0.9})
    return pd.concat([train, oof], ignore_index=True)


def test_series_takes_the_lines_that_have_a_value() -> None:
    log = log_of(3)
    assert list(curves.series(log, "oof", "auc").index) == [1, 2, 3]
    assert len(curves.series(log, "train", "auc")) == 0
    assert len(curves.series(log, "train", "momentum")) == 0


@pytest.mark.parametrize(("epochs", "folds"), [(1, 1), (1, 5), (30, 10)])
@pytest.mark.parametrize("column", ["loss", "auc", "lr"])
def test_fold_curves_draw_and_name_every_fold(epochs: int, folds: int, column: str) -> None:
    figure = curves.fold_curves({fold: log_of(epochs) for fold in range(folds)}, column, column)
    assert embed(figure, "title", "alt").source
    axes = figure.axes[0]
    assert len(axes.lines) == folds * (2 if column == "loss" else 1)
    assert legend(figure) == ([f"fold {fold}" for fold in range(folds)] if folds > 1 else [])
