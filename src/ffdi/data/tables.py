"""Read a competition's table of ids and targets strictly: every odd table is repaired as written here, or refused.

Repaired: a byte order mark, CRLF and CR line ends, blank lines at the end, tabs or semicolons between the columns,
spaces around column names, extra columns (ignored), targets written 0.0 and 1.0 or with spaces around.
Refused with file and row (the header is row 1): everything else that is not one clean id and one known target a row.
Ids are text, so leading zeros stay, and they may name files in folders below the image folder.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from ffdi.config.competition import Competition
from ffdi.core.errors import UserError
from ffdi.core.layout import inside
from ffdi.core.stand_ins import stand_in

# What nearly every id is made of: checked at once for all rows; the others one by one, in `_flaw_of_id`.
_PLAIN = r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*[A-Za-z0-9_-][A-Za-z0-9._-]*"


def read_labels(folder: Path, competition: Competition, split: str) -> pd.DataFrame:
    """Return id (str) and target (int8; -1 where the split has none) of one split's table, in its order.

    Nothing outside `folder` is read.

    Args:
        folder: The competition folder.
        competition: Names the table and its columns.
        split: "train", "val" or "test".

    Raises:
        UserError: names file, row and remedy.
    """
    described = competition.splits[split]
    path = inside(folder, described.labels)
    columns = [competition.id_column, *([competition.target_column] if described.has_target else [])]
    ids, *targets = _columns(_text(path), columns, path)
    _check_ids(ids, path)
    target = _targets(targets[0], competition, path) if targets else np.full(len(ids), -1, np.int8)
    return pd.DataFrame({"id": ids, "target": target})


def _text(path: Path) -> str:
    """Return the file with LF line ends, without byte order mark and blank lines at the end."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"Cannot read the label table {path}: {error.strerror}; put it there.") from error
    if not data.strip():
        raise UserError(f"{path} is empty; put the contest's label table there.")
    if found := stand_in(data):
        raise UserError(f"{path} is {found.what}, not the table; {found.remedy}.")
    data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").rstrip(b"\n") + b"\n"
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}, row {row}: not UTF-8; unpack the file, or save it as plain UTF-8 text.") from error


def _columns(text: str, columns: list[str], path: Path) -> list[pd.Series]:
    """Return the wanted columns as text. Raises UserError for a row with more or fewer fields than the header."""
    separator = max(",\t;", key=text[: text.index("\n")].count)
    rows, row = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True), 0
    found: list[list[str]] = [[] for _ in columns]
    try:
        header = [name.strip() for name in next(rows)]
        _check_header(header, columns, path)
        places, row = [header.index(name) for name in columns], 1
        for row, fields in enumerate(rows, 2):
            if len(fields) != len(header):
                raise UserError(
                    f"{path}, row {row}: {len(fields)} fields, and the header has {len(header)}; write as many, and "
                    f"quote a field that holds {separator!r}."
                )
            for column, place in zip(found, places, strict=True):
                column.append(fields[place])
    except csv.Error as error:
        raise UserError(f"{path}, row {row + 1}: {error}; close every quote.") from error
    if row < 2:
        raise UserError(f"{path} has a header and no rows; put the contest's label table there.")
    return [pd.Series(column, dtype="str") for column in found]


def _check_header(header: list[str], columns: list[str], path: Path) -> None:
    for name in columns:
        if (count := header.count(name)) != 1:
            fault = f"{count} columns named" if count else "no column"
            shown = ", ".join(map(repr, header[:6]))
            raise UserError(
                f"{path}, row 1: {fault} {name!r} (found: {shown}); name it once in the first line, or correct "
                "id_column or target_column of the competition."
            )


def _check_ids(ids: pd.Series, path: Path) -> None:
    _refuse(ids[~ids.str.fullmatch(_PLAIN)], _flaw_of_id, path)
    repeated = ids[ids.duplicated(keep=False)]
    if len(repeated):
        rows = repeated.index[repeated == repeated.iloc[0]][:2] + 2
        raise UserError(
            f"{path}: the id {repeated.iloc[0]!r} stands in rows {rows[0]} and {rows[1]}; keep one of them."
        )


def _flaw_of_id(text: str) -> str:
    """Return what is wrong with an id, and the remedy; "" if nothing."""
    if text == "" or text != text.strip():
        return "is empty or has spaces around; write the file name alone"
    if any(unicodedata.category(letter)[0] == "C" or unicodedata.category(letter) in ("Zl", "Zp") for letter in text):
        return "holds a control, direction or line break character; write the plain file name"
    if "\\" in text or re.match("[A-Za-z]:", text):
        return "is a Windows path; write it relative to the image folder, with /"
    if any(part in ("", ".", "..") for part in text.split("/")):
        return "is no plain path below the image folder; write it without a leading /, `.` or `..`"
    return ""


def _targets(written: pd.Series, competition: Competition, path: Path) -> np.ndarray:
    """Return int8 targets, by the few distinct texts of the column."""
    words = {_plain(word): 0 for word in competition.real_words} | {_plain(word): 1 for word in competition.fake_words}
    codes, texts = pd.factorize(written)
    targets = np.array([words.get(_plain(text), -1) for text in texts], np.int8)[codes]
    real, fake = competition.real_words[0], competition.fake_words[0]
    flaw = f"is no target; write {real} for real and {fake} for fake, or name it among the competition's "
    _refuse(written[targets < 0], lambda _: f"{flaw}real_words or fake_words", path)
    return targets


def _plain(text: str) -> str:
    """Return a target without spaces, letter case and the decimals of a whole number."""
    return re.sub(r"^(\d+)\.0*$", r"\1", text.strip().casefold())


def _refuse(values: pd.Series, flaw_of: Callable[[str], str], path: Path) -> None:
    pairs = zip(values.index.to_numpy() + 2, values, strict=True)
    found = [(row, text, flaw) for row, text in pairs if (flaw := flaw_of(text))]
    if found:
        row, text, flaw = found[0]
        more = f" ({len(found):,} such rows)" if len(found) > 1 else ""
        raise UserError(f"{path}, row {row}: {text[:80]!r} {flaw}{more}.")
