"""`grade` joins by id, measures each family against all originals, and refuses what does not fit together."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ffdi
from ffdi.config.competition import Competition, Split
from ffdi.core import keys
from ffdi.core.errors import UserError
from ffdi.metrics.auc import auc, tpr_at_fpr
from ffdi.metrics.delong import delong
from ffdi.submission.grade import grade

SAMPLE_LABELS = Path(ffdi.__path__[0]) / "sample/truth/test_labels.csv"
CONTEST = Competition(
    name="tiny",
    title="Tiny",
    slug="tiny",
    id_column="img_name",
    target_column="target",
    prediction_column="y_pred",
    submissions_per_day=2,
    train=Split(labels="train.txt", images="train"),
    test=Split(labels="test.txt", images="test", has_target=False),
)
LABELS = "img_name,target,family\na,0,original\nb,0,original\nc,0,original\nd,1,sbi\ne,1,sbi\nf,1,swap\n"
GOOD = "img_name,y_pred\nf,0.15\ne,0.9\nd,0.8\nc,0.3\nb,0.2\na,0.1\n"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    submission, labels = tmp_path / "submission.csv", tmp_path / "labels.csv"
    submission.write_text(GOOD)
    labels.write_text(LABELS)
    return submission, labels


def test_rows_are_joined_by_id_whatever_their_order(files: tuple[Path, Path]) -> None:
    graded = grade(*files, CONTEST)
    assert graded.auc.value == 7 / 9
    assert (graded.originals, graded.fakes) == (3, 3)
    assert graded.tpr == {1e-2: 2 / 3, 5e-3: 2 / 3, 1e-3: 2 / 3}


def test_a_family_meets_all_originals(files: tuple[Path, Path]) -> None:
    families = grade(*files, CONTEST).families
    assert {name: (family.auc.value, family.fakes) for name, family in families.items()} == {
        "sbi": (1.0, 2),
        "swap": (1 / 3, 1),
    }
    assert (families["swap"].auc.low, families["swap"].auc.high) == (0.0, 1.0)


def test_labels_without_families_are_graded_as_a_whole(files: tuple[Path, Path]) -> None:
    submission, labels = files
    labels.write_text("\n".join(line.rsplit(",", 1)[0] for line in LABELS.splitlines()))
    graded = grade(submission, labels, CONTEST)
    assert (graded.auc.value, graded.families) == (7 / 9, {})


def test_full_precision_of_the_text_counts(files: tuple[Path, Path]) -> None:
    submission, labels = files
    submission.write_text(GOOD.replace("f,0.15", "f,0.30000000000000004"))
    assert grade(submission, labels, CONTEST).auc.value == 1.0


def test_the_sample_is_graded_like_the_scores_say(tmp_path: Path) -> None:
    truth = pd.read_csv(SAMPLE_LABELS)
    score = truth.target.to_numpy() + keys.rng("test-grade").normal(size=len(truth))
    table = pd.DataFrame({"img_name": truth.img_name, "y_pred": score}).sample(frac=1, random_state=1)
    table.to_csv(tmp_path / "submission.csv", index=False)
    graded = grade(tmp_path / "submission.csv", SAMPLE_LABELS, CONTEST, level=0.9)
    assert graded.auc == delong(truth.target, score, 0.9)
    assert graded.tpr[1e-2] == tpr_at_fpr(truth.target, score, 1e-2)
    assert {name: family.fakes for name, family in graded.families.items()} == {
        "sbi": 46,
        "swap_alpha": 20,
        "swap_poisson": 50,
    }
    rows = ((truth.target == 0) | (truth.family == "swap_poisson")).to_numpy()
    assert graded.families["swap_poisson"].auc.value == auc(truth.target[rows], score[rows])
    weights = np.array([family.fakes for family in graded.families.values()])
    areas = np.array([family.auc.value for family in graded.families.values()])
    assert graded.auc.value == pytest.approx(weights @ areas / weights.sum())


@pytest.mark.parametrize(
    ("spoiled", "message"),
    [
        ("", r"needs one column `img_name`"),
        (GOOD.replace("y_pred", "prediction"), r"needs one column `y_pred`"),
        ("img_name,y_pred,y_pred\na,1,1\n", r"needs one column `y_pred`"),
        (GOOD.replace("d,0.8\n", ""), r"submission.csv lacks 1 of the 6 ids in .*labels.csv, such as d"),
        (GOOD + "g,0.5\n", r"labels.csv lacks 1 of the 7 ids in .*submission.csv, such as g"),
        (GOOD + "a,0.5\n", r"holds 1 ids more than once, such as a"),
        (GOOD.replace("0.8", "nan"), r"`y_pred` of d is `nan`, not a finite number"),
        (GOOD.replace("0.8", "inf"), r"`y_pred` of d is `inf`"),
        (GOOD.replace("0.8", ""), r"`y_pred` of d is ``"),
        (GOOD.replace("0.8", "high"), r"`y_pred` of d is `high`"),
        (GOOD.replace("d,0.8", "d,0,8"), r"line 4: 3 fields where the header has 2"),
        (GOOD.replace("d,0.8", 'd,"0.8'), r"cannot be read as a CSV table"),
    ],
)
def test_a_submission_that_does_not_fit_is_refused(files: tuple[Path, Path], spoiled: str, message: str) -> None:
    submission, labels = files
    submission.write_text(spoiled)
    with pytest.raises(UserError, match=message):
        grade(submission, labels, CONTEST)


@pytest.mark.parametrize(
    ("spoiled", "message"),
    [
        (LABELS.replace("d,1,sbi", "d,2,sbi"), r"Targets must be 0"),
        (LABELS.replace("d,1,sbi", "d,1,"), r"the fake d has no family"),
        ("img_name\na\nb\n", r"needs one column `target`"),
        (LABELS.replace(",1,", ",0,"), r"needs both classes"),
    ],
)
def test_labels_that_make_no_sense_are_refused(files: tuple[Path, Path], spoiled: str, message: str) -> None:
    submission, labels = files
    labels.write_text(spoiled)
    with pytest.raises(UserError, match=message):
        grade(submission, labels, CONTEST)


def test_files_that_are_not_text_are_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    submission, labels = files
    submission.write_bytes(b"img_name,y_pred\n\xff\xfe,1\n")
    for path in (submission, tmp_path / "absent.csv", tmp_path):
        with pytest.raises(UserError, match="cannot be read"):
            grade(path, labels, CONTEST)
