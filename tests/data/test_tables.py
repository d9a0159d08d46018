from pathlib import Path

import pytest

from ffdi.core.errors import UserError
from ffdi.data.tables import read_labels
from tests.fixtures.pictures import CONTEST


def read(folder: Path, text: str | bytes, split: str = "train") -> list[list[object]]:
    (folder / f"{split}.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_labels(folder, CONTEST, split).to_numpy().tolist()


def test_ids_are_text_in_the_tables_order(tmp_path: Path) -> None:
    assert read(tmp_path, "img_name,target\n007,1\nb.jpg,0\n1e3,1\n") == [["007", 1], ["b.jpg", 0], ["1e3", 1]]


def test_a_test_table_needs_ids_alone_and_its_target_is_never_read(tmp_path: Path) -> None:
    assert read(tmp_path, "img_name\na\nb\n", "test") == [["a", -1], ["b", -1]]
    assert read(tmp_path, "img_name,target\na,1\nb,oops\n", "test") == [["a", -1], ["b", -1]]


def test_columns_in_another_order_and_more_of_them(tmp_path: Path) -> None:
    assert read(tmp_path, "fold,target,img_name,fold\n3,1,a,x\n4,0,b,y\n") == [["a", 1], ["b", 0]]


def test_every_plain_way_to_write_a_target(tmp_path: Path) -> None:
    rows = read(tmp_path, 'img_name,target\na,0\nb,1\nc,0.0\nd,1.00\ne, 1 \nf,"1"\ng,1.\n')
    assert [target for _, target in rows] == [0, 1, 0, 1, 1, 1, 1]


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
