from pathlib import Path

import pytest

from ffdi.core.layout import Workspace


@pytest.fixture
def places(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "work", tmp_path / "submissions")
