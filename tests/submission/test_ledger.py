import csv
import io
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffdi.core import checksum
from ffdi.core.layout import LEDGER, LEDGER_CSV
from ffdi.submission.ledger import MEANING, Row, load, one_line, record
from tests.fixtures.sending import row

HOSTILE = ["=cmd|' /C calc'!A0", "a,b", 'say "no"', "two\nlines", "\0", "é, \u202e", "-1+1", "@SUM(A1)", "\ud800"]
texts = st.one_of(st.text(max_size=400), st.sampled_from(HOSTILE))
scores = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    return [
        row(
            number,
            status=draw(st.sampled_from(list(MEANING))),
            date=draw(st.sampled_from(["2026-11-22T18:00:00+00:00", "2025-01-01T00:00:01+00:00"])),
            method=one_line(draw(texts)), error=one_line(draw(texts)), ref=draw(st.integers(0, 10**9)),
            **{name: draw(scores) for name in ("oof", "nested", "forecast_low", "public", "private")},
        )
        for number in range(draw(st.integers(1, 8)))
    ]  # fmt: skip


@given(texts)
def test_any_text_becomes_one_plain_line(text: str) -> None:
    line = one_line(text)
    assert one_line(line) == line
    assert len(line) <= 300
    assert not line.startswith(tuple("=+-@"))
    assert line.isprintable()


@settings(max_examples=25, deadline=None)
@given(rows())
def test_rows_come_back_as_they_were_by_date_and_the_csv_has_a_line_each(
    tmp_path_factory: pytest.TempPathFactory, given: list[Row]
) -> None:
    root = tmp_path_factory.mktemp("submissions")
    for one in given:
        record(root, one)
    assert load(root) == sorted(given, key=lambda one: (one.date, one.tag))
    lines = list(csv.DictReader(io.StringIO((root / LEDGER_CSV).read_text())))
    assert [line["tag"] for line in lines] == [one.tag for one in load(root)]
    assert list(lines[0]) == list(asdict(given[0]))
    record(root, replace(given[0], status="lost"))  # takes the place of the one with its tag
    assert [one.status for one in load(root) if one.tag == given[0].tag] == ["lost"]


def test_what_a_newer_kit_wrote_besides_is_passed_over(tmp_path: Path) -> None:
    checksum.write_json(tmp_path / LEDGER / "ffdi-1.json", {**asdict(row()), "team": "ours"})
    assert load(tmp_path) == [row()]
