import os
from pathlib import Path

import pytest

from ffdi.config.competition import Split
from ffdi.core.errors import UserError
from ffdi.data.files import listing, names_below
from tests.fixtures.pictures import CONTEST, contest_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return contest_folder(tmp_path / "contest", {"a.jpg": b"1", "b.jpg": b"22", "c.jpg": b"333"})


def by_id(folder: Path) -> dict[str, tuple[str, int]]:
    rows, _ = listing(CONTEST, folder)
    train = rows[rows["split"] == "train"]
    return dict(zip(train["id"], zip(train["defect"], train["bytes"], strict=True), strict=True))


def test_a_missing_file_a_folder_and_a_pipe_are_told_apart(folder: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        (folder / "train" / name).unlink()
    (folder / "train" / "b.jpg").mkdir()
    (folder / "train.txt").write_text("img_name,target\na.jpg,0\nb.jpg,1\nc.jpg,0\np.jpg,1\n")
    os.mkfifo(folder / "train" / "p.jpg")  # opening it would wait for ever
    assert by_id(folder) == {
        "a.jpg": ("missing", 0), "b.jpg": ("not_a_file", 0), "c.jpg": ("", 3), "p.jpg": ("not_a_file", 0),
    }  # fmt: skip


def test_links_are_followed_inside_the_folder_and_nowhere_else(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    targets = {
        "a.jpg": folder / "test" / "t.jpg",
        "b.jpg": tmp_path / "secret.jpg",
        "c.jpg": folder / "train" / "c.jpg",
    }
    (folder / "test" / "t.jpg").write_bytes(b"55555")
    (folder / "train" / "more").symlink_to(folder / "test")
    for name, target in targets.items():
        (folder / "train" / name).unlink()
        (folder / "train" / name).symlink_to(target)
    assert by_id(folder) == {"a.jpg": ("", 5), "b.jpg": ("outside", 0), "c.jpg": ("missing", 0)}
    assert names_below(folder / "train", folder).tolist() == ["a.jpg"]


def test_images_without_a_row_are_counted_and_named_and_a_table_is_no_image(folder: Path) -> None:
    flat = CONTEST.model_copy(update={"train": Split(labels="train/labels.csv", images="train")})
    (folder / "train.txt").rename(folder / "train" / "labels.csv")
    assert listing(flat, folder)[1] == []
    (folder / "train" / "more").mkdir()
    (folder / "train" / "more" / "z.jpg").write_bytes(b"z")
    assert listing(flat, folder)[1] == ["train: 1 images have no row in the table, such as 'more/z.jpg'."]


def test_a_split_without_its_folder_or_without_any_image_is_an_error(folder: Path) -> None:
    (folder / "test" / "t.jpg").unlink()
    with pytest.raises(UserError, match=r"Not one of the 1 images of split 'test'"):
        listing(CONTEST, folder)
    (folder / "test").rmdir()
    with pytest.raises(UserError, match=r"images of split 'test' are missing: put them in .*test"):
        listing(CONTEST, folder)


def test_an_image_folder_that_leads_outside_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "train").rename(tmp_path / "elsewhere")
    (folder / "train").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="outside"):
        listing(CONTEST, folder)


def test_hidden_files_are_no_images(folder: Path) -> None:
    """macOS puts `._a.jpg` and .DS_Store beside images, and whole folders; Synology thumbnails in `@eaDir`; the last is
    no UTF-8, which no table can hold."""
    for name in ("._a.jpg", ".DS_Store", ".AppleDouble/a.jpg", "__MACOSX/a.jpg", "@eaDir/a.jpg", "\udcd0.jpg"):
        (folder / "train" / name).parent.mkdir(exist_ok=True)
        (folder / "train" / name).write_bytes(b"\0\5\x16\7")
    assert names_below(folder / "train", folder).tolist() == ["a.jpg", "b.jpg", "c.jpg"]


def test_a_folder_that_cannot_be_read_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = os.scandir

    def refusing(path: Path) -> object:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        return plain(path)

    monkeypatch.setattr(os, "scandir", refusing)  # root may read everything, so no mode would do
    (folder / "train" / "locked").mkdir()
    with pytest.raises(UserError, match=r"folder .*train/locked/? cannot be read \(Permission denied\)"):
        listing(CONTEST, folder)


@pytest.mark.parametrize(
    ("id", "name"),
    [
        ("IMG.JPG", "img.jpg"),
        ("\u00e9.jpg", "e\u0301.jpg"),
        ("x", "x.png"),
        ("y", "Y.TIFF"),
        ("z.b", "z.b.jpg"),
        ("p.png", "p.webp"),
    ],
)
def test_a_name_is_found_in_another_case_form_or_with_its_extension(folder: Path, id: str, name: str) -> None:
    (folder / "train" / name).write_bytes(b"4444")
    (folder / "train.txt").write_text(f"img_name,target\na.jpg,0\n{id},1\n")
    rows = listing(CONTEST, folder)[0].set_index("id")
    assert (rows.loc[id, "relpath"], rows.loc[id, "bytes"], rows.loc[id, "defect"]) == (f"train/{name}", 4, "")


def test_a_name_that_two_files_could_mean_is_missing(folder: Path) -> None:
    for name in ("x.png", "x.jpg"):
        (folder / "train" / name).write_bytes(b"1")
    (folder / "train.txt").write_text("img_name,target\na.jpg,0\nx,1\n")
    assert by_id(folder) == {"a.jpg": ("", 1), "x": ("missing", 0)}


def test_a_file_is_not_that_of_two_rows(folder: Path) -> None:
    (folder / "train" / "d.jpg").write_bytes(b"4444")
    (folder / "train.txt").write_text("img_name,target\na.jpg,0\na.png,1\nd.gif,0\nd.png,1\n")
    missing = ("missing", 0)
    assert by_id(folder) == {"a.jpg": ("", 1), "a.png": missing, "d.gif": missing, "d.png": missing}


def test_an_id_of_two_labelled_splits_gets_the_split_before_it(folder: Path) -> None:
    both = CONTEST.model_copy(update={"val": Split(labels="val.txt", images="val")})
    (folder / "val").mkdir()
    (folder / "val" / "a.jpg").write_bytes(b"other")
    (folder / "val.txt").write_text("img_name,target\na.jpg,1\n")
    (folder / "test.txt").write_text("img_name\nt.jpg\nb.jpg\n")  # of the test the submission needs the id itself
    rows, notes = listing(both, folder)
    assert rows["id"].tolist() == ["train/a.jpg", "b.jpg", "c.jpg", "val/a.jpg", "t.jpg", "b.jpg"]
    assert rows["relpath"].tolist()[:4:3] == ["train/a.jpg", "val/a.jpg"]
    assert "1 ids stand in train and in val" in notes[0]
