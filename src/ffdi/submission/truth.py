"""A submission beside the true labels of its images, which only `ffdi evaluate SUBMISSION` reads."""

from pathlib import Path

import pandas as pd

from ffdi.config.competition import Competition
from ffdi.core.errors import UserError
from ffdi.data.tables import read_labels
from ffdi.submission.check import check

FAMILY = "family"  # the optional column of a labels table that names the kind of each forgery


def joined(submission: Path, labels: Path, competition: Competition) -> pd.DataFrame:
    """Join a submission CSV with a labels CSV by id.

    Args:
        submission: Checked as before it is sent.
        labels: As the competition's table of train, and maybe with a column `family`.
        competition: Names the columns.

    Returns:
        id, target (0, 1), score, family (None for originals, and where the labels name none).

    Raises:
        UserError: One of the tables is refused, the ids are not the same, there is one class only, or a fake has no
            family where the column is there.
    """
    split = competition.train.model_copy(update={"labels": labels.name})
    truth = read_labels(labels.parent, competition.model_copy(update={"train": split}), "train")
    if truth["target"].nunique() < 2:
        raise UserError(f"{labels} holds one class only; an AUC needs fakes and originals.")
    family = pd.read_csv(labels, dtype=str, keep_default_na=False).get(FAMILY)
    unnamed = truth["id"][(truth["target"] == 1) & (family == "")]
    if len(unnamed):
        raise UserError(f"{labels}: the fake {unnamed.iloc[0]} has no {FAMILY}; name one, or leave the column out.")
    if not check(submission, competition, None)[competition.id_column].isin(truth["id"]).any():
        raise UserError(f"{labels} holds none of the images of {submission}; name their true labels with --labels.")
    score = check(submission, competition, truth["id"].tolist())[competition.prediction_column]
    fakes_only = None if family is None else family.where(truth["target"] == 1, None)
    return truth.assign(score=score.to_numpy(), **{FAMILY: fakes_only})
