"""The remedy in a message about a contest's folder is tried: it is applied, and the scan goes on."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from ffdi.config.load import load_competition
from ffdi.core.errors import UserError
from ffdi.core.layout import Workspace
from ffdi.data.scan import scan
from tests.fixtures.pictures import jpeg

TABLES = """
name = "other"
title = "Other"
slug = "other"
id_column = "id"
target_column = "label"
prediction_column = "label"
submissions_per_day = 5
[test]
images = "test"
has_target = false
[train]
labels = "train.csv"
images = "train"
"""
FOLDERS = TABLES.replace('labels = "train.csv"', 'real = ["real"]\nfake = ["fake"]')
LABELS = "id,label\na.jpg,0\nb.jpg,1\n"
NAMES = ("train/a.jpg", "train/b.jpg", "test/t.jpg")


class Fault(NamedTuple):
    message: str
    labels: str | bytes
    remedy: Callable[[Path], object] | tuple[str, str]  # a change of the folder, or of the TOML: from, to
    toml: str = TABLES
    names: tuple[str, ...] = NAMES


def write(labels: str | bytes) -> Callable[[Path], object]:
    return lambda data: (data / "train.csv").write_bytes(labels if isinstance(labels, bytes) else labels.encode())


def unpack(data: Path) -> None:
    write(gzip.decompress((data / "train.csv").read_bytes()))(data)


FAULTS = {
    "folder one deeper": Fault(
        r"names 'a\.jpg', the folder holds 'train/a\.jpg' and others; .*correct `images`",
        LABELS,
        ('images = "train"', 'images = "train/train"'),
        names=("train/train/a.jpg", "train/train/b.jpg", "test/t.jpg"),
    ),
    "ids with the folder": Fault(
        r"the table names 'train/a\.jpg', the folder holds 'a\.jpg'.*correct `images`",
        LABELS.replace("a.jpg", "train/a.jpg").replace("b.jpg", "train/b.jpg"),
        ('images = "train"', 'images = "."'),
    ),
    "ending that is not the image's own": Fault(
        r"the table names 'a', the folder holds 'a\.face\.jpg'.*`suffix`, which is put behind each id",
        "id,label\na,0\nb,1\n",
        ('images = "train"', 'images = "train"\nsuffix = ".face.jpg"'),
        names=("train/a.face.jpg", "train/b.face.jpg", "test/t.jpg"),
    ),
    "header in capitals": Fault(
        r"row 1: no column 'id' \(found: 'ID', 'label'\).* or correct id_column",
        LABELS.replace("id", "ID"),
        ('id_column = "id"', 'id_column = "ID"'),
    ),
    "words": Fault(
        "row 2: 'real' is no target; .* name it among the competition's real_words",
        LABELS.replace(",0", ",real"),
        ("submissions_per_day", 'real_words = ["real"]\nsubmissions_per_day'),
    ),
    "a comma too many": Fault(
        r"row 2: 3 fields, and the header has 2; write as many", LABELS.replace(",0", ",0,"), write(LABELS)
    ),
    "archive": Fault(r"train\.csv is a gzip archive, not the table; unpack it", gzip.compress(LABELS.encode()), unpack),
    "web page": Fault(
        r"is text with tags, such as a web page, not the table; download", b"<!DOCTYPE html>\n<p>", write(LABELS)
    ),
    "own folder": Fault(
        r"row 2: '\./a\.jpg' is no plain path below the image folder; write it without a leading /, `\.`",
        LABELS.replace("a.jpg", "./a.jpg"),
        write(LABELS),
    ),
    "class in another case": Fault(
        r"no image in the folder 'fake' of the competition \(the folder holds 'Fake/b\.jpg' and others\); correct",
        b"",
        ('"fake"', '"./Fake/"'),
        FOLDERS,
        ("train/real/a.jpg", "train/Fake/b.jpg", "test/t.jpg"),
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_remedy_of_a_message_ends_the_fault(name: str, tmp_path: Path) -> None:
    fault, data, described = FAULTS[name], tmp_path / "data", tmp_path / "contest.toml"
    for number, image in enumerate(fault.names):
        (data / image).parent.mkdir(parents=True, exist_ok=True)
        (data / image).write_bytes(jpeg(number))
    write(fault.labels)(data)
    described.write_text(fault.toml)
    with pytest.raises(UserError, match=fault.message):
        _targets(data, described)
    if callable(fault.remedy):
        fault.remedy(data)
    else:
        described.write_text(fault.toml.replace(*fault.remedy))
    assert _targets(data, described) == [0, 1, -1]


def test_links_that_lead_away_are_told_and_those_inside_are_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a table nothing else names them."""
    for number, image in enumerate(("shared/a.jpg", "train/fake/b.jpg", "test/t.jpg")):
        (tmp_path / "data" / image).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / image).write_bytes(jpeg(number))
    real = tmp_path / "data" / "train" / "real"
    real.mkdir()
    (real / "a.jpg").symlink_to(tmp_path / "data" / "shared" / "a.jpg")
    (real / "x.jpg").symlink_to(tmp_path / "elsewhere.jpg")
    (real / "more").symlink_to(tmp_path / "data" / "shared")
    (tmp_path / "contest.toml").write_text(FOLDERS)
    assert _targets(tmp_path / "data", tmp_path / "contest.toml") == [0, 1, -1]
    assert "2 links lead to a folder, to nothing or out of the competition folder, such as 'real/more'" in " ".join(
        capsys.readouterr().err.split()
    )


def _targets(data: Path, described: Path) -> list[int]:
    made = scan(load_competition(str(described)), data, Workspace(data.parent / "work", data.parent), 0)
    assert set(made["defect"]) == {""}
    return made["target"].tolist()
