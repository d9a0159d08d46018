"""Weights that other programs left here are found by timm's own names, and nothing is downloaded."""

from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import timm
import torch
from safetensors.torch import save_file

from ffdi.model import build, sources
from tests.fixtures.members import member

TAGGED = "test_resnet.r160_in1k"


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_network: list[Any]) -> Path:
    """Empty caches and inputs below one folder."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("FFDI_INPUT", str(tmp_path / "input"))
    return tmp_path


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True)
    save_file(timm.create_model("test_resnet").state_dict(), path)
    return path


@pytest.mark.parametrize("name", ["test_resnet", TAGGED])
def test_the_cache_of_the_hub(places: Path, name: str) -> None:
    assert sources.in_caches(name) is None
    repository = places / "hub" / f"models--timm--{TAGGED}"
    path = put(repository / "snapshots" / "abc" / "model.safetensors")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    assert sources.in_caches(name) == path
    assert build.prepare(member(name, weights="auto"), folder=places)[1] == sources.Source("file", path)
    mine = put(places / "weights" / "test_resnet.safetensors")  # the user's own folder comes first
    assert sources.resolve(member(name, weights="auto"), mine.parent).path == mine


def test_the_cache_of_torch_by_the_file_name_that_timm_has(places: Path) -> None:
    path = places / "torch" / "hub" / "checkpoints" / "tf_efficientnet_b4_aa-818f208c.pth"
    assert sources.file_name("tf_efficientnet_b4.aa_in1k") == path.name
    path.parent.mkdir(parents=True)
    torch.save({}, path)
    assert sources.in_caches("tf_efficientnet_b4.aa_in1k") == path
    assert sources.in_caches("tf_efficientnet_b4.ns_jft_in1k") is None


@pytest.mark.parametrize("name", [f"some/weights/{TAGGED}.safetensors", "x/test-resnet-r160-in1k/1/model.safetensors",
                                  f"attached/models--timm--{TAGGED}/snapshots/abc/model.safetensors"])  # fmt: skip
def test_what_is_attached_to_a_notebook(places: Path, name: str) -> None:
    put(places / "input" / "others" / "resnet18.safetensors")
    assert sources.in_caches(TAGGED) is None
    path = put(places / "input" / name)
    assert sources.in_caches(TAGGED) == path
