from collections.abc import Callable
from pathlib import Path

import cv2
import pandas as pd
import pytest

from ffdi.core.keys import rng
from ffdi.infer.nets import Net
from ffdi.model.build import build
from ffdi.model.weights import save_weights
from tests.fixtures.members import member

SIDE = 64


@pytest.fixture
def rows(tmp_path: Path) -> pd.DataFrame:
    """Eleven PNG files in tmp_path, of the size the tests predict at, in an order of its own."""
    names = [f"{number:032x}.png" for number in rng("names").permutation(11)]
    for name in names:
        pixels = rng("pixels", name).integers(0, 256, (SIDE, SIDE, 3), "uint8")
        cv2.imwrite(str(tmp_path / name), pixels)
    return pd.DataFrame({"id": names, "relpath": names})


@pytest.fixture(scope="session")
def make_net(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Net]:
    """`make_net("name", fold, **fields)`: a net with a file of weights, another for every fold."""
    folder = tmp_path_factory.mktemp("nets")

    def make(name: str, fold: int, **fields: object) -> Net:
        made = member(**{"name": name, "batch_size": 4, **fields})
        path = folder / f"{len(list(folder.iterdir()))}.safetensors"
        save_weights(path, build(made.model_copy(update={"seed": fold})).eval(), made, {})
        return Net(made, fold, path)

    return make
