import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from torch import nn

from ffdi.core import digest
from ffdi.core.errors import CorruptError, UserError
from ffdi.core.layout import Workspace
from ffdi.kernels import mounted, pack, plan
from ffdi.model.weights import check_golden, load_weights
from ffdi.config.recipe import Member
from tests.kernels.conftest import Home


def contents(folder: Path) -> dict[str, str]:
    return {path.name: digest.of_file(path) for path in folder.iterdir()}


def test_the_folder_is_flat_whole_and_says_what_it_is(home: Home) -> None:
    names = {f"{member}-fold{fold}.safetensors" for member in ("one", "two") for fold in (0, 1)}
    assert set(contents(home.pack)) == {*names, "plan.json", "SHA256SUMS"}
    assert mounted.verify(home.pack) == 5
    made = plan.read(home.pack)
    assert (made.method, made.prior) == ("weighted_rank_mean", home.result.blended.prior)
    assert {packed.member.name: packed.weight for packed in made.members} == home.result.blended.weights
    assert made.competition == home.competition
    assert str(home.places.work) not in (home.pack / "plan.json").read_text()
    for packed in made.members:
        for file in packed.files.values():
            assert check_golden(_model(packed.member, home.pack / file), home.pack / file) < 1e-5


def _model(member: Member, path: Path) -> nn.Module:
    from ffdi.model.build import build

    model = build(member, pretrained=False)
    load_weights(path, model)
    return model


def test_packing_again_gives_the_same_bytes_and_clears_what_is_not_of_it(home: Home, tmp_path: Path) -> None:
    before = contents(home.pack)
    shutil.copytree(home.pack, tmp_path / "again")
    (tmp_path / "again" / "one-fold0.safetensors").write_bytes(b"cut off")
    (tmp_path / "again" / "older-fold7.safetensors").write_bytes(b"")
    pack.pack(home.recipe, home.competition, home.places, tmp_path / "again")
    assert contents(tmp_path / "again") == before


def test_unfinished_and_spoiled_runs_are_refused(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(home.places.work, tmp_path / "work")
    places = Workspace(tmp_path / "work", tmp_path)
    fold = next(places.runs.glob("one-*")) / "fold1"
    shutil.copy(next(places.runs.glob("one-*")) / "fold0" / "weights.safetensors", fold / "weights.safetensors")
    monkeypatch.setattr(pack, "blend", lambda *_: home.result)
    with pytest.raises(CorruptError, match=r"fold1/weights.safetensors is not the file that its done.json names"):
        pack.pack(home.recipe, home.competition, places, tmp_path / "pack")
    monkeypatch.undo()
    (fold / "done.json").unlink()
    with pytest.raises(UserError, match="one fold 1 is not finished"):
        pack.pack(home.recipe, home.competition, places, tmp_path / "pack")
    assert not (tmp_path / "pack").exists()


def test_more_files_than_kaggle_takes_are_refused(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack, "blend", lambda *_: home.result)
    monkeypatch.setattr(pack, "MOST_FILES", 5)
    with pytest.raises(UserError, match="4 weights, 2 tables and a push's mark are more than the 5 files"):
        pack.pack(home.recipe, home.competition, home.places, tmp_path / "pack")


def test_a_member_without_weight_stays_at_home(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = replace(home.result, blended=replace(home.result.blended, weights={"one": 1.0, "two": 0.0}))
    monkeypatch.setattr(pack, "blend", lambda *_: alone)
    folder = pack.pack(home.recipe, home.competition, home.places, tmp_path / "pack")
    assert set(contents(folder)) == {"one-fold0.safetensors", "one-fold1.safetensors", "plan.json", "SHA256SUMS"}
    assert [packed.member.name for packed in plan.read(folder).members] == ["one"]


@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_upload_is_refused_by_name(home: Home, tmp_path: Path, damage: str) -> None:
    folder = Path(shutil.copytree(home.pack, tmp_path / "pack"))
    path = folder / "two-fold1.safetensors"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    os.remove(path) if damage == "remove" else path.write_bytes(data[:-1] if damage == "cut" else data)
    with pytest.raises(CorruptError, match=r"two-fold1\.safetensors is (damaged|missing)"):
        mounted.verify(folder)


def test_a_plan_of_another_version_is_refused(home: Home, tmp_path: Path) -> None:
    from ffdi.core import checksum

    value = json.loads((home.pack / "plan.json").read_text())
    del value["seal"]
    checksum.write_json(tmp_path / "plan.json", {**value, "format": 0})
    with pytest.raises(UserError, match="another version of the kit"):
        plan.read(tmp_path)
