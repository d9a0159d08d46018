"""Every plot with ordinary and with awkward data; warnings are errors, and what is drawn is read back from the axes."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from ffdi.core import keys
from ffdi.report import plots, style
from ffdi.report.figures import embed


def drawn(figure: Figure) -> Figure:
    assert embed(figure, "title", "alt").source.startswith("data:image/")
    return figure


def words(figure: Figure) -> list[str]:
    """All texts of the first axes that are not its ticks."""
    return [text.get_text() for text in figure.axes[0].texts]


def test_class_bars_tell_the_share_of_fakes() -> None:
    counts = pd.DataFrame(
        {"original": [99_386, 59_082, 0], "fake": [425_043, 88_281, 0], "unlabelled": [0, 0, 174_387]},
        index=["train", "val", "test"],
    )
    figure = drawn(plots.class_bars(counts))
    assert words(figure) == ["81.0% fake", "59.9% fake", "174,387"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["train", "val", "test"]


def test_class_bars_of_empty_folds_are_drawn() -> None:
    drawn(plots.class_bars(pd.DataFrame({"original": [0], "fake": [0]}, index=["fold 0"])))


def test_group_sizes_counts_every_group_once() -> None:
    sizes = np.repeat([1, 2, 3, 4, 5, 8, 9, 700], [90_000, 500, 20, 3, 2, 1, 1, 1])
    figure = drawn(plots.group_sizes(sizes))
    ticks = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert ticks[:6] == ["1", "2", "3", "4", "5–8", "9–16"]
    assert ticks[-1] == "513–1024"
    assert words(figure)[:6] == ["90,000", "500", "20", "3", "3", "1"]
    assert figure.axes[0].get_yscale() == "log"


def test_group_sizes_of_one_kind_have_one_bar() -> None:
    figure = drawn(plots.group_sizes(np.full(7, 2)))
    assert words(figure) == ["", "7"]


@pytest.mark.parametrize(
    ("values", "log"),
    [
        (np.full(50, 512.0), False),
        (np.full(50, 0.0), True),
        (np.r_[np.full(25, 75), np.full(25, 95)], False),
        (np.r_[np.nan, np.linspace(-1, 1, 49)], False),
        (np.geomspace(100, 1e7, 50), True),
        (np.array([1e-9] * 25 + [1e-8] * 25), True),
    ],
)
def test_histogram_draws_any_values(values: np.ndarray, log: bool) -> None:
    target = np.r_[np.ones(20), np.zeros(25), -np.ones(5)].astype(np.int8)
    drawn(plots.histogram(values, target, "value", log=log))


def test_histogram_shares_add_up_for_every_label() -> None:
    rng = keys.rng("histogram")
    target = rng.integers(-1, 2, 1000)
    figure = drawn(plots.histogram(rng.normal(target, 1), target, "logit"))
    outlines = [patch for patch in figure.axes[0].patches if not patch.get_fill()]
    assert [str(patch.get_label()).split(" ")[0] for patch in outlines] == ["fake", "original", "unlabelled"]
    assert [patch.get_data().values.sum() for patch in outlines] == pytest.approx([1, 1, 1])


def test_histogram_axis_is_logarithmic_only_where_values_span_decades() -> None:
    target = np.zeros(3)
    near = plots.histogram(np.array([8_000.0, 9_000.0, 12_000.0]), target, "bytes", log=True)
    far = plots.histogram(np.array([80.0, 9_000.0, 1_200_000.0]), target, "bytes", log=True)
    assert [near.axes[0].get_xscale(), far.axes[0].get_xscale()] == ["linear", "log"]


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.floats(-1e9, 1e9) | st.integers(-200, 200).map(float), min_size=1, max_size=40),
    st.integers(2, 60),
)
def test_bin_edges_rise_and_hold_every_value(values: list[float], bins: int) -> None:
    edges = plots.bin_edges(np.array([*values, np.nan]), bins)
    assert (np.diff(edges) > 0).all()
    assert np.histogram(values, edges)[0].sum() == len(values)
    assert len(edges) <= bins + 3


def test_bin_edges_of_whole_numbers_lie_between_them() -> None:
    edges = plots.bin_edges(np.array([75.0, 80, 95]))
    assert np.all(edges % 1 == 0.5)


def test_auc_dots_write_each_value() -> None:
    rows = pd.DataFrame({"name": ["JPEG quality", "size"], "auc": [0.83, 0.5], "low": [0.81, 0.5], "high": [0.85, 0.5]})
    assert words(drawn(plots.auc_dots(rows))) == ["0.830", "0.500"]
    assert words(drawn(plots.auc_dots(rows[["name", "auc"]]))) == ["0.830", "0.500"]


def test_fold_spread_hides_no_fold_and_marks_the_mean() -> None:
    rows = pd.DataFrame({"name": ["a"] * 5 + ["b"], "auc": [0.9, 0.9, 0.9, 0.91, 0.94, 0.8]})
    lines = drawn(plots.fold_spread(rows)).axes[0].lines
    places = set(zip(lines[0].get_xdata(), lines[0].get_ydata(), strict=True))
    assert len(places) == 5
    assert lines[1].get_xdata()[0] == pytest.approx(0.91)


@pytest.mark.parametrize("count", [2, 12, 30])
def test_correlation_names_every_member(count: int) -> None:
    names = [f"tf_efficientnetv2_m.in1k-384-view{number}" for number in range(count)]
    values = np.corrcoef(keys.rng("correlation").normal(size=(count, 50)))
    figure = drawn(plots.correlation(pd.DataFrame(values, names, names)))
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert len(set(labels)) == count
    assert max(map(len, labels)) <= 24
    assert len(words(figure)) == (count**2 if count <= 10 else 0)


def test_shorten_keeps_both_ends() -> None:
    assert style.shorten("tf_efficientnet_lite0-112-fold-all", 20) == "tf_effici…2-fold-all"
    assert style.shorten("lite0", 20) == "lite0"
