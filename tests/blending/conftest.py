import shutil
from pathlib import Path

import pytest

from tests.fixtures.contest import Contest, at, build


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("contest")).places.work.parent


@pytest.fixture
def contest(finished: Path, tmp_path: Path) -> Contest:
    """A copy that a test may damage."""
    shutil.copytree(finished, tmp_path / "contest")
    return at(tmp_path / "contest")
