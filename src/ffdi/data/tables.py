"""A competition's table of ids and targets, read strictly: every odd table is repaired as written here, or refused.

Repaired, with a note: a byte order mark, UTF-16 with its mark, spaces around column names, extra columns (ignored).
Repaired in silence: CRLF and CR line ends, blank lines at the end, targets written 0.0 and 1.0 or with spaces around.
Refused with file and row (the header is row 1): everything else that is not one clean id and a target 0 or 1 a row.
Ids are text, so leading zeros stay, and they may name files in folders below the image folder.
"""

import csv
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ffdi.config.competition import Competition
from ffdi.core.errors import UserError
from ffdi.core.layout import inside

MAX_BYTES = 1_000_000_000  # refused before reading
MAX_ROWS = 5_000_000  # ten times the contest
_SHOWN = 3  # rows named in one message
# What nearly every id is made of: checked at once for all rows; the others one by one, in `_flaw_of_id`.
_PLAIN = r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*[A-Za-z0-9_-][A-Za-z0-9._-]*"
_LONGEST = 255  # bytes of a file name
_TARGET = re.compile(r"\s*([01])(?:\.0*)?\s*")


@dataclass(frozen=True)
class Labels:
    """`frame`: id str, target int8 (-1 where the split has none), in the table's order. `notes`: what was repaired."""

    frame: pd.DataFrame
    notes: tuple[str, ...]


def read_labels(folder: Path, competition: Competition, split: str) -> Labels:
    """The rows of one split's table. Raises UserError with file, row and remedy; reads nothing outside `folder`."""
    wish = competition.splits[split]
    path = inside(folder, wish.labels)
    data, notes = _utf8(path)
    header, more = _header(data, path)
    notes += more
    columns = [competition.id_column, *([competition.target_column] if wish.has_target else [])]
    _check_header(header, columns, path)
    extra = [name for name in header if name not in (competition.id_column, competition.target_column)]
    if extra:
        notes.append(f"{path.name}: extra columns ignored: {', '.join(map(repr, extra))}.")
    table = _parse(data, header, columns, path)
    ids = table[competition.id_column]
    _check_ids(ids, path)
    targets = _targets(table[competition.target_column], path) if wish.has_target else np.full(len(ids), -1, np.int8)
    return Labels(pd.DataFrame({"id": ids, "target": targets}), tuple(notes))


def _utf8(path: Path) -> tuple[bytes, list[str]]:
    """The file as UTF-8 with LF line ends, without byte order mark and blank lines at the end; and notes."""
    data, notes = _bytes_of(path), []
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        data = _recoded(data, path)
        notes.append(f"{path.name}: read as UTF-16.")
    elif data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
        notes.append(f"{path.name}: byte order mark ignored.")
    data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").rstrip(b"\n") + b"\n"
    if (rows := data.count(b"\n")) > MAX_ROWS:
        raise UserError(f"{path} has {rows:,} rows, more than {MAX_ROWS:,}; is it the right file?")
    if (at := data.find(b"\0")) >= 0:
        row = data.count(b"\n", 0, at) + 1
        raise UserError(f"{path}, row {row}: a NUL byte; save the table as plain UTF-8 text.")
    try:
        data.decode()
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}, row {row}: not UTF-8; save the table as plain UTF-8 text.") from error
    return data, notes


def _bytes_of(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise UserError(f"{path} has {size:,} bytes, more than {MAX_BYTES:,}; is it the right file?")
        data = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"Cannot read the label table {path}: {error.strerror}; put the contest's file there."
        ) from error
    if not data.strip():
        raise UserError(f"{path} is empty; put the contest's label table there.")
    return data


def _recoded(data: bytes, path: Path) -> bytes:
    try:
        return data.decode("utf-16").encode()
    except UnicodeError as error:
        raise UserError(f"{path} starts as UTF-16 and is not; save the table as plain UTF-8 text.") from error


def _header(data: bytes, path: Path) -> tuple[list[str], list[str]]:
    try:
        written = next(csv.reader([data[: data.index(b"\n")].decode()], strict=True))
    except csv.Error as error:
        raise UserError(f"{path}, row 1: {error}; write the column names separated by commas.") from error
    names = [name.strip() for name in written]
    return names, [f"{path.name}: spaces around column names ignored."] if names != written else []


