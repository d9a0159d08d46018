"""The dataset of a kernel: the same bytes from the same inputs, and nothing damaged or unfinished in it."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ffdi.blending import saved
from ffdi.config.load import load_competition, load_recipe
from ffdi.core import checksum, digest
from ffdi.core.digest import PACKAGE
from ffdi.core.errors import CorruptError, UserError
from ffdi.core.layout import Workspace
from ffdi.kernels import pack, team, wheels
from ffdi.model.weights import load_net
from tests.kernels.conftest import Home, make_wheel

ROOT = PACKAGE.parents[1]
WEIGHTS = {f"{member}-fold{fold}.safetensors" for member in ("one", "two") for fold in (0, 1)}
KIT, DATA = wheels.build_kit()


def contents(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): digest.of_file(path) for path in folder.rglob("*") if path.is_file()}


def test_the_folder_is_flat_and_says_what_it_is(home: Home) -> None:
    found, packed = contents(home.pack), home.team
    assert set(found) == {*WEIGHTS, KIT, "team.json"}
    assert packed.verify() == 5
    assert (packed.method, packed.prior) == ("stack", home.result.blended.prior)
    assert {one.member.name: one.weight for one in packed.members} == home.result.blended.weights
    assert packed.competition == home.competition
    assert packed.recipe.member == home.recipe.member
    assert packed.files == {name: sha for name, sha in found.items() if name != "team.json"}
    assert str(home.places.work) not in (home.pack / "team.json").read_text()
    for one in packed.members:
        for file in one.files.values():
            load_net(home.pack / file, one.member)  # its golden outputs are checked


def test_packing_again_gives_the_same_bytes_and_removes_what_is_not_of_it(home: Home, tmp_path: Path) -> None:
    again = Path(shutil.copytree(home.pack, tmp_path / "again"))
    (again / "one-fold0.safetensors").write_bytes(b"cut off")
    (again / "ffdi-0.2.0+gold-py3-none-any.whl").write_bytes(b"")
    (again / "old").mkdir()
    pack.pack_team(home.recipe, home.competition, home.places, again)
    assert contents(again) == contents(home.pack)


def test_unfinished_and_damaged_runs_are_refused(home: Home, tmp_path: Path) -> None:
    shutil.copytree(home.places.work, tmp_path / "work")
    places = Workspace(tmp_path / "work", tmp_path)
    fold = next(places.runs.glob("one-*")) / "fold1"
    shutil.copy(fold.parent / "fold0" / "weights.safetensors", fold / "weights.safetensors")
    with pytest.raises(CorruptError, match=r"fold1/weights.safetensors is not the file that its done.json names"):
        pack.pack_team(home.recipe, home.competition, places, tmp_path / "pack")
    (fold / "done.json").unlink()
    with pytest.raises(UserError, match="was made from other runs, data or code; run `ffdi blend`"):
        pack.pack_team(home.recipe, home.competition, places, tmp_path / "pack")
    assert not (tmp_path / "pack").exists()


def test_more_files_than_kaggle_takes_are_refused(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack, "MAX_FILES", 6)
    with pytest.raises(UserError, match="4 weights and wheels are too many"):
        pack.pack_team(home.recipe, home.competition, home.places, tmp_path / "pack")


def test_a_member_without_weight_and_wheels_that_the_image_has_stay_at_home(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = [{**one, "weight": float(one["name"] == "one")} for one in home.result.card["members"]]
    alone = saved.SavedBlend({**home.result.card, "members": members}, home.result.table)
    monkeypatch.setattr(saved, "load", lambda *_: alone)
    for name, number in (("scipy", "1.16.3"), ("timm", "1.0.99"), ("simplejpeg", "1.9")):
        make_wheel(tmp_path / "wheelhouse", name, number)
    folder = pack.pack_team(home.recipe, home.competition, home.places, tmp_path / "pack", tmp_path / "wheelhouse")
    lacking = {f"wheels/{name}-py3-none-any.whl" for name in ("timm-1.0.99", "simplejpeg-1.9")}
    wanted = {"one-fold0.safetensors", "one-fold1.safetensors", *lacking, KIT, "team.json"}
    assert set(contents(folder)) == wanted
    assert [one.member.name for one in team.read(folder).members] == ["one"]
    for path in (folder / "wheels").iterdir():  # as a site that drops folders shows them
        shutil.move(path, folder)
    assert team.read(folder).verify() == 5
    pack.pack_team(home.recipe, home.competition, home.places, folder)
    assert not any(name.startswith("wheels") for name in contents(folder))


@pytest.fixture
def pack_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """The dataset of a recipe, given without its name, in a folder that has weights/mine.pth and other/mine.pth."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("weights/mine.pth", "other/mine.pth", "test_vit.safetensors")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"tensors" * number)

    def made(text: str) -> Path:
        (tmp_path / "recipe.toml").write_text(f'name = "early"\n{text}')
        recipe = load_recipe(tmp_path / "recipe.toml")
        return pack.pack_recipe(recipe, load_competition(recipe.competition), tmp_path / "pack")

    return made


