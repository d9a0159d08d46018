from pathlib import Path

import pytest

from ffdi.core.errors import UserError
from ffdi.kernels import image
from ffdi.kernels.closure import PACKAGE, closure
from ffdi.kernels.emit import KINDS

TREE = {
    "__init__.py": "",
    "a/__init__.py": "",
    "a/first.py": "import os\nfrom tree.a import second, VALUE\nfrom tree.b.deep.third import thing\n",
    "a/second.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import tree.b.typed, typing_only\n",
    "b/__init__.py": "",
    "b/typed.py": "import never\n",
    "b/deep/__init__.py": "",
    "b/deep/third.py": "def late():\n    import heavy.part, tree.b.late as it\n    from tree.a import first\n",
    "b/late.py": "from numpy.typing import NDArray\n",
    "config/load.py": "",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in TREE.items():
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_text(text)
    return tmp_path / "tree"


def test_imports_are_followed_to_the_end_and_no_further(tree: Path) -> None:
    found = closure(["a/first.py"], tree)
    names = ("__init__", "a/__init__", "a/first", "a/second", "b/__init__", "b/deep/__init__", "b/deep/third", "b/late")
    assert found.files == tuple(f"tree/{name}.py" for name in names)
    assert found.foreign == {"heavy": ("b/deep/third.py",), "numpy": ("b/late.py",)}


def test_data_files_come_with_the_module_that_reads_them(tree: Path) -> None:
    (tree / "competitions").mkdir()
    (tree / "competitions" / "one.toml").write_text("")
    assert closure(["config/load.py"], tree).files == ("tree/competitions/one.toml", "tree/config/load.py")


@pytest.mark.parametrize("kind", KINDS)
def test_a_kernel_imports_only_what_the_image_has(kind: str) -> None:
    found = closure([f"kernels/entry/{kind}.py", "kernels/start.py", "core/code.py"])
    image.check(found.foreign)
    rooms = {name.split("/")[1] for name in found.files}
    assert not rooms & {"cli", "report", "search"}
    readers = [name for name in found.files if "files(" in (PACKAGE.parent / name).read_text()]
    assert set(readers) <= {"ffdi/config/load.py"}, "a module that reads package data stands in closure.DATA"


def test_an_import_that_the_image_lacks_is_named() -> None:
    with pytest.raises(UserError, match=r"data/x\.py imports imagehash, which Kaggle's image does not ship"):
        image.check({"numpy": ["data/x.py"], "imagehash": ["data/x.py"]})


def test_what_may_be_missing_is_told_and_the_rest_is_missed() -> None:
    assert image.missing(["numpy", "simplejpeg", "no_such_module"]) == ["no_such_module"]
    assert image.forgone(["numpy"]) == {}
    assert set(image.ships()) & set(image.optional()) == set()
    assert {shipped.certainty for shipped in image.ships().values()} == {"firm", "base"}
