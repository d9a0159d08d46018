"""Wheels of other packages: pip fetches them from an index that is a folder, named to it by its own variables."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from ffdi.cli import kernels as verbs
from ffdi.core.errors import UserError
from ffdi.kernels import image, wheels
from ffdi.kernels.wheels import fetch, install, pins
from tests.kernels.conftest import make_wheel


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    (tmp_path / "index").mkdir()
    return tmp_path / "index"


def test_wheels_for_two_pythons(index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pure = make_wheel(index, "tiny_pure", "1.0")
    native = [make_wheel(index, "fastjpg", "2.1", f"{tag}-{tag}-manylinux_2_28_x86_64") for tag in ("cp312", "cp313")]
    make_wheel(index, "fastjpg", "2.1", "cp312-cp312-win_amd64")
    make_wheel(index, "fastjpg", "2.2", "cp312-cp312-manylinux_2_28_x86_64")
    verbs.wheels(tmp_path / "wheelhouse", "cp312,cp313", "Tiny.Pure==1.0, fastjpg==2.1")
    assert "next: ffdi kernels pack --wheels" in capsys.readouterr().out
    names = sorted(path.name for path in [pure, *native])
    assert sorted(path.name for path in (tmp_path / "wheelhouse").iterdir()) == sorted(["SHA256SUMS", *names])
    sums = [f"{hashlib.sha256((index / name).read_bytes()).hexdigest()}  {name}" for name in names]
    assert (tmp_path / "wheelhouse" / "SHA256SUMS").read_text().splitlines() == sums
    assert [path.name for path in wheels.lacking(tmp_path / "wheelhouse")] == names
    with pytest.raises(UserError, match=r"holds no wheels; run `ffdi kernels wheels"):
        wheels.lacking(tmp_path)


def test_an_sdist_is_refused(index: Path, tmp_path: Path) -> None:
    (index / "source_only-1.0.tar.gz").write_bytes(b"never opened")
    with pytest.raises(UserError, match=r"no wheel of source-only==1\.0 for cp313 on Linux"):
        fetch(tmp_path / "wheelhouse", {"source-only": "1.0"}, ["cp313"])
    with pytest.raises(UserError, match="write cp312"):
        fetch(tmp_path / "wheelhouse", {"a": "1"}, ["3.12"])


def test_wheels_come_first_on_the_path_of_this_process_and_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [
        make_wheel(tmp_path, "kaggle_lacks_it", "1.5"),
        make_wheel(tmp_path, "pandas", image.version_of("pandas")),  # as it is installed: left alone
    ]
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    assert install(found) == ["kaggle-lacks-it==1.5"]
    import kaggle_lacks_it  # type: ignore[import-not-found]

    assert kaggle_lacks_it.version == "1.5"
    child = subprocess.run(
        [sys.executable, "-c", "import kaggle_lacks_it as it; print(it.version)"], capture_output=True, check=True
    )
    assert child.stdout.strip() == b"1.5"
    with pytest.raises(UserError, match=r"kaggle-lacks-it==2\.0 cannot be installed here \(cp3\d+\) from "):
        install([make_wheel(tmp_path / "other", "kaggle_lacks_it", "2.0", "cp39-cp39-win32")])


def test_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", "http://user:secret@127.0.0.1:9/simple")  # nobody listens there
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.delenv("PIP_NO_INDEX", raising=False)
    monkeypatch.setattr(wheels, "RETRIES", 1)
    with pytest.raises(UserError, match=r"it cannot be reached; name another version") as caught:
        fetch(tmp_path / "wheelhouse", {"tiny-pure": "1.0"}, ["cp312"])
    assert "secret" not in str(caught.value)


def test_versions_are_those_given_or_installed_here() -> None:
    assert pins(["Tiny.Pure==1.0", "numpy"]) == {"tiny-pure": "1.0", "numpy": image.version_of("numpy")}
    assert set(pins()) == set(wheels.PACKAGES)
    assert not set(pins()) & {entry["package"] for entry in image.SHIPS.values()}
    for package, says in (
        ("torch", "the image's own"),
        ("nvidia_cublas==1", "own"),
        ("absent", "write absent==VERSION"),
    ):
        with pytest.raises(UserError, match=says):
            pins([package])
