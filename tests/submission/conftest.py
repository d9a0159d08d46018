from pathlib import Path

import pytest

from ffdi.submission import metadata
from ffdi.submission.kaggle import sign_in
from ffdi.submission.kernel import Kernel, Pad
from tests.kaggle_server.server import Server
from tests.submission.pushing import SCRIPT, Clock, make_kernel, results


@pytest.fixture
def wish(tmp_path: Path) -> Kernel:
    folder = make_kernel(tmp_path / "toy-infer")
    return Kernel(SCRIPT, metadata.read_kernel(folder, id="tester/toy-infer"), ["0" * 64])


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pad(kaggle_server: Server, tmp_path: Path, clock: Clock) -> Pad:
    kaggle_server.state.run = results
    return Pad(sign_in(), tmp_path / "room", clock.watch(), 43_200)
