from collections.abc import Iterator
from pathlib import Path

import cv2
import pandas as pd
import pytest
import torch

from ffdi.core.keys import rng

SIDE = 64


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def rows(tmp_path: Path) -> pd.DataFrame:
    """Eleven PNG files in tmp_path, of the size the tests predict at, in an order of its own."""
    names = [f"{number:032x}.png" for number in rng("names").permutation(11)]
    for name in names:
        pixels = rng("pixels", name).integers(0, 256, (SIDE, SIDE, 3), "uint8")
        cv2.imwrite(str(tmp_path / name), pixels)
    return pd.DataFrame({"id": names, "relpath": names})
