import copy
import csv
import io
import multiprocessing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffdi.core import checksum, digest
from ffdi.core.errors import CorruptError, UserError
from ffdi.submission import ledger
from ffdi.submission.folder import CARD, CSV, keep
from ffdi.submission.row import COLUMNS, STATUSES, Row, ordered, parse, plain, render

HOSTILE = [
    "=cmd|' /C calc'!A0",
    "a,b",
    'say "no"',
    "two\nlines",
    "\r\n",
    "\0",
    "é, 中, \u202e",
    "-1+1",
    "@SUM(A1)",
    "\ud800",
]


def row(number: int = 1, **changes: Any) -> Row:
    given = {
        "tag": f"ffdi-{number:012x}-1", "date": f"2026-11-22T18:00:{number % 60:02d}+00:00", "competition": "contest",
        "submission": "001-toy", "sha256": digest.of_bytes(b"%d" % number), "inputs": "in", "kind": "file",
        "file": CSV, "status": "sent",
    }  # fmt: skip
    return Row(**(given | changes))


def folders(root: Path, count: int) -> list[str]:
    """Finished submissions, with cards and without numbers in them."""
    made = [keep(b"id,p\na,%d\n" % index, CSV, {"competition": "toy"}, "in", root, "toy") for index in range(count)]
    return [one.folder.name for one in made]


texts = st.one_of(st.text(max_size=40), st.sampled_from(HOSTILE)).map(plain)
scores = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def rows_of(draw: st.DrawFn, submissions: int) -> list[Row]:
    count = draw(st.integers(1, 8))
    return [
        row(
            number,
            submission=f"{draw(st.integers(1, submissions)):03d}-toy", status=draw(st.sampled_from(STATUSES)),
            date=draw(st.sampled_from(["2026-11-22T18:00:00+00:00", "2025-01-01T00:00:01+00:00"])),
            kernel=draw(texts), version=draw(st.none() | st.integers()), method=draw(texts), error=draw(texts),
            ref=draw(st.none() | st.integers()),
            **{name: draw(scores) for name in ("oof", "nested", "forecast_low", "noise", "public", "private")},
        )
        for number in range(count)
    ]  # fmt: skip


@given(st.lists(st.one_of(st.text(max_size=400), st.sampled_from(HOSTILE)), min_size=1, max_size=5))
def test_any_text_becomes_one_plain_line(given: list[str]) -> None:
    for text in map(plain, given):
        assert plain(text) == text
        assert len(text) <= 300
        assert not text.startswith(tuple("=+-@"))
        assert text.isprintable()


@settings(max_examples=40)
@given(rows_of(3))
def test_rows_come_back_from_csv_as_they_were(rows: list[Row]) -> None:
    data = render(rows)
    assert parse(data, "ledger.csv") == ordered(rows)
    assert render(reversed(rows)) == data
    assert len(list(csv.reader(io.StringIO(data.decode())))) == len(rows) + 1


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_a_lost_ledger_is_made_anew_from_the_cards_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    root = tmp_path_factory.mktemp("submissions")
    folders(root, 3)
    rows = data.draw(rows_of(3))
    for one in rows:
        ledger.record(root, one)
    path = root / ledger.LEDGER
    written = path.read_bytes()
    assert written == render(rows)
    path.unlink()
    assert ledger.load(root) == ordered(rows)
    assert path.read_bytes() == written


def test_a_row_takes_the_place_of_the_one_with_its_tag(tmp_path: Path) -> None:
    folders(tmp_path, 1)
    card = checksum.read_json(tmp_path / "001-toy" / CARD)
    for status in ("pending", "sent", "scored"):
        ledger.record(tmp_path, row(status=status))
        assert [one.status for one in ledger.load(tmp_path)] == [status]
    after = checksum.read_json(tmp_path / "001-toy" / CARD)
    assert [one["status"] for one in after.pop("sent")] == ["scored"]
    assert after == card


