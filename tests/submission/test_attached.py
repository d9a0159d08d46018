from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from ffdi.core.errors import UserError
from ffdi.submission import attached
from ffdi.submission.attached import Attached, join, named
from ffdi.submission.metadata import KernelMetadata


def test_one_version_of_a_thing_is_attached() -> None:
    assert join(["a/x", "b/y/3"], ["c/z", "a/x/2", "b/y"]) == ("a/x/2", "b/y", "c/z")
    before, newer = named(["a/x/1", "a/x/2"], []), named(["b/y"], ["a/x"])
    assert before.joined(newer) == Attached(kernels=("a/x/2", "b/y"), datasets=("a/x",))
    assert before.joined(newer).joined(before).names == ("a/x", "a/x/2", "b/y")


def test_what_the_metadata_names_since_counts_more_than_an_earlier_push() -> None:
    about = SimpleNamespace(kernel_sources=["a/x/5"], dataset_sources=["b/y"])
    assert named(["a/x/2", "c/z"], ["b/y/1"]).without(cast(KernelMetadata, about)) == named(["c/z"], [])


@pytest.mark.parametrize("name", ["x", "a/x/v2", "a/x/1/2", "a/x/", "/a/x", "a b/x", "../x", "a/x\n", ""])
def test_what_is_no_source(name: str) -> None:
    for option, given in (("--kernel-source", ([name], [])), ("--dataset-source", ([], [name]))):
        with pytest.raises(UserError, match=f"^{option}: write .*, not "):
            named(*given)


def test_it_is_kept(tmp_path: Path) -> None:
    attached.keep(tmp_path, Attached())
    assert (list(tmp_path.iterdir()), attached.load(tmp_path)) == ([], Attached())
    wanted = named(["a/x/2"], ["b/y"])
    attached.keep(tmp_path, wanted)
    assert attached.load(tmp_path) == wanted
