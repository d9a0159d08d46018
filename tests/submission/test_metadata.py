from pathlib import Path
from typing import Any

import pytest
from kaggle.api.kaggle_api_extended import KaggleApi

from ffdi.core.errors import UserError
from ffdi.submission.metadata import FILE, read_kernel
from tests.fixtures.pushing import make_kernel

IMAGE = f"gcr.io/kaggle-gpu-images/python@sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"enable_internet": None}, "enable_internet: field required"),
        ({"enable_internet": True}, "enable_internet"),
        ({"is_private": False}, "is_private"),
        ({"is_private": 1}, "is_private: write true or false"),
        ({"enable_gpu": 1}, "enable_gpu"),
        ({"enable_tpu": True}, "enable_tpu"),
        ({"id": "toy-infer"}, "id: "),
        ({"id": "some-one/toy-infer/3"}, "id: "),
        ({"id": "some-one/a-bc", "title": "a  bc"}, "fewer than 5 characters"),
        ({"title": "another name"}, "becomes the slug 'another-name', not 'toy-infer'"),
        ({"title": "toy infer" + "r" * 50}, "title: "),
        ({"code_file": "../toy-infer.py"}, "code_file: "),
        ({"code_file": "other.py"}, "'other.py' cannot be read"),
        ({"language": "Python"}, "language: "),
        ({"kernel_type": "notebook"}, "kernel_type: "),
        ({"machine_shape": "NvidiaTeslaP100"}, "machine_shape: "),
        ({"machine_shape": None}, "machine_shape: write"),
        ({"dataset_sources": ["datasets/some-one/weights"]}, "dataset_sources.0"),
        ({"kernel_sources": ["some-one/toy-train/0"]}, 'kernel_sources.0: write "owner/slug" or "owner/slug/version"'),
        ({"competition_sources": ["https://www.kaggle.com/c/toy"]}, "competition_sources.0"),
        ({"model_sources": ["google/gemma/pyTorch/2b"]}, "model_sources.0"),
        ({"docker_image": "gcr.io/kaggle-gpu-images/python:latest"}, "docker_image"),
        ({"docker_image_pinning_type": "newest"}, "docker_image_pinning_type"),
        ({"machine": "NvidiaTeslaT4"}, "did you mean 'machine_shape'"),
    ],
)
def test_rules_of_a_kernel(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    folder = make_kernel(tmp_path / "toy-infer", **changes)
    with pytest.raises(UserError) as caught:
        read_kernel(folder, "tester")
    assert str(folder / FILE) in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "some-one/a-bcd", "title": "a   bcd"},
        {"machine_shape": None, "enable_gpu": False},
        {"machine_shape": "", "enable_gpu": False},
        {"docker_image": IMAGE, "model_sources": ["google/gemma/pyTorch/2b/3"]},
    ],
)
def test_what_is_right_goes_through(tmp_path: Path, changes: dict[str, Any]) -> None:
    about, text = read_kernel(make_kernel(tmp_path / "toy-infer", **changes), "tester")
    assert text.startswith("SETTINGS")
    assert about.request()["isPrivate"] is True
    assert about.request()["enableInternet"] is False


def test_the_owner_and_more_sources_are_filled_in_and_the_client_takes_them(tmp_path: Path) -> None:
    folder = make_kernel(tmp_path / "toy-infer", dataset_sources=["OWNER/weights"])
    more = {"dataset_sources": ["a/wheels/3"], "kernel_sources": ["tester/toy-train"]}
    about, _ = read_kernel(folder, "tester", docker_image=IMAGE, **more)
    assert (about.id, about.dataset_sources) == ("tester/toy-infer", ["tester/weights", "a/wheels/3"])
    assert (about.kernel_sources, about.docker_image) == (["tester/toy-train"], IMAGE)
    client = KaggleApi.__new__(KaggleApi)  # its own parsers agree with our patterns
    client.validate_kernel_string(about.id)
    client.validate_dataset_string(about.dataset_sources[1])


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        (FILE, None, "No such file"),
        (FILE, b"{", "is not JSON"),
        (FILE, b"[1]", "no JSON object"),
        (FILE, b"[" * 50_000, "is not JSON"),
        ("toy-infer.py", b"\xff\xfe", "is not UTF-8"),
        ("toy-infer.py", b" \n", "is empty"),
    ],
    ids=["missing", "cut", "list", "deep", "binary", "empty"],
)
def test_files_that_cannot_be_pushed(tmp_path: Path, name: str, data: bytes | None, says: str) -> None:
    folder = make_kernel(tmp_path / "toy-infer")
    (folder / name).unlink() if data is None else (folder / name).write_bytes(data)
    with pytest.raises(UserError, match=says):
        read_kernel(folder, "tester")