@pytest.mark.parametrize("behind", ["ledger", "card"])
def test_of_two_accounts_the_one_that_knows_more_is_kept(tmp_path: Path, behind: str) -> None:
    folders(tmp_path, 1)
    ledger.record(tmp_path, row(status="sent"))
    paths = {"ledger": tmp_path / ledger.LEDGER, "card": tmp_path / "001-toy" / CARD}
    old = paths[behind].read_bytes()
    ledger.record(tmp_path, row(status="scored", public=0.9))
    paths[behind].write_bytes(old)
    assert [(one.status, one.public) for one in ledger.load(tmp_path)] == [("scored", 0.9)]
    assert b"scored" in paths["ledger"].read_bytes()


def test_a_row_outlives_its_folder(tmp_path: Path) -> None:
    ledger.record(tmp_path, row(submission="007-gone"))
    assert [one.submission for one in ledger.load(tmp_path)] == ["007-gone"]


def test_nothing_sent_writes_nothing(tmp_path: Path) -> None:
    assert ledger.load(tmp_path / "none") == []
    folders(tmp_path, 1)
    assert ledger.load(tmp_path) == []
    assert not (tmp_path / ledger.LEDGER).exists()


def _spoiled(change: Any) -> bytes:
    lines = [list(line) for line in csv.reader(io.StringIO(render([row(1), row(2)]).decode()))]
    change(lines)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue().encode()


def _set(column: str, value: str) -> Any:
    return lambda lines: lines[2].__setitem__(COLUMNS.index(column), value)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (_spoiled(lambda lines: lines[0].append("mood")), "row 1: the columns differ from the ledger's: mood"),
        (_spoiled(lambda lines: lines[0].reverse()), "row 1"),
        (_spoiled(lambda lines: lines[2].pop()), f"row 3: {len(COLUMNS) - 1} fields"),
        (_spoiled(lambda lines: lines.insert(2, ["<<<<<<< HEAD"])), "row 3: 1 fields"),
        (_spoiled(lambda lines: lines.append(copy.copy(lines[1]))), "row 4: the tag ffdi-000000000001-1 came before"),
        (_spoiled(_set("status", "done")), "row 3, status"),
        (_spoiled(_set("public", "0,95")), "row 3, public"),
        (_spoiled(_set("public", "nan")), "row 3, public"),
        (_spoiled(_set("tag", "")), "row 3, tag"),
        (_spoiled(_set("date", "yesterday")), "row 3, date"),
        (_spoiled(_set("submission", "001-../../x")), "row 3, submission"),
        (_spoiled(_set("error", "=HYPERLINK(1)")), "row 3, error"),
        (b"\xff\xfe", "no CSV in UTF-8"),
        (render([row(1)])[:-5] + b'"', "no CSV in UTF-8|row 2"),
    ],
)
def test_a_damaged_row_is_one_sentence_with_the_remedy(tmp_path: Path, data: bytes, named: str) -> None:
    path = tmp_path / ledger.LEDGER
    path.write_bytes(data)
    with pytest.raises(UserError, match=named) as caught:
        ledger.load(tmp_path)
    assert "ffdi ledger" in str(caught.value)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == data


def test_a_card_edited_or_damaged_is_named(tmp_path: Path) -> None:
    (name,) = folders(tmp_path, 1)
    path = tmp_path / name / CARD
    checksum.write_json(path, checksum.read_json(path) | {"sent": [{"tag": "mine"}]})
    with pytest.raises(UserError, match=r"card\.json, sent, tag"):
        ledger.load(tmp_path)
    path.write_text(path.read_text().replace("toy", "tox"))
    with pytest.raises(CorruptError, match=name):
        ledger.load(tmp_path)


def _write(root: Path, number: int) -> None:
    ledger.record(root, row(number, submission=f"{number % 2 + 1:03d}-toy"))


def test_racing_writers_lose_no_row(tmp_path: Path) -> None:
    folders(tmp_path, 2)
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write, args=(tmp_path, number)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 8
    assert {one.tag for one in ledger.load(tmp_path)} == {row(number).tag for number in range(8)}
