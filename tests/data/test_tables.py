from pathlib import Path

import pytest

from ffdi.core.errors import UserError
from ffdi.data.tables import read_labels
from tests.fixtures.pictures import CONTEST


def read(folder: Path, text: str, split: str = "train") -> list[tuple[object, ...]]:
    (folder / f"{split}.txt").write_text(text)
    return list(read_labels(folder, CONTEST, split).itertuples(index=False, name=None))


@pytest.mark.parametrize(
    ("text", "split", "expected"),
    [
        pytest.param("img_name,target\n007,1\nb.jpg,0\n1e3,1\n", "train", {"007": 1, "b.jpg": 0, "1e3": 1}, id="text"),
        pytest.param("img_name\na\nb\n", "test", {"a": -1, "b": -1}, id="no target"),
        pytest.param("img_name,target\na,1\nb,oops\n", "test", {"a": -1, "b": -1}, id="targets of the test"),
        pytest.param("fold,target,img_name,fold\n3,1,a,x\n4,0,b,y\n", "train", {"a": 1, "b": 0}, id="more columns"),
        pytest.param('img_name,target\na,0.0\nb, 1 \nc,"1"\n', "train", {"a": 0, "b": 1, "c": 1}, id="targets"),
    ],
)
def test_plain_tables_are_read_in_their_order(text: str, split: str, expected: dict[str, int], tmp_path: Path) -> None:
    assert read(tmp_path, text, split) == list(expected.items())


def test_the_message_names_file_row_and_remedy_and_counts_the_rows(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train\.txt, row 3: 'x' is no target; write 0 .*\(3 such rows\)"):
        read(tmp_path, "img_name,target\na,0\nb,x\nc,1\nd,y\ne,z\n")


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Cannot read the label table .*train\.txt"):
        read_labels(tmp_path, CONTEST, "train")


def test_a_table_behind_a_link_out_of_the_folder_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("img_name,target\na,1\n")
    (tmp_path / "contest").mkdir()
    (tmp_path / "contest" / "train.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(UserError, match="outside"):
        read_labels(tmp_path / "contest", CONTEST, "train")
