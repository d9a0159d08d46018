from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import pandas as pd
import pytest
import torch
from torch import nn

from ffdi.config.recipe import Member
from ffdi.core.keys import rng
from ffdi.infer.nets import Net
from ffdi.model.build import build
from ffdi.model.weights import save_weights
from tests.fixtures.members import member

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


@pytest.fixture(scope="session")
def make_member() -> Callable[..., Member]:
    """`make_member("name", **fields)`: a member of 64 px and batches of four."""

    def make(name: str = "m", model: str = "test_resnet", **fields: object) -> Member:
        return member(model, **{"name": name, "batch_size": 4, **fields})

    return make


@pytest.fixture(scope="session")
def make_net(make_member: Callable[..., Member], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Net]:
    """`make_net("name", fold, **fields)`: a net with a file of weights, another for every fold."""
    folder = tmp_path_factory.mktemp("nets")

    def make(name: str, fold: int, **fields: object) -> Net:
        made = make_member(name, **fields)
        path = folder / f"{len(list(folder.iterdir()))}.safetensors"
        save_weights(path, build(made.model_copy(update={"seed": fold})).eval(), made, {})
        return Net(made, fold, path)

    return make


@pytest.fixture(scope="session")
def warmed(make_member: Callable[..., Member]) -> Callable[[str], nn.Module]:
    """`warmed("test_vit")`: a model whose batch norms have seen data; logits spread by about one."""

    def make(model: str) -> nn.Module:
        net = build(make_member(model=model))
        with torch.no_grad():
            net(torch.randn(16, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)))
            weight = net.get_classifier().weight
            weight.copy_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(2)))
        return net

    return make
