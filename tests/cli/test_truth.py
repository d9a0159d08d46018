"""A submission is joined with true labels by id, and what does not fit together is refused."""

from pathlib import Path

import pytest

from ffdi.cli.evaluate import joined
from ffdi.core.errors import UserError
from ffdi.metrics.slices import cut, pooled
from tests.fixtures.pictures import CONTEST

LABELS = "img_name,target,family\na,0,original\nb,0,original\nc,0,original\nd,1,sbi\ne,1,sbi\nf,1,swap\n"
GOOD = "img_name,y_pred\nf,0.15\ne,0.9\nd,0.8\nc,0.3\nb,0.2\na,0.1\n"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    submission, labels = tmp_path / "submission.csv", tmp_path / "labels.csv"
    submission.write_text(GOOD)
    labels.write_text(LABELS)
    return submission, labels


def test_rows_are_joined_by_id_and_a_family_meets_all_originals(files: tuple[Path, Path]) -> None:
    rows = joined(*files, CONTEST)
    assert rows["id"].tolist() == list("abcdef")
    assert rows["score"].tolist() == [0.1, 0.2, 0.3, 0.8, 0.9, 0.15]
    assert pooled(rows).value == 7 / 9
    families = cut(rows, {"family": "fakes"}, least=1).set_index("name")
    assert families["auc"].to_dict() == {"sbi": 1.0, "swap": 1 / 3}
    assert families["originals"].tolist() == [3, 3]


def test_labels_without_families_and_full_precision(files: tuple[Path, Path]) -> None:
    submission, labels = files
    labels.write_text("\n".join(line.rsplit(",", 1)[0] for line in LABELS.splitlines()))
    submission.write_text(GOOD.replace("f,0.15", "f,0.30000000000000004"))
    rows = joined(submission, labels, CONTEST)
    assert rows["family"].isna().all()
    assert pooled(rows).value == 1.0


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("submission.csv", GOOD.replace("y_pred", "prediction"), r"the header is 'img_name,prediction'"),
        ("submission.csv", GOOD.replace("d,0.8\n", ""), r"1 of 6 ids are missing, such as 'd'"),
        ("submission.csv", GOOD + "g,0.5\n", r"such as 'g' in row 8"),
        ("submission.csv", GOOD.replace("0.8", "nan"), r"row 4 \(d\): the prediction 'nan' is no finite number"),
        ("labels.csv", LABELS.replace("d,1,sbi", "d,2,sbi"), r"labels\.csv, row 5"),
        ("labels.csv", LABELS.replace("d,1,sbi", "e,1,sbi"), r"the id 'e' stands in rows 5 and 6"),
        ("labels.csv", "img_name\na\nb\n", r"labels\.csv.*target"),
        ("labels.csv", LABELS.replace(",1,", ",0,"), r"holds one class only"),
        ("labels.csv", "", r"labels\.csv"),
    ],
)
def test_tables_that_make_no_sense_are_refused(files: tuple[Path, Path], name: str, text: str, message: str) -> None:
    files[0].with_name(name).write_text(text)
    with pytest.raises(UserError, match=message):
        joined(*files, CONTEST)


def test_files_that_are_not_text_are_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    files[1].write_bytes(b"img_name,target\n\xff\xfe,1\n")
    for path in (files[1], tmp_path / "absent.csv", tmp_path):
        with pytest.raises(UserError, match=path.name):
            joined(files[0], path, CONTEST)
