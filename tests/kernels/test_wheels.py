"""Wheels of other packages, installed by pip without a network."""

import subprocess
import sys
from pathlib import Path

import pytest

from ffdi.core.errors import UserError
from ffdi.kernels import wheels
from ffdi.kernels.wheels import install
from tests.kernels.conftest import make_wheel


def test_wheels_come_first_on_the_path_of_this_process_and_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [
        make_wheel(tmp_path, "kaggle_lacks_it", "1.5"),
        make_wheel(tmp_path, "pandas", wheels.version_of("pandas")),  # as it is installed: left alone
    ]
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    assert wheels.version_of("kaggle_lacks_it") == ""
    assert install(found) == ["kaggle-lacks-it==1.5"]
    import kaggle_lacks_it  # type: ignore[import-not-found]

    assert kaggle_lacks_it.version == "1.5"
    child = subprocess.run(
        [sys.executable, "-c", "import kaggle_lacks_it as it; print(it.version)"], capture_output=True, check=True
    )
    assert child.stdout.strip() == b"1.5"
    with pytest.raises(UserError, match=r"kaggle-lacks-it==2\.0 cannot be installed here \(cp3\d+\) from "):
        install([make_wheel(tmp_path / "other", "kaggle_lacks_it", "2.0", "cp39-cp39-win32")])
