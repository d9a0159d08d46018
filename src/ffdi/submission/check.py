"""Check what Kaggle asks of a submission file, before any file is called done or sent.

Only the order of rows is repaired: Kaggle joins by id. Quotes around a field are CSV, as R and some settings of pandas
write it. Everything else is refused.
"""

import codecs
import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv
from numpy.typing import NDArray

from ffdi.config.competition import Competition
from ffdi.core.errors import UserError
from ffdi.metrics.ranks import midrank

NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
MARKS = {b"\0": "a NUL byte; save it as UTF-8", b"\r": "CR line ends; save it with LF",
         codecs.BOM_UTF8: "a byte order mark; remove it"}  # fmt: skip
SPECIAL = re.compile('[",]')  # what a field must be quoted for


def check(path: Path, competition: Competition, ids: Sequence[str] | None) -> pd.DataFrame:
    """Read a submission and check it.

    Args:
        path: The file.
        competition, ids: As of `check_bytes`.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; name a submission CSV.") from error
    return check_bytes(data, str(path), competition, ids)


def check_bytes(
    data: bytes, name: str, competition: Competition, ids: Sequence[str] | None, reference: pd.Series | None = None
) -> pd.DataFrame:
    """Check all that Kaggle would refuse in a submission, and what would score nothing.

    Args:
        data: The file.
        name: Its name in messages.
        competition: Names the columns.
        ids: All that the competition asks for, in its order; None: those of the file.
        reference: Scores by id, high for fakes, that the predictions must not contradict.

    Returns:
        The id and prediction columns, in the competition's order.

    Raises:
        UserError: The file is refused; the message names file, row and remedy.
    """
    table = _table(_body(data, name, competition), name)
    wanted = table["id"].unique().tolist() if ids is None else list(ids)
    place_N = _places(table["id"], wanted, name)
    score = pd.Series(_numbers(table, name), index=table["id"])
    _check_levels(score, name)
    if reference is not None:
        _check_direction(score, reference, name)
    in_order_N = np.empty(len(score))
    in_order_N[place_N] = score
    return pd.DataFrame({competition.id_column: wanted, competition.prediction_column: in_order_N})


def render(frame: pd.DataFrame, competition: Competition) -> bytes:
    """Return the file as UTF-8 with LF, every float64 by the shortest digits that read back as the same number.

    A lost digit would make ties.
    """
    header = f"{competition.id_column},{competition.prediction_column}"
    ids = frame[competition.id_column].tolist()
    if frame[competition.id_column].str.contains(SPECIAL).any():
        ids = ['"' + one.replace('"', '""') + '"' if SPECIAL.search(one) else one for one in ids]
    score = frame[competition.prediction_column].to_numpy(np.float64)
    digits = pa.array(score).cast(pa.string()).to_pylist()
    return "\n".join([header, *map(",".join, zip(ids, digits, strict=True)), ""]).encode()


def _body(data: bytes, name: str, competition: Competition) -> bytes:
    """Return the rows below the header of a plain text with the right header."""
    for mark, fault in MARKS.items():
        if mark in data:
            raise UserError(f"{name} holds {fault}.")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise UserError(f"{name} is not UTF-8 (byte {error.start}); save it as UTF-8.") from error
    header = text.partition("\n")[0]
    wanted = f"{competition.id_column},{competition.prediction_column}"
    if header not in (wanted, f'"{competition.id_column}","{competition.prediction_column}"'):
        raise UserError(f"{name}: the header is {header[:80]!r}, not {wanted!r}; write those two columns and no index.")
    if not data.endswith(b"\n"):
        raise UserError(f"{name} does not end with a line end, as if it were cut off; write it again.")
    return data[len(header.encode()) + 1 :]


def _table(body: bytes, name: str) -> pd.DataFrame:
    """Return columns id and text, one row a line."""
    if not body:
        raise UserError(f"{name} has a header and no rows; write it again.")
    try:
        table = arrow_csv.read_csv(
            io.BytesIO(body),
            arrow_csv.ReadOptions(column_names=["id", "text"], use_threads=False),
            arrow_csv.ParseOptions(ignore_empty_lines=False, newlines_in_values=False),
            arrow_csv.ConvertOptions(column_types={"id": pa.string(), "text": pa.string()}, strings_can_be_null=False),
        ).to_pandas()
    except pa.ArrowInvalid as error:
        # Arrow counts from the row below the header.
        fault = re.sub(r".*Row #(\d+)", lambda found: f"row {int(found[1]) + 1}", str(error).splitlines()[0])[:120]
        raise UserError(f"{name}, {fault}; write an id, a comma and a number with a dot on every line.") from error
    return table


def _places(found: pd.Series, wanted: list[str], name: str) -> NDArray[np.intp]:
    """Return the place of each row's id in the competition's list. Refuse a doubled, unknown or missing id."""
    again = np.flatnonzero(found.duplicated())
    if len(again):
        raise UserError(f"{name}, row {again[0] + 2}: the id {found[again[0]]!r} came before; write each once.")
    place_N = pd.Index(wanted).get_indexer(pd.Index(found))
    strange = np.flatnonzero(place_N < 0)
    lost = np.flatnonzero(np.bincount(place_N[place_N >= 0], minlength=len(wanted)) == 0)
    if len(strange):
        what = f"{len(strange)} ids are not the competition's, such as {found[strange[0]]!r} in row {strange[0] + 2}"
        raise UserError(f"{name}: {what}, and {len(lost)} are missing; write the ids as its table has them.")
    if len(lost):
        example = wanted[lost[0]]
        raise UserError(f"{name}: {len(lost)} of {len(wanted)} ids are missing, such as {example!r}; predict all.")
    return place_N


def _numbers(table: pd.DataFrame, name: str) -> NDArray[np.float64]:
    """Return the predictions, each as the nearest float64. Refuse what is no number from 0 to 1."""
    odd = np.flatnonzero(~table["text"].str.fullmatch(NUMBER))
    if len(odd):
        where = f"{name}, row {odd[0] + 2} ({table['id'][odd[0]]})"
        raise UserError(
            f"{where}: the prediction {table['text'][odd[0]]!r} is no finite number; write one such as 0.25."
        )
    score_N = table["text"].to_numpy(object).astype(np.float64)
    outside = np.flatnonzero((score_N < 0) | (score_N > 1))
    if len(outside):
        where = f"{name}, row {outside[0] + 2} ({table['id'][outside[0]]})"
        raise UserError(f"{where}: {table['text'][outside[0]]} is outside 0 to 1; send the chance of a fake.")
    return score_N


def _check_levels(score: pd.Series, name: str) -> None:
    levels = score.unique().tolist()
    if len(levels) == 1:
        raise UserError(f"{name}: every prediction is {levels[0]!r}, an AUC of 0.5; send scores that differ.")
    if len(levels) == 2 and len(score) > 2:
        raise UserError(f"{name}: only {levels[0]!r} and {levels[1]!r} are predicted; send scores, not classes.")


def _check_direction(score: pd.Series, reference: pd.Series, name: str) -> None:
    known = reference.reindex(score.index).dropna()
    if known.nunique() < 2:
        return
    correlation = float(np.corrcoef(midrank(score.loc[known.index]), midrank(known))[0, 1])
    if correlation < 0:
        raise UserError(
            f"{name}: the predictions rank images against the members (correlation {correlation:.2f}); "
            "are fakes and reals exchanged? A high prediction means fake."
        )
