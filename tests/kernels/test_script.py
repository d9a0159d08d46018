"""The hand-written scripts: one text in three, the search for the dataset, what is refused, and what they import."""

import ast
import json
import re
import runpy
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from modulefinder import ModuleFinder
from pathlib import Path
from typing import Any

import pytest

from ffdi.core.digest import PACKAGE
from ffdi.core.errors import UserError
from ffdi.kernels import infer, run, script, wheels
from ffdi.submission.kernel import with_settings
from tests.kernels.conftest import SCRIPTS, Home, Mounts, make_wheel, script_of

KINDS = ("infer", "train", "blend")
RunScript = Callable[..., tuple[int, str]]


def loaded(kind: str = "infer") -> dict[str, Any]:
    """The names of a script, as a worker process imports it: nothing runs."""
    return runpy.run_path(str(SCRIPTS / f"{kind}.py"), run_name="__mp_main__")


def put(path: Path, text: str = "{}") -> Path:
    path.mkdir(parents=True)
    (path / "team.json").write_text(text)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_a_script_is_settings_and_one_common_part(kind: str) -> None:
    text = (SCRIPTS / f"{kind}.py").read_text()
    assert len(text.splitlines()) < 70
    common = (SCRIPTS / "infer.py").read_text().partition("def find_pack")[2]
    assert text.endswith("def find_pack" + common)
    names = loaded(kind)
    assert (names["KIND"], names["API"], names["SETTINGS"]) == (kind, run.API, run.SETTINGS[kind]().model_dump())
    for name in names["SETTINGS"]:
        assert re.search(rf'# .*\n    "{name}": ', text), f"{name} has no comment"
    # A notebook reads such lines as commands or as borders of cells.
    assert not re.search(r"^\s*(?:[%!].*|# ?%%.*|# In\[.*)$", text, re.MULTILINE)


def test_the_dataset_is_found_by_its_name(mounts: Mounts) -> None:
    find = loaded()["find_pack"]
    mine, yours, old = (put(mounts.input / at, at) for at in ("datasets/me/team", "datasets/you/team/x", "older/x"))
    assert find("me/team") == mine
    assert find("you/team") == yours
    assert find("me/older") == find("older") == old
    for name, told in (("", f"{old}, {mine}, {yours}"), ("team", f"{mine}, {yours}"), ("he/team", "none below")):
        with pytest.raises(SystemExit, match=re.escape(f"One attached dataset must have team.json; found: {told}")):
            find(name)
    shutil.copy(mine / "team.json", put(mounts.input / "my-train") / "team.json")  # the output of a train kernel
    (mounts.input / "my-train" / "run.json").touch()
    shutil.rmtree(yours)
    shutil.rmtree(old)
    assert find("") == mine  # and not the nearer copy, which has no weights


def test_a_wheel_that_does_not_fit_is_refused(home: Home, mounts: Mounts, run_script: RunScript) -> None:
    wheel = mounts.add(home.pack, "team") / home.team.wheel
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    told = f"{wheel} is not the wheel that team.json names; pack and upload the dataset again.\n"
    assert run_script(script_of("infer")) == (1, told)


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        ("infer", {"untill": "1h"}, "unknown key 'untill', did you mean 'until'"),
        ("train", {"members": "one"}, "SETTINGS: members"),
        ("infer", {"until": "2999-11-22T18:00"}, "SETTINGS: until: string should match pattern"),
        ("infer", {"workers": -1}, "SETTINGS: workers"),
        ("infer", {}, "This image has no timm; put the wheels into a folder and pack again"),
        ("infer", {}, "take kernels/infer.py of the kit that packed the dataset"),
    ],
)
def test_what_a_kernel_cannot_run_with_is_one_sentence(
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: str,
    given: dict[str, Any],
    message: str,
) -> None:
    assert wheels.missing() == []
    monkeypatch.setattr(wheels, "missing", lambda: ["timm"])
    with pytest.raises(SystemExit) as ended:
        run.run(kind, given, home.pack, run.API + ("take kernels" in message))
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_settings_are_edited_as_by_hand() -> None:
    kernel = script.read(SCRIPTS / "train.py")
    text = with_settings(kernel.text, run='a "b" \\1', until="70s")
    assert script.Script(kernel.path, text, "train").setting("run") == 'a "b" \\1'
    assert ast.parse(text)
    with pytest.raises(UserError, match="has 0 settings 'speed', not one"):
        with_settings(kernel.text, speed="high")
    with pytest.raises(UserError, match="has 2 settings 'run', not one"):
        with_settings(2 * kernel.text, run="an-id")
    with pytest.raises(UserError, match="is no kernel of the kit"):
        script.read(Path(__file__))


