import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffdi.core.errors import UserError
from ffdi.core.layout import FoldFolder, Workspace, inside, verb_of


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "a\0b", "link/x"])
def test_names_that_lead_outside_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path)
    with pytest.raises(UserError):
        inside(tmp_path / "root", name)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40))
def test_what_is_accepted_lies_inside(name: str) -> None:
    root = Path("/srv/contest")
    try:
        path = inside(root, name)
    except UserError:
        return
    assert path.is_relative_to(root)


def test_a_fold_folder_is_a_path_with_names() -> None:
    folder = Workspace(Path("work"), Path("submissions")).fold("lite0", "0123abcd", 2)
    assert folder == Path("work/runs/lite0-0123abcd/fold2")
    assert (folder.weights, folder.table("oof")) == (folder / "weights.safetensors", folder / "oof.parquet")
    copy = pickle.loads(pickle.dumps(folder))
    assert isinstance(copy, FoldFolder)
    assert copy.done == folder / "done.json"


@pytest.mark.parametrize(
    ("path", "verb"),
    [
        ("scan/part-00001.parquet", "folds"),
        ("embeddings.safetensors", "blend"),
        ("degraded/one-0123abcd/jpeg.parquet", "evaluate --degraded"),
        ("forged/parts/000001.parquet", "forge"),
        ("runs/one-0123abcd/fold0/oof.parquet", "train"),
        ("search/one/runs/one-0123abcd/fold0/oof.parquet", "search"),
    ],
)
def test_the_verb_that_makes_an_artefact_is_named(path: str, verb: str) -> None:
    assert verb_of(Path("work/contest/mine") / path) == f"`ffdi {verb}`"