def _check_header(header: list[str], columns: list[str], path: Path) -> None:
    for name in columns:
        if header.count(name) != 1:
            fault = "no column" if name not in header else f"{header.count(name)} columns named"
            shown = ", ".join(map(repr, header[:6]))
            raise UserError(
                f"{path}, row 1: {fault} {name!r} (found: {shown}); name it once, columns separated by commas."
            )


def _parse(data: bytes, header: list[str], columns: list[str], path: Path) -> pd.DataFrame:
    """The id column as text and the target column as categories of text. Extra and missing fields are refused."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    bad: list[str] = []

    def refuse(row: "arrow.InvalidRow") -> str:
        bad.append(f"row {row.number}: {row.actual_columns} fields, not {row.expected_columns}")
        return "error"

    numbered = [str(position) for position in range(len(header))]  # other columns' names may repeat
    wanted = [str(header.index(name)) for name in columns]
    try:
        table = arrow.read_csv(
            pa.py_buffer(data),
            arrow.ReadOptions(use_threads=False, skip_rows=1, column_names=numbered),
            arrow.ParseOptions(newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=refuse),
            arrow.ConvertOptions(
                column_types=dict(zip(wanted, (pa.string(), pa.dictionary(pa.int32(), pa.string())), strict=False)),
                include_columns=wanted,
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        reason = bad[0] if bad else str(error)
        raise UserError(f"{path}, {reason}; quote a field that holds a comma.") from error
    if table.num_rows == 0:
        raise UserError(f"{path} has a header and no rows; put the contest's label table there.")
    return table.rename_columns(columns).to_pandas()


def _check_ids(ids: pd.Series, path: Path) -> None:
    odd = ids[~ids.str.fullmatch(_PLAIN) | (ids.str.len() > _LONGEST)]
    _refuse(odd, _flaw_of_id, path)
    _refuse_twins(ids, "the id {!r} stands in rows {}; keep one of them", path)
    folded = ids.str.lower()
    folded.loc[odd.index] = pd.Series([unicodedata.normalize("NFC", text).casefold() for text in odd], odd.index, str)
    if (folded != ids).any():
        _refuse_twins(folded, "ids that differ only by case or accents ({!r}) stand in rows {}; rename one", path)


def _flaw_of_id(text: str) -> str:
    """What is wrong with an id, and the remedy; "" if nothing."""
    if text == "" or text != text.strip():
        return "is empty or has spaces around; write the file name alone"
    if any(unicodedata.category(letter)[0] == "C" or unicodedata.category(letter) in ("Zl", "Zp") for letter in text):
        return "holds a control, direction or line break character; write the plain file name"
    if text[0] in "=+-@":
        return "starts as a formula, which spreadsheets run; rename the file"
    if "\\" in text or re.match("[A-Za-z]:", text):
        return "is a Windows path; write it relative to the image folder, with /"
    if any(part in ("", ".", "..") for part in text.split("/")):
        return "leads out of the image folder; write the file name alone"
    if any(len(part.encode()) > _LONGEST for part in text.split("/")):
        return "is longer than a file name can be; write the file name alone"
    return ""


def _targets(written: pd.Series, path: Path) -> np.ndarray:
    """int8 targets of a categorical column. Its few distinct texts are judged, not the rows."""
    codes = written.cat.codes.to_numpy()
    matches = [_TARGET.fullmatch(text) for text in written.cat.categories]
    wrong = np.array([match is None for match in matches])
    _refuse(written[wrong[codes]], lambda _: "is no target; write 0 for real and 1 for fake", path)
    return np.array([int(match.group(1)) for match in matches if match], np.int8)[codes]


def _refuse(values: pd.Series, flaw_of: Callable[[str], str], path: Path) -> None:
    pairs = zip(values.index.to_numpy() + 2, values, strict=True)
    found = [(row, text, flaw) for row, text in pairs if (flaw := flaw_of(text))]
    if found:
        row, text, flaw = found[0]
        also = [str(other) for other, _, _ in found[1:_SHOWN]]
        more = f" ({len(found):,} such rows, also {', '.join(also)})" if also else ""
        raise UserError(f"{path}, row {row}: {text[:80]!r} {flaw}{more}.")


def _refuse_twins(values: pd.Series, message: str, path: Path) -> None:
    twins = values[values.duplicated(keep=False)]
    if len(twins):
        rows = twins.index[twins == twins.iloc[0]][:_SHOWN] + 2
        number = twins.nunique()
        more = f" ({number:,} such ids)" if number > 1 else ""
        raise UserError(f"{path}: {message.format(twins.iloc[0], ' and '.join(map(str, rows)))}{more}.")