def test_a_script_with_the_kit_inside(home: Home, mounts: Mounts, run_script: RunScript) -> None:
    """It needs no dataset: here it gets as far as the competition, which is not attached."""
    with pytest.raises(UserError, match="do not fit into a script"):
        script.embed(script.read(SCRIPTS / "infer.py"), home.team)
    code, out = run_script(script.embed(script.read(SCRIPTS / "train.py"), home.team))
    assert code == 2
    assert "Not mounted: the table phase1/trainset_label.txt" in out
    assert home.team.wheel.split("-")[1] in out
    assert {path.name for path in mounts.working.iterdir()} == {"team.json", home.team.wheel}  # for a blend kernel


@pytest.mark.parametrize(("kind", "competitions"), [("infer", 1), ("train", 2), ("blend", 0)])
def test_what_kaggle_is_told_of_a_script(home: Home, kind: str, competitions: int) -> None:
    kernel = script.read(SCRIPTS / f"{kind}.py")
    about = script.metadata(kernel, home.team, "me", ["me/pack"], ["me/other/2"])
    assert (about.id, about.gpu, about.dataset_sources) == (f"me/tiny-{kind}", kind != "blend", ["me/pack"])
    assert len(about.competition_sources) == competitions
    odd = replace(home.team, recipe=home.team.recipe.model_copy(update={"name": "a__b_"}))
    assert script.metadata(kernel, odd, "me", [], []).id == f"me/a-b-{kind}"  # else Kaggle would call it otherwise
    assert about.kernel_sources == (["me/tiny-train"] if kind == "blend" else []) + ["me/other/2"]
    assert with_settings(kernel.text, run="an-id").count('    "run": "an-id",\n') == 1


def test_the_mains_import_only_what_the_image_has() -> None:
    """Imports inside functions included. What does not lie beside the kit counts as not found."""
    finder = ModuleFinder([str(PACKAGE.parent)])
    for name in ("run", *KINDS):
        finder.import_hook(f"ffdi.kernels.{name}")
    own = {*sys.stdlib_module_names, PACKAGE.name}
    users = {name: by for name, by in finder.badmodules.items() if name.split(".")[0] not in own}
    known = set(wheels.SHIPS) | set(wheels.OPTIONAL)
    assert {name: by for name, by in users.items() if name.split(".")[0] not in known} == {}
    assert not set(wheels.SHIPS) & set(wheels.OPTIONAL)
    assert set(wheels.SHIPS) <= {name.split(".")[0] for name in users} | {"torchvision"}  # which timm imports


def test_a_wheel_that_cannot_be_installed_here_is_a_warning(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may only make the kernel faster, and Kaggle moves its image to another Python now and then."""
    made = make_wheel(tmp_path, "simplejpeg", "9.9", "cp39-cp39-win32")
    run._install(replace(home.team, folder=tmp_path, files={made.name: "", home.team.wheel: ""}))
    told = capsys.readouterr()
    assert "simplejpeg==9.9 cannot be installed here" in told.err
    assert "The kernel goes on without." in told.err
    assert "ffdi 0.2.0+g" in told.out


def test_run_json_says_which_run_it_was(home: Home, mounts: Mounts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(infer, "main", lambda settings, pack: {"rows": 3})
    run.run("infer", {"run": "abc"}, home.pack, run.API)
    told = json.loads((mounts.working / run.RUN_RECORD).read_text())
    assert (told["kind"], told["run"], told["rows"], told["seconds"]) == ("infer", "abc", 3, 0)
    assert told["packages"]["torch"] == wheels.version_of("torch")
