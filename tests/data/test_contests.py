"""Contests of other shapes, each described by a TOML and no code; and the remedies in messages about them, tried."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from ffdi.config.load import load_competition
from ffdi.core.errors import UserError
from ffdi.core.layout import Workspace
from ffdi.data.scan import scan
from tests.fixtures.pictures import jpeg, portrait, saved

HEAD = """
name = "other"
slug = "other"
id_column = "id"
target_column = "label"
prediction_column = "label"
"""
TABLES = """
[train]
labels = "train.csv"
images = "train"
[test]
labels = "test.csv"
images = "test"
has_target = false
"""
FOLDERS = """
[train]
images = "train"
real = ["real"]
fake = ["swap", "gan/one"]
[test]
images = "test"
has_target = false
"""
NAMES = ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]


def write(folder: Path, files: dict[str, str | bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


def images(*names: str) -> dict[str, bytes]:
    return {name: jpeg(number) for number, name in enumerate(names)}


def suffix(folder: Path) -> str:
    write(folder, images("train/a.face.jpg", "train/a.jpg", "train/b.face.jpg", "test/t.face.jpg"))
    write(folder, {"train.csv": "id,label\na,0\nb,1\n", "test.csv": "id\nt\n"})
    return HEAD + TABLES.replace('images = "train"', 'images = "train"\nsuffix = ".face.jpg"').replace(
        'images = "test"', 'images = "test"\nsuffix = ".face.jpg"'
    )


def tabs(folder: Path) -> str:
    write(folder, images("train/a.jpg", "train/b.jpg", "test/t.jpg"))
    write(folder, {"train.csv": "id\tlabel\tnote\na.jpg\t0\tx, y\nb.jpg\t1\t\n", "test.csv": "id\tnote\nt.jpg\t\n"})
    return HEAD + TABLES


def words(folder: Path) -> str:
    write(folder, images("train/a.jpg", "train/b.jpg", "train/c.jpg", "test/t.jpg"))
    write(folder, {"train.csv": "id,label\na.jpg,REAL\nb.jpg,Fake\nc.jpg,swapped\n", "test.csv": "id\nt.jpg\n"})
    return HEAD + 'real_words = ["real"]\nfake_words = ["fake", "swapped"]\n' + TABLES


def one_folder_a_label(folder: Path) -> str:
    write(folder, images("train/real/1.jpg", "train/swap/1.jpg", "train/gan/one/1.jpg", "train/notes/1.jpg"))
    write(folder, images("test/t.jpg", "test/u.jpg"))
    write(folder, {"train/real/._1.jpg": b"\0\5\x16\7", "train/real/readme.txt": "x"})
    return HEAD + FOLDERS


def one_ending_of_several(folder: Path) -> str:
    write(folder, images("train/real/1.face.jpg", "train/real/1.jpg", "train/swap/1.face.jpg", "test/t.jpg"))
    return HEAD + FOLDERS.replace(', "gan/one"]', ']\nsuffix = ".face.jpg"')


CONTESTS: list[tuple[Callable[[Path], str], dict[str, int]]] = [
    (suffix, {"a": 0, "b": 1, "t": -1}),
    (tabs, {"a.jpg": 0, "b.jpg": 1, "t.jpg": -1}),
    (words, {"a.jpg": 0, "b.jpg": 1, "c.jpg": 1, "t.jpg": -1}),
    (one_folder_a_label, {"real/1.jpg": 0, "swap/1.jpg": 1, "gan/one/1.jpg": 1, "t.jpg": -1, "u.jpg": -1}),
    (one_ending_of_several, {"real/1": 0, "swap/1": 1, "t.jpg": -1}),
]


def read(tmp_path: Path, write_contest: Callable[[Path], str]) -> pd.DataFrame:
    described = write_contest(tmp_path / "data")
    (tmp_path / "contest.toml").write_text(described)
    competition = load_competition(str(tmp_path / "contest.toml"))
    return scan(competition, tmp_path / "data", Workspace(tmp_path / "work", tmp_path), 0)


@pytest.mark.parametrize(("contest", "expected"), CONTESTS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_toml_describes_it(contest: Callable[[Path], str], expected: dict[str, int], tmp_path: Path) -> None:
    made = read(tmp_path, contest)
    assert dict(zip(made["id"], made["target"], strict=True)) == expected
    assert set(made["defect"]) == {""}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('real = ["real"]\n', ""), "name the folders of both classes"),
        (('images = "train"', 'images = "train"\nlabels = "train.csv"'), "not both"),
        (('"swap"', '"none"'), "no image in the folder 'none'"),
        (('"swap"', '"real/swap"'), "twice, or lies in another"),
        (('"swap"', '"./real/"'), "twice, or lies in another"),
        (('slug = "other"', 'slug = "other"\nreal_words = ["1"]'), "'1' stands in real_words and in fake_words"),
    ],
)
def test_a_toml_that_cannot_be_meant_is_refused(change: tuple[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        read(tmp_path, lambda folder: one_folder_a_label(folder).replace(*change))


NO_IMAGES = {
    "lfs_pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 12345\n", "git lfs pull"),
    "html": (b"<!DOCTYPE html><title>404</title>", "download it again"),
    "plain": (saved(portrait((48, 40)).point(lambda _: 7), "PNG"), "nothing|anything to see"),
}


@pytest.mark.parametrize("defect", NO_IMAGES)
def test_a_contest_without_images_is_refused_by_the_scan_with_the_cause(defect: str, tmp_path: Path) -> None:
    data, remedy = NO_IMAGES[defect]

    def contest(folder: Path) -> str:
        described = tabs(folder)
        write(folder, dict.fromkeys(("train/a.jpg", "train/b.jpg"), data))
        return described

    with pytest.raises(UserError, match=rf"Not one of the 2 images of split 'train' can be used.*{defect}.*({remedy})"):
        read(tmp_path, contest)


def test_images_of_one_colour_are_set_aside_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def contest(folder: Path) -> str:
        described = words(folder)
        write(folder, {"train/a.jpg": NO_IMAGES["plain"][0]})
        return described

    made = read(tmp_path, contest).set_index("id")
    assert (made.loc["a.jpg", "status"], made.loc["a.jpg", "defect"]) == ("quarantined", "plain")
    assert "such as 'train/a.jpg': of one colour" in capsys.readouterr().err


LABELS = "id,label\na.jpg,0\nb.jpg,1\n"


class Fault(NamedTuple):
    message: str
    labels: str
    remedy: tuple[str, str]  # a change of the TOML: from, to
    toml: str = HEAD + TABLES.replace('labels = "test.csv"\n', "")
    names: tuple[str, ...] = ("train/a.jpg", "train/b.jpg", "test/t.jpg")


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
    "class in another case": Fault(
        r"no image in the folder 'fake' of the competition \(the folder holds 'Fake/b\.jpg' and others\); correct",
        "",
        ('"fake"', '"./Fake/"'),
        HEAD + FOLDERS.replace('"swap", "gan/one"', '"fake"'),
        ("train/real/a.jpg", "train/Fake/b.jpg", "test/t.jpg"),
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_remedy_of_a_message_ends_the_fault(name: str, tmp_path: Path) -> None:
    fault = FAULTS[name]

    def contest(folder: Path, toml: str) -> str:
        write(folder, {**images(*fault.names), "train.csv": fault.labels})
        return toml

    with pytest.raises(UserError, match=fault.message):
        read(tmp_path, lambda folder: contest(folder, fault.toml))
    made = read(tmp_path, lambda folder: contest(folder, fault.toml.replace(*fault.remedy)))
    assert (made["target"].tolist(), set(made["defect"])) == ([0, 1, -1], {""})
