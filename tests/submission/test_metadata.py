import json
from pathlib import Path
from typing import Any

import pytest
from kaggle.api.kaggle_api_extended import KaggleApi

from ffdi.config.load import validate
from ffdi.core.errors import UserError
from ffdi.submission import metadata
from ffdi.submission.metadata import DatasetMetadata, KernelMetadata, read_kernel

KERNEL: dict[str, Any] = {
    "id": "some-one/ffdi-infer",
    "title": "ffdi infer",
    "code_file": "infer.py",
    "language": "python",
    "kernel_type": "script",
    "is_private": True,
    "enable_internet": False,
    "enable_gpu": True,
    "machine_shape": "NvidiaTeslaT4",
    "dataset_sources": ["some-one/ffdi-infer-weights"],
    "competition_sources": ["multi-ffdi"],
}
DATASET: dict[str, Any] = {
    "id": "some-one/ffdi-infer-weights",
    "title": "ffdi infer weights",
    "licenses": [{"name": "other"}],
}
DIGEST = "sha256:" + "0" * 64


def kernel_folder(root: Path, **changes: Any) -> Path:
    (root / "infer.py").write_text("print('hello')\n")
    kept = {name: value for name, value in {**KERNEL, **changes}.items() if value is not None}
    (root / metadata.KERNEL).write_text(json.dumps(kept))
    return root


def test_what_is_right_goes_through(tmp_path: Path) -> None:
    image = f"gcr.io/kaggle-gpu-images/python@{DIGEST}"
    model = ["google/gemma/pyTorch/2b/3"]
    found = read_kernel(kernel_folder(tmp_path, docker_image=image, model_sources=model), keywords=["faces"])
    assert (found.owner, found.slug, found.docker_image, found.keywords) == ("some-one", "ffdi-infer", image, ["faces"])
    metadata.write(tmp_path / "again" / metadata.KERNEL, found)
    (tmp_path / "again" / "infer.py").write_text("1\n")
    assert read_kernel(tmp_path / "again") == found
    assert "docker_image_pinning_type" not in (tmp_path / "again" / metadata.KERNEL).read_text()


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"enable_internet": None}, "enable_internet: field required"),
        ({"enable_internet": True}, "enable_internet"),
        ({"is_private": False}, "is_private"),
        ({"is_private": 1}, "is_private: write true or false"),
        ({"enable_gpu": 1}, "enable_gpu"),
        ({"enable_tpu": True}, "enable_tpu"),
        ({"id": "ffdi-infer"}, "id: "),
        ({"id": "some-one/ffdi-infer/3"}, "id: "),
        ({"id": "some-one/a-bc", "title": "a  bc"}, "fewer than 5 characters"),
        ({"id": "some-one/a-bcd", "title": "a   bcd"}, None),
        ({"title": "another name"}, "becomes the slug 'another-name', not 'ffdi-infer'"),
        ({"title": "ffdi infer" + "r" * 50}, "title: "),
        ({"code_file": "../infer.py"}, "code_file: "),
        ({"code_file": "other.py"}, "'other.py' cannot be read"),
        ({"language": "Python"}, "language: "),
        ({"kernel_type": "notebook"}, "kernel_type: "),
        ({"machine_shape": "NvidiaTeslaP100"}, "machine_shape: "),
        ({"machine_shape": None}, "machine_shape: write"),
        ({"machine_shape": None, "enable_gpu": False}, None),
        ({"dataset_sources": ["datasets/some-one/weights"]}, "dataset_sources.0"),
        ({"dataset_sources": ["some-one/weights/3"]}, None),
        ({"kernel_sources": ["some-one/ffdi-train", "some-one/other/12"]}, None),
        ({"kernel_sources": ["some-one/ffdi-train/0"]}, 'kernel_sources.0: write "owner/slug" or "owner/slug/version"'),
        ({"competition_sources": ["https://www.kaggle.com/c/multi-ffdi"]}, "competition_sources.0"),
        ({"model_sources": ["google/gemma/pyTorch/2b"]}, "model_sources.0"),
        ({"docker_image": "gcr.io/kaggle-gpu-images/python:latest"}, "docker_image"),
        ({"docker_image_pinning_type": "newest"}, "docker_image_pinning_type"),
        ({"machine": "NvidiaTeslaT4"}, "did you mean 'machine_shape'"),
    ],
)
def test_rules_of_a_kernel(tmp_path: Path, changes: dict[str, Any], names: str | None) -> None:
    folder = kernel_folder(tmp_path, **changes)
    if names is None:
        assert read_kernel(folder).language == "python"
        return
    with pytest.raises(UserError) as caught:
        read_kernel(folder)
    assert str(folder / metadata.KERNEL) in str(caught.value)
    assert names in str(caught.value)


@pytest.mark.parametrize(
    ("data", "says"),
    [(None, "No such file"), (b"{", "is not JSON"), (b"[1]", "no JSON object"), (b"[" * 50_000, "is not JSON")],
    ids=["missing", "cut", "list", "deep"],
)
def test_files_that_are_no_metadata(tmp_path: Path, data: bytes | None, says: str) -> None:
    if data is not None:
        (tmp_path / metadata.KERNEL).write_bytes(data)
    with pytest.raises(UserError, match=says):
        read_kernel(tmp_path)


@pytest.mark.parametrize(("data", "says"), [(b"\xff\xfe", "is not UTF-8"), (b" \n", "is empty")])
def test_scripts_that_cannot_be_pushed(tmp_path: Path, data: bytes, says: str) -> None:
    folder = kernel_folder(tmp_path)
    (folder / "infer.py").write_bytes(data)
    with pytest.raises(UserError, match=says):
        read_kernel(folder)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, None),
        ({"id": "some-one/short"}, "6 to 50"),
        ({"id": "some-one/" + "a" * 51}, "6 to 50"),
        ({"title": "short"}, "title: "),
        ({"licenses": []}, "licenses: "),
        ({"licenses": [{"name": "other"}, {"name": "CC0-1.0"}]}, "licenses: "),
        ({"subtitle": "too short"}, "subtitle: "),
        ({"resources": []}, "unknown key 'resources'"),
    ],
)
def test_rules_of_a_dataset(changes: dict[str, Any], says: str | None) -> None:
    if says is None:
        assert validate(DatasetMetadata, {**DATASET, **changes}, "x").slug == "ffdi-infer-weights"
        return
    with pytest.raises(UserError, match=says):
        validate(DatasetMetadata, {**DATASET, **changes}, "x")


def test_the_client_reads_what_is_written(tmp_path: Path) -> None:
    """Its own parsers agree with our patterns."""
    metadata.write(tmp_path / metadata.DATASET, validate(DatasetMetadata, DATASET, "x"))
    client = KaggleApi.__new__(KaggleApi)
    assert client.get_dataset_metadata_file(str(tmp_path)) == str(tmp_path / metadata.DATASET)
    kernel = validate(KernelMetadata, KERNEL, "x")
    client.validate_kernel_string(kernel.id)
    client.validate_dataset_string(kernel.dataset_sources[0])
    client.validate_kernel_string("some-one/ffdi-train/2")
    assert metadata.read_dataset(tmp_path) == validate(DatasetMetadata, DATASET, "x")
    assert client.get_bool(kernel.model_dump(), "enable_internet", True) is False
