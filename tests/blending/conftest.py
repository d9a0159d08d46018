import shutil
from functools import partial
from pathlib import Path

import pytest

from ffdi.blending import result
from ffdi.blending.forecast import forecast
from tests.blending.contest import Contest, at, build


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("contest")).places.work.parent


@pytest.fixture
def contest(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Contest:
    """A copy that a test may spoil. Few boards are drawn: what they say is tested elsewhere."""
    monkeypatch.setattr(result, "forecast", partial(forecast, draws=20))
    shutil.copytree(finished, tmp_path / "contest")
    return at(tmp_path / "contest")