def test_a_train_dataset_before_there_is_a_team(pack_early: Callable[[str], Path], tmp_path: Path) -> None:
    folder = pack_early(
        '[[member]]\nname = "a"\nmodel = "tf_efficientnet_lite0"\n[[member]]\nname = "b"\nmodel = "test_resnet"\n'
        'weights = "weights/mine.pth"\n[[member]]\nname = "c"\nmodel = "test_vit"\nweights = "none"\n'
        f'[data]\nfolder = "{tmp_path}/faces"\nextra = ["/kaggle/input/forged"]\n'
    )
    assert set(contents(folder)) == {"tf_efficientnet_lite0.pth", "mine.pth", KIT, "team.json"}
    made = team.read(folder)
    assert (made.members, [one.name for one in made.recipe.member], made.recipe.data.folder) == ((), [*"abc"], "faces")


@pytest.mark.parametrize(
    ("weights", "more", "says"),
    [
        (["{}/weights/mine.pth"], "", "Member 'm0': a kernel, which is offline, would not find weights = '/"),
        (["hub"], "", "would not find weights = 'hub'; put the file below the current folder"),
        (["weights/mine.pth", "other/mine.pth"], "", "weights/mine.pth and other/mine.pth would have one name"),
        (["none"], '[data]\nextra = ["work/forged"]\n', "data.extra: work/forged is not on Kaggle; upload it"),
    ],
)
def test_what_a_train_kernel_would_not_find_is_refused_here(
    pack_early: Callable[[str], Path], tmp_path: Path, weights: list[str], more: str, says: str
) -> None:
    member = '[[member]]\nname = "m{}"\nmodel = "test_resnet"\nweights = "{}"\n'
    members = [member.format(number, path.format(tmp_path)) for number, path in enumerate(weights)]
    with pytest.raises(UserError, match=says):
        pack_early("".join(members) + more)
    assert not (tmp_path / "pack").exists()


def test_a_place_that_cannot_be_written_is_one_sentence(pack_early: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "pack").write_text("a file in the way")
    with pytest.raises(UserError, match=r"Cannot write .*pack .*; make room, or make it writable, and pack again"):
        pack_early('[[member]]\nname = "a"\nmodel = "test_resnet"\nweights = "none"\n')


def test_a_damaged_upload_is_refused_by_name(home: Home, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(home.pack, tmp_path / "pack"))
    path = folder / "two-fold1.safetensors"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptError, match=r"two-fold1\.safetensors is damaged"):
        team.read(folder).verify()
    path.unlink()
    with pytest.raises(CorruptError, match=r"two-fold1\.safetensors is missing"):
        team.read(folder).verify()


def test_a_team_of_another_version_is_refused(home: Home, tmp_path: Path) -> None:
    value = checksum.read_json(home.pack / "team.json")
    for changes in ({"wheel": {}}, {"recipe": {**value["recipe"], "of_another_version": 1}}):
        checksum.write_json(tmp_path / "team.json", {**value, **changes})
        with pytest.raises(UserError, match="another version of the kit; run `ffdi kernels pack` again"):
            team.read(tmp_path)


def test_the_wheel_is_the_same_on_any_machine(tmp_path: Path) -> None:
    """Another place, other file dates, another hash seed, another time zone; a stray file beside the sources."""
    copy = Path(shutil.copytree(PACKAGE, tmp_path / "ffdi", ignore=shutil.ignore_patterns("sample", "__pycache__")))
    for path in copy.rglob("*.py"):
        os.utime(path, (1e9, 1e9))
        path.chmod(0o600)
    (copy / "core" / ".#lock.py").write_text("left by an editor")
    (copy / "core" / "notes.txt").write_text("mine")
    code = (
        "from ffdi.kernels import wheels as w; name, data = w.build_kit(); "
        "print(w.__file__, name, w.digest.of_bytes(data))"
    )
    environment = {"PYTHONPATH": str(tmp_path), "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(copy / "kernels" / "wheels.py"), KIT, digest.of_bytes(DATA)]


def test_the_wheel_holds_the_kit_without_the_sample_and_pip_accepts_it(tmp_path: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == wheels.VERSION
    (tmp_path / KIT).write_bytes(DATA)
    names = zipfile.ZipFile(tmp_path / KIT).namelist()
    tracked = [path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    wanted = {path.relative_to(PACKAGE.parent).as_posix() for path in tracked if path.name != "Dockerfile"}
    assert {name for name in names if ".dist-info/" not in name} == {n for n in wanted if "/sample/" not in n}
    command = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "-q", "--target"]
    subprocess.run([*command, str(tmp_path / "site"), str(tmp_path / KIT)], check=True, capture_output=True)
    code = "import ffdi, importlib.metadata as m; print(ffdi.__file__, m.version('ffdi'))"
    path = {"PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run([sys.executable, "-c", code], env=path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(tmp_path / "site/ffdi/__init__.py"), KIT.split("-")[1]]
