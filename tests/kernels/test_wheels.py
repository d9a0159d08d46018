"""pip itself fetches; its index is a folder, named to it by its own environment variables."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from ffdi.core.errors import UserError
from ffdi.kernels import wheels
from ffdi.kernels.wheels import build, parse, pins
from ffdi.cli import wheels as verb


def make_wheel(folder: Path, name: str, version: str, tag: str) -> str:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-{version}-{tag}.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/__init__.py", "")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        archive.writestr(f"{info}/RECORD", "")
    return path.name


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    (tmp_path / "index").mkdir()
    return tmp_path / "index"


def test_a_wheelhouse_for_two_pythons(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pure = make_wheel(index, "tiny_pure", "1.0", "py3-none-any")
    native = [make_wheel(index, "fastjpg", "2.1", f"{tag}-{tag}-manylinux_2_28_x86_64") for tag in ("cp312", "cp313")]
    make_wheel(index, "fastjpg", "2.1", "cp312-cp312-win_amd64")
    make_wheel(index, "fastjpg", "2.2", "cp312-cp312-manylinux_2_28_x86_64")
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("# pins\nTiny.Pure==1.0\nfastjpg==2.1 ; sys_platform == 'linux'\n")
    house = tmp_path / "house"
    verb.run(house, "tiny-pure, fastjpg", "cp312,cp313", requirements)
    assert capsys.readouterr().out.count("fetched") == 3
    names = sorted([pure, *native])
    assert sorted(path.name for path in house.iterdir()) == sorted(["SHA256SUMS", *names])
    sums = [f"{hashlib.sha256((house / name).read_bytes()).hexdigest()}  {name}" for name in names]
    assert (house / "SHA256SUMS").read_text().splitlines() == sums

    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")  # all is there, so nothing is asked for
    verb.run(house, "tiny-pure, fastjpg", "cp312,cp313", requirements)
    assert capsys.readouterr().out.count("there") == 3
    assert build(house, {"fastjpg": "2.1"}, ["cp313"]).fetched == ()
    assert sorted(path.name for path in house.iterdir()) == ["SHA256SUMS", native[1]]


def test_a_spoiled_wheel_is_fetched_again_and_an_sdist_is_refused(index: Path, tmp_path: Path) -> None:
    name = make_wheel(index, "tiny_pure", "1.0", "py3-none-any")
    (index / "source_only-1.0.tar.gz").write_bytes(b"never opened")
    house = tmp_path / "house"
    house.mkdir()
    (house / name).write_bytes(b"spoiled")
    (house / "SHA256SUMS").write_text(f"{'0' * 64}  {name}\n")
    assert build(house, {"tiny-pure": "1.0"}, ["cp312"]).fetched == (name,)
    assert (house / name).read_bytes() == (index / name).read_bytes()
    with pytest.raises(UserError, match=r"no wheel of source-only==1\.0 for cp313 on Linux"):
        build(house, {"tiny-pure": "1.0", "source-only": "1.0"}, ["cp313"])
    assert build(house, {"tiny-pure": "1.0"}, ["cp313"]).fetched == ()


def test_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", "http://user:secret@127.0.0.1:9/simple")  # nobody listens there
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.delenv("PIP_NO_INDEX", raising=False)
    monkeypatch.setattr(wheels, "RETRIES", 1)
    with pytest.raises(UserError, match=r"index cannot be reached; run `ffdi kernels wheels` where") as caught:
        build(tmp_path / "house", {"tiny-pure": "1.0"}, ["cp312"])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("packages", "says"),
    [
        (["timm", "torch"], "torch is the image's own"),
        (["nvidia_cublas"], "nvidia-cublas is the image's own"),
        (["absent"], "pins no absent; add a line absent==VERSION"),
    ],
)
def test_packages_that_are_not_shipped(tmp_path: Path, packages: list[str], says: str) -> None:
    (tmp_path / "requirements.txt").write_text("timm==1.0\ntorch==2.0\nnvidia-cublas==1\n")
    with pytest.raises(UserError, match=says):
        pins(tmp_path / "requirements.txt", packages)


def test_the_default_packages_are_pinned_here() -> None:
    assert pins(Path(__file__).parents[2] / "requirements.txt", wheels.PACKAGES)["albumentations"] == "2.0.8"


@pytest.mark.parametrize(
    ("name", "python", "fits"),
    [
        ("a_b-1.0-py3-none-any.whl", "cp313", True),
        ("a_b-1.0-py2.py3-none-any.whl", "cp312", True),
        ("a_b-1.0-2-cp312-cp312-manylinux_2_17_x86_64.whl", "cp312", True),
        ("a_b-1.0-cp312-cp312-manylinux_2_17_x86_64.whl", "cp313", False),
        ("a_b-1.0-cp39-abi3-manylinux_2_17_x86_64.whl", "cp312", True),
        ("a_b-1.0-cp313-abi3-manylinux_2_17_x86_64.whl", "cp312", False),
        ("a_b-1.1-py3-none-any.whl", "cp312", False),
        ("a_c-1.0-py3-none-any.whl", "cp312", False),
    ],
)
def test_what_a_wheel_serves(name: str, python: str, fits: bool) -> None:
    wheel = parse(name)
    assert wheel is not None
    assert wheel.serves("A.b", "1.0", python) is fits


@pytest.mark.parametrize("name", ["a-1.0.tar.gz", "a-1.0.whl", "SHA256SUMS"])
def test_what_is_no_wheel(name: str) -> None:
    assert parse(name) is None


def test_a_python_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"write cp312"):
        build(tmp_path, {"a": "1"}, ["3.12"])
