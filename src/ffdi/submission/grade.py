"""A submission against the truth: how well it ranked, in all and against each family of forgeries on its own."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ffdi.config.competition import Competition
from ffdi.core.errors import UserError
from ffdi.metrics.auc import auc, tpr_at_fpr
from ffdi.metrics.delong import Interval, delong

FAMILY = "family"  # the optional column of a labels table that names the kind of each forgery
FALSE_ALARMS = (1e-2, 5e-3, 1e-3)


@dataclass(frozen=True)
class Family:
    """The forgeries of one kind against all originals."""

    auc: Interval
    fakes: int


@dataclass(frozen=True)
class Grade:
    """What a submission is worth: `tpr` by false positive rate, `families` by name (empty if the labels name none)."""

    auc: Interval
    tpr: dict[float, float]
    families: dict[str, Family]
    originals: int
    fakes: int


def grade(submission: Path, labels: Path, competition: Competition, level: float = 0.95) -> Grade:
    """Score a submission CSV against a labels CSV, joined by id; intervals are DeLong's at `level`.

    Each family's fakes are set against all originals. Raises UserError if a file, a column or an id is missing, an id
    comes twice or is in one file only, a prediction is not a finite number or a target is not 0 or 1.
    """
    truth = _read(labels, competition.id_column, [competition.target_column])
    given = _read(submission, competition.id_column, [competition.prediction_column])
    _same_ids(given, submission, truth, labels)
    target_N = _numbers(truth[competition.target_column], labels)
    score_N = _numbers(given[competition.prediction_column].loc[truth.index], submission)
    return Grade(
        auc=delong(target_N, score_N, level),
        tpr={fpr: tpr_at_fpr(target_N, score_N, fpr) for fpr in FALSE_ALARMS},
        families=_by_family(truth, target_N, score_N, level, labels),
        originals=int((target_N == 0).sum()),
        fakes=int((target_N == 1).sum()),
    )


def _read(path: Path, id_column: str, needed: list[str]) -> pd.DataFrame:
    """A CSV as text, indexed by id."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            rows = [_row(path, reader.line_num, row, header) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as a CSV table ({error}); give a UTF-8 file with a header.") from error
    for column in [id_column, *needed]:
        if header.count(column) != 1:
            raise UserError(f"{path} needs one column `{column}`, but its header is `{','.join(header)}`.")
    table = pd.DataFrame(rows, columns=header, dtype=str).set_index(id_column)
    twice = table.index[table.index.duplicated()]
    if len(twice):
        raise UserError(f"{path} holds {len(twice)} ids more than once, such as {twice[0]}; keep one row an id.")
    return table


def _row(path: Path, line: int, row: list[str], header: list[str]) -> list[str]:
    if len(row) != len(header):
        raise UserError(f"{path}, line {line}: {len(row)} fields where the header has {len(header)}.")
    return row


def _same_ids(given: pd.DataFrame, submission: Path, truth: pd.DataFrame, labels: Path) -> None:
    for here, there, table, other in ((submission, labels, given, truth), (labels, submission, truth, given)):
        lost = other.index.difference(table.index)
        if len(lost):
            raise UserError(f"{here} lacks {len(lost)} of the {len(other)} ids in {there}, such as {lost[0]}.")


def _numbers(texts: pd.Series, path: Path) -> NDArray[np.float64]:
    """The column as float64, parsed without loss; UserError names the first id whose text is no finite number."""
    numbers_N = np.array([_number(text) for text in texts], np.float64)
    bad_N = ~np.isfinite(numbers_N)
    if bad_N.any():
        first = int(np.argmax(bad_N))
        text, name = texts.iloc[first], texts.index[first]
        raise UserError(f"{path}: `{texts.name}` of {name} is `{text}`, not a finite number ({bad_N.sum()} such rows).")
    return numbers_N


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _by_family(
    truth: pd.DataFrame, target_N: NDArray[np.float64], score_N: NDArray[np.float64], level: float, labels: Path
) -> dict[str, Family]:
    if FAMILY not in truth.columns:
        return {}
    family_N = truth[FAMILY].to_numpy()
    names = sorted(set(family_N[target_N == 1]))
    if "" in names:
        name = truth.index[(target_N == 1) & (family_N == "")][0]
        raise UserError(f"{labels}: the fake {name} has no {FAMILY}; name one, or leave the column out.")
    graded = {}
    for name in names:
        rows_N = (target_N == 0) | (family_N == name)
        fakes = int(target_N[rows_N].sum())
        graded[name] = Family(_interval(target_N[rows_N], score_N[rows_N], fakes, level), fakes)
    return graded


def _interval(target_N: NDArray[np.float64], score_N: NDArray[np.float64], fakes: int, level: float) -> Interval:
    """DeLong's; a family of one fake has no variance to go by, so its interval is all of [0, 1]."""
    if fakes > 1:
        return delong(target_N, score_N, level)
    return Interval(auc(target_N, score_N), 0.0, 1.0, math.nan)
