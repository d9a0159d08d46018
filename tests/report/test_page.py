from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ffdi.core import keys
from ffdi.report import style
from ffdi.report.figures import embed
from ffdi.report.page import Card, Fact, Gallery, Page, Picture, Section, Text, Thumb, render, write_safely
from ffdi.report.table import interval, percent, spread, table, volume
from ffdi.report.table import write as cell
from tests.report.html_reader import check, read

HOSTILE = '<script src="http://evil.example/x.js">alert("1")</script> & \'quotes\''


def hostile_page() -> Page:
    """Every block, every text of it as an attacker's file name would have it."""
    figure, _ = style.panel()
    cards = (Card((Thumb("", HOSTILE, HOSTILE, HOSTILE, "fake", HOSTILE),), HOSTILE),)
    blocks = (
        Text(HOSTILE),
        Text(HOSTILE, warning=True),
        embed(figure, HOSTILE, HOSTILE, HOSTILE),
        table(pd.DataFrame({HOSTILE: [HOSTILE]}), HOSTILE, HOSTILE),
        Gallery(HOSTILE, cards, HOSTILE),
    )
    sections = (Section("One", blocks), Section("Two: <b>", (Text("end"),)))
    return Page(HOSTILE, HOSTILE, sections, (Fact(HOSTILE, HOSTILE, HOSTILE),), {HOSTILE: HOSTILE})


def test_every_text_is_escaped() -> None:
    page = check(render(hostile_page()), HOSTILE)
    assert "script" not in page.tags
    assert [words for _, words in page.words].count(HOSTILE) >= 12
    assert page.images[-1]["aria-label"] == HOSTILE


def test_blocks_keep_their_order_and_stand_under_their_section() -> None:
    page = read(render(hostile_page()))
    kept = [tag for tag in page.tags if tag in ("h1", "h2", "table", "h3", "footer")]
    assert kept == ["h1", "h2", "table", "h3", "h2", "footer", "h2"]
    assert page.targets == page.ids == ["one", "two-b"]


def test_a_page_without_facts_sections_or_provenance_is_whole() -> None:
    page = check(render(Page("Title", "Nothing to see.", ())), "Nothing to see.")
    assert not {"dl", "nav", "footer", "section"} & set(page.tags)


def test_equal_pages_give_equal_text() -> None:
    assert render(hostile_page()) == render(hostile_page())


def test_the_browser_is_told_to_load_nothing() -> None:
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in render(Page("Title", "Text.", ()))


def test_a_page_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "reports" / "folds.html"
    for headline in ("First.", "Second."):
        assert write_safely(path, partial(Page, "Title", headline, ()))
    assert path.read_text() == render(Page("Title", "Second.", ()))
    assert [file.name for file in path.parent.iterdir()] == ["folds.html"]


def test_what_a_page_raises_is_one_warning_that_names_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> Page:
        raise ImportError("no matplotlib")

    (tmp_path / "file").write_text("")
    assert not write_safely(tmp_path / "train.html", broken)
    assert not write_safely(tmp_path / "file" / "blend.html", lambda: Page("Title", "Text.", ()))
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("warning: The page train.html was not written (ImportError: no matplotlib)")
    assert second.startswith("warning: The page blend.html was not written (UserError: ")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_figure_is_small_svg_or_png_and_always_the_same() -> None:
    light, heavy = [style.panel() for _ in range(2)], style.panel()
    for _, axes in light:
        axes.plot([0, 1], [0, 1])
    heavy[1].plot(*keys.rng("noise").random((2, 20_000)), "o")
    first, second = (embed(figure, "a", "b") for figure, _ in light)
    assert first == second
    assert first.source.startswith("data:image/svg+xml;base64,")
    assert embed(heavy[0], "a", "b").source.startswith("data:image/png;base64,")
    assert (first.width, first.height) == (round(style.WIDTH * 96), round(style.HEIGHT * 96))


def test_a_table_formats_by_type() -> None:
    frame = pd.DataFrame({
        "fold_name": ["a", None], "images": [524_429, 1], "auc": [0.98051, np.nan], "ok": [True, False],
        "share": pd.array([0.5, None], dtype="Float64"),
    })  # fmt: skip
    shown = table(frame, "Title", formats={"auc": ".4f"}, names={"auc": "OOF AUC"})
    assert shown.columns == ("fold name", "images", "OOF AUC", "ok", "share")
    assert shown.rows == (("a", "524,429", "0.9805", "yes", "0.5"), ("–", "1", "–", "no", "–"))
    assert shown.numeric == (False, True, True, False, True)


def test_a_long_table_says_that_it_is_cut() -> None:
    shown = table(pd.DataFrame({"n": range(1234)}), "Title", "All.", most=20)
    assert len(shown.rows) == 20
    assert shown.caption == "All. The first 20 of 1,234 rows."


def test_words_for_numbers() -> None:
    assert [percent(0.8105), percent(float("nan"))] == ["81.0%", "–"]
    assert [interval(0.9, 0.95), spread(0.9, 0.01), spread(0.9, float("nan"))] == [
        "0.9000 to 0.9500", "0.9000 ± 0.0100", "0.9000",
    ]  # fmt: skip
    assert [volume(999), volume(5_712_345), volume(41 * 10**9)] == ["999 bytes", "5.71 MB", "41 GB"]
    values = [float("inf"), np.int64(12345), np.float32(0.25), pd.NA]
    assert [cell(value) for value in values] == ["–", "12,345", "0.25", "–"]


def test_runs_keep_neighbours_of_one_kind_together() -> None:
    picture = Picture("a", "b", "data:image/png;base64,")
    section = Section("S", (picture, picture, Text("t"), picture))
    assert [(kind, len(blocks)) for kind, blocks in section.runs] == [("Picture", 2), ("Text", 1), ("Picture", 1)]
