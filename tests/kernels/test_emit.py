"""The file itself: what stands in it, byte by byte, and that the one in `kernels/` is that of the sources."""

import json
import re
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

from ffdi.core.code import PACKAGE
from ffdi.core.errors import UserError
from ffdi.kernels import emit, settings
from ffdi.kernels.settings import Setting
from ffdi.cli import build

ROOT = PACKAGE.parents[1]


def loaded(text: str) -> ModuleType:
    """The file as a module that is not the main one: nothing starts."""
    module = ModuleType("kernel")
    FunctionType(compile(text, "kernel.py", "exec"), vars(module))()
    return module


def test_the_sources_come_out_byte_for_byte_and_twice_the_same() -> None:
    text = emit.script("infer", "some-infer", settings.infer())
    assert text == emit.script("infer", "some-infer", settings.infer())
    kernel = loaded(text)
    assert "ffdi/infer/engine.py" in kernel.SOURCES
    for name, source in kernel.SOURCES.items():
        assert source.encode() == (PACKAGE.parent / name).read_bytes(), name
    assert emit.code(kernel.SOURCES) == kernel.DIGEST
    assert {one.name: one.value for one in settings.infer()} == kernel.SETTINGS
    assert str(ROOT) not in text


def test_settings_stand_on_top_each_with_its_comment() -> None:
    recipe = 'name = "x"\n[[member]]\nname = "say \\"hi\\""\n'
    text = emit.script("train", "some-train", settings.changed(settings.train(recipe), until="1h", members=["x"]))
    head = text[: text.index("KIND = ")]
    assert len(head.splitlines()) < 40
    assert recipe in head
    kernel = loaded(text)
    assert (kernel.SETTINGS["recipe"], kernel.SETTINGS["until"], kernel.SETTINGS["members"]) == (recipe, "1h", ["x"])
    for line, before in zip(head.splitlines()[1:], head.splitlines(), strict=False):
        assert not re.match(r'    "\w+": ', line) or before.startswith("    #")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("four", "", "cannot be called 'four'"),
        ("Upper-case", "", "cannot be called 'Upper-case'"),
        ("fine-name", "a\n'''", "cannot stand inside a kernel"),
        ("fine-name", "a\n%matplotlib inline\n", "is a command to a notebook"),
        ("fine-name", "a\n# %% a cell\n", "is a command to a notebook"),
    ],
)
def test_what_cannot_be_is_refused(name: str, value: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        emit.script("blend", name, [Setting("recipe", value, ("What is blended.",))])


def test_the_metadata_leaves_nothing_to_defaults() -> None:
    made = json.loads(emit.metadata("some-infer", emit.Sources(["c"], ["OWNER/w"], ["OWNER/k"]), gpu=True))
    assert (made["enable_internet"], made["is_private"], made["machine_shape"]) == (False, True, "NvidiaTeslaT4")
    assert re.sub(r"[^a-z0-9]+", "-", made["title"].lower()) == made["id"].split("/")[1]
    assert made["code_file"] == "some-infer.py"
    sources = [made[f"{kind}_sources"] for kind in ("competition", "dataset", "kernel", "model")]
    assert sources == [["c"], ["OWNER/w"], ["OWNER/k"], []]


def test_the_kernels_in_git_are_those_of_the_sources(tmp_path: Path) -> None:
    """`make kernels` after a change of the sources."""
    build.run(ROOT / "ensembles" / "sample.toml", "", list(emit.KINDS), tmp_path)
    made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    kept = {path: (ROOT / "kernels" / path).read_bytes() for path in made if (ROOT / "kernels" / path).is_file()}
    assert [str(path) for path in made if kept.get(path) != made[path]] == [], "run `make kernels`"


def test_settings_are_completed_and_mistakes_named() -> None:
    assert settings.complete("infer", {"until": "1h"})["weights"] == ""
    assert settings.complete("infer", {"workers": 3})["workers"] == 3
    with pytest.raises(UserError, match="unknown key 'untill'; did you mean 'until'"):
        settings.complete("infer", {"untill": "1h"})
    with pytest.raises(UserError, match="until must be text, not 9"):
        settings.complete("train", {"until": 9})
    with pytest.raises(UserError, match="workers must be a whole number"):
        settings.complete("infer", {"workers": "4"})
