"""The start of a kernel: wheels, what is missing, and how it ends."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ffdi.core import digest
from ffdi.core.errors import CorruptError, UserError
from ffdi.kernels import image, start
from ffdi.kernels.mounted import SUMS
from tests.kernels.conftest import Mounts


def wheel(folder: Path, name: str, number: str, tag: str = "py3-none-any") -> Path:
    """A package of one module, `version` in it."""
    path = folder / f"{name}-{number}-{tag}.whl"
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{number}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", f"version = '{number}'\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: {tag}\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def sums(folder: Path) -> None:
    lines = [f"{digest.of_file(path)}  {path.name}\n" for path in sorted(folder.glob("*.whl"))]
    (folder / SUMS).write_text("".join(lines))


def test_wheels_come_first_on_the_path_of_this_process_and_its_children(
    mounts: Mounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = mounts.input / "datasets/me/wheelhouse"
    wheel(folder, "kaggle_lacks_it", "1.5")
    wheel(folder, "pandas", image.found()["pandas"])  # as it is installed: left alone
    sums(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    assert start.wheelhouse("") == start.wheelhouse("me/wheelhouse") == folder
    assert start.wheelhouse("none") is None
    assert start.install(folder) == ["kaggle-lacks-it==1.5"]
    import kaggle_lacks_it  # type: ignore[import-not-found]

    assert kaggle_lacks_it.version == "1.5"
    child = subprocess.run(
        [sys.executable, "-c", "import kaggle_lacks_it as it; print(it.version)"], capture_output=True, check=True
    )
    assert child.stdout.strip() == b"1.5"


def test_a_wheel_of_another_python_is_one_sentence(mounts: Mounts) -> None:
    wheel(mounts.input / "wheels", "kaggle_lacks_it", "2.0", "cp39-cp39-win32")
    with pytest.raises(UserError, match=r"The wheelhouse .*/wheels cannot be installed here \(cp3\d+\): "):
        start.install(mounts.input / "wheels")


def test_a_damaged_wheelhouse_is_refused(mounts: Mounts) -> None:
    path = wheel(mounts.input / "wheels", "kaggle_lacks_it", "2.0")
    sums(path.parent)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CorruptError, match=r"kaggle_lacks_it-2\.0"):
        start.install(path.parent)


def test_two_wheelhouses_must_be_told_apart(mounts: Mounts) -> None:
    for name in ("one", "two"):
        wheel(mounts.input / name, "kaggle_lacks_it", "1.5")
    with pytest.raises(UserError, match="Several wheelhouses are mounted"):
        start.wheelhouse("")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weigths": ""}, "SETTINGS: unknown key 'weigths'; did you mean 'weights'"),
        ({"wheelhouse": "me/wheels"}, r"Not mounted: the wheelhouse \(me/wheels with SHA256SUMS\)"),
        ({}, "This image has no timm: attach a wheelhouse"),
    ],
)
def test_a_refusal_is_one_sentence_and_an_exit_code(
    mounts: Mounts,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, object],
    message: str,
) -> None:
    import re

    monkeypatch.setattr(image, "missing", lambda foreign: ["timm"])
    with pytest.raises(SystemExit) as ended:
        start.run("infer", settings)
    assert ended.value.code == 2
    assert re.search(message, capsys.readouterr().err)
