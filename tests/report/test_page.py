"""A page loads nothing, escapes everything, and never takes the work down."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ffdi.report import plots
from ffdi.report.page import Gallery, Page, Picture, Section, Text, Thumb, render, show
from ffdi.report.table import interval, spread, table, write
from tests.fixtures.html_reader import check, read

HOSTILE = '<script src="http://evil.example/x.js">alert("1")</script> & \'quotes\''


def hostile_page() -> Page:
    """Return a page with every kind of block, each text as an attacker's file name would have it."""
    thumbs = (Thumb("", HOSTILE, HOSTILE, HOSTILE, "fake", HOSTILE),)
    blocks = (
        Text(HOSTILE),
        Text(HOSTILE, warning=True),
        plots.embed(plots.panel()[0], HOSTILE, HOSTILE),
        table(pd.DataFrame({HOSTILE: [HOSTILE]}), HOSTILE, HOSTILE),
        Gallery(HOSTILE, thumbs, HOSTILE),
    )
    sections = (Section("One", blocks), Section("Empty", ()), Section("Two: <b>", (Text("end"),)))
    return Page(HOSTILE, HOSTILE, sections, {HOSTILE: HOSTILE})


def test_every_text_is_escaped_and_equal_pages_are_equal_text() -> None:
    html = render(hostile_page())
    page = check(html, HOSTILE)
    assert "script" not in page.tags
    assert [words for _, words in page.words].count(HOSTILE) >= 9
    assert page.images[-1]["aria-label"] == HOSTILE
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in html
    assert html == render(hostile_page())


def test_blocks_keep_their_order_and_empty_sections_are_left_out() -> None:
    page = read(render(hostile_page()))
    kept = [tag for tag in page.tags if tag in ("h1", "h2", "table", "h3", "footer")]
    assert kept == ["h1", "h2", "table", "h3", "h2", "footer", "h2"]
    assert page.targets == page.ids == ["one", "two-b"]
    bare = check(render(Page("Title", "Nothing to see.", ())), "Nothing to see.")
    assert not {"dl", "nav", "footer", "section"} & set(bare.tags)
    picture = Picture("a", "b", "data:image/png;base64,")
    runs = Section("S", (picture, picture, Text("t"), picture)).runs
    assert [(kind, len(blocks)) for kind, blocks in runs] == [("Picture", 2), ("Text", 1), ("Picture", 1)]


def test_a_page_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "reports" / "folds.html"
    for headline in ("First.", "Second."):
        show(path, partial(Page, "Title", headline, ()))
    assert path.read_text() == render(Page("Title", "Second.", ()))
    assert [file.name for file in path.parent.iterdir()] == ["folds.html"]


def test_conclusion_warnings_and_tables_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = (Text("Only on the page."), Text("Act on it.", warning=True), table(pd.DataFrame({"a": [0.5]}), "Counts"))
    show(tmp_path / "folds.html", partial(Page, "Title", "All is well.", (Section("S", blocks),)))
    out, err = capsys.readouterr()
    assert "All is well." in out
    assert "Counts" in out
    assert "0.5" in out
    assert "Only on the page" not in out + err
    assert err == "warning: Act on it.\n"


def test_what_a_page_raises_is_one_warning_that_names_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> Page:
        raise ImportError("no matplotlib")

    (tmp_path / "file").write_text("")
    show(tmp_path / "train.html", broken)
    show(tmp_path / "file" / "blend.html", lambda: Page("Title", "Text.", ()))
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("warning: The page train.html was not written (ImportError: no matplotlib)")
    assert second.startswith("warning: The page blend.html was not written (UserError: ")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_pages_need_neither_torch_nor_pyplot_and_their_front_no_matplotlib() -> None:
    code = (
        "import sys\n"
        "import ffdi.report.page\n"
        "print('matplotlib' in sys.modules)\n"
        "from ffdi.report import blend, folds, train\n"
        "print(sorted({'torch', 'matplotlib.pyplot', 'tkinter'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n[]\n"


def test_a_table_formats_by_type_and_says_that_it_is_cut() -> None:
    frame = pd.DataFrame({
        "fold_name": ["a", None], "images": [524_429, 1], "auc": [0.98051, np.nan], "ok": [True, False],
        "share": pd.array([0.5, None], dtype="Float64"),
    })  # fmt: skip
    shown = table(frame, "Title", formats={"auc": ".4f"}, names={"auc": "OOF AUC"})
    assert shown.columns == ("fold name", "images", "OOF AUC", "ok", "share")
    assert shown.rows == (("a", "524,429", "0.9805", "yes", "0.5"), ("–", "1", "–", "no", "–"))
    assert shown.numeric == (False, True, True, False, True)
    cut = table(pd.DataFrame({"n": range(1234)}), "Title", "All.", limit=20)
    assert (len(cut.rows), cut.caption) == (20, "All. The first 20 of 1,234 rows.")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (interval(0.9, 0.95), "0.9000 to 0.9500"),
        (interval(float("nan"), 1), "–"), (spread(0.9, 0.01), "0.9000 ± 0.0100"), (spread(0.9, float("nan")), "0.9000"),
        (write(float("inf")), "–"), (write(np.int64(12345)), "12,345"), (write(np.float32(0.25)), "0.25"),
        (write(pd.NA), "–"),
    ],
)  # fmt: skip
def test_words_for_numbers(text: str, said: str) -> None:
    assert text == said
