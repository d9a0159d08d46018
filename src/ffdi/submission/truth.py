"""A submission beside the true labels of its images, which only `ffdi evaluate SUBMISSION` reads."""

from pathlib import Path

import pandas as pd

from ffdi.config.competition import Competition
from ffdi.core.errors import UserError
from ffdi.submission.check import check

FAMILY = "family"  # the optional column of a labels table that names the kind of each forgery


def joined(submission: Path, labels: Path, competition: Competition) -> pd.DataFrame:
    """Join a submission CSV with a labels CSV by id.

    Args:
        submission: Checked as before it is sent.
        labels: The columns of id and target that the competition names, and maybe `family`.
        competition: Names the columns.

    Returns:
        id, target (0, 1), score, family (None for originals and where the labels name none).

    Raises:
        UserError: A file or a column is missing, the ids are not the same, a prediction is no number from 0 to 1, a
            target is not 0 or 1, or a fake has no family where the column is there.
    """
    truth = _read(labels, competition)
    score = check(submission, competition, truth["id"].tolist())[competition.prediction_column]
    return truth.assign(score=score.to_numpy())


def _read(path: Path, competition: Competition) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:  # pandas and the decoder raise kinds of ValueError
        raise UserError(f"{path} cannot be read as a CSV table ({error}); give a UTF-8 file with a header.") from error
    ids, target = competition.id_column, competition.target_column
    for column in (ids, target):
        if column not in table:
            raise UserError(f"{path} needs a column `{column}`, but its header is `{','.join(table.columns)}`.")
    again = table[ids][table[ids].duplicated()]
    if len(again):
        raise UserError(f"{path} holds {len(again)} ids more than once, such as {again.iloc[0]}; keep one row an id.")
    odd = table[~table[target].str.fullmatch(r"\s*[01](?:\.0*)?\s*")]
    if len(odd):
        raise UserError(f"{path}: `{target}` of {odd[ids].iloc[0]} is `{odd[target].iloc[0]}`; targets are 0 or 1.")
    rows = pd.DataFrame({"id": table[ids], "target": table[target].astype(float).astype(int)})
    if rows["target"].nunique() < 2:
        raise UserError(f"{path} holds one class only; an AUC needs fakes and originals.")
    return rows.assign(**{FAMILY: _families(table, rows, path)})


def _families(table: pd.DataFrame, rows: pd.DataFrame, path: Path) -> pd.Series:
    if FAMILY not in table:
        return pd.Series(None, rows.index, dtype=object)
    unnamed = rows["id"][(rows["target"] == 1) & (table[FAMILY] == "")]
    if len(unnamed):
        raise UserError(f"{path}: the fake {unnamed.iloc[0]} has no {FAMILY}; name one, or leave the column out.")
    return table[FAMILY].where(rows["target"] == 1, None)
