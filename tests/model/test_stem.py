import copy
from pathlib import Path

import pytest
import torch

from ffdi.core.errors import UserError
from ffdi.infer.nets import logits
from ffdi.model import stem
from ffdi.model.build import build, count_params
from ffdi.model.precision import evaluating
from ffdi.model.weights import load_weights, save_weights
from ffdi.training import optim
from tests.fixtures.members import member

KINDS = ("srm", "npr", "dct")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_convnext"])
def test_it_starts_as_the_plain_network_and_then_learns(kind: str, name: str) -> None:
    plain, seeing = build(member(name, stem="rgb")), build(member(name, stem=kind))
    images_BCHW = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with evaluating([plain, seeing]):
        torch.testing.assert_close(seeing(images_BCHW), plain(images_BCHW))
    seeing(images_BCHW).sum().backward()
    assert seeing.stem_adapter.mix.weight.grad[:, 3:].abs().min() > 0  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", KINDS)
def test_a_flat_image_shows_nothing_and_noise_does(kind: str) -> None:
    maps = stem.MAKERS[kind]
    filters = stem.FILTERS[kind]()
    assert maps(torch.full((1, 3, 33, 47), 128.0), filters).abs().max() < 1e-4
    for size in (32, 33, 47):
        noise = torch.randint(0, 256, (2, 3, size, size), generator=torch.Generator().manual_seed(1))
        found = maps(noise.float(), filters)
        assert found.shape == (2, 3, size, size)
        assert found.std() > 0.01


def test_the_maps_are_what_their_papers_say() -> None:
    ramp = torch.arange(40.0).expand(1, 3, 40, 40)
    inner = (..., slice(3, -3), slice(3, -3))
    assert stem.MAKERS["srm"](ramp, stem.FILTERS["srm"]())[inner].abs().max() < 1e-5  # second differences of a ramp
    edge = ramp.clone()
    edge[..., 20:] += 100
    assert stem.MAKERS["srm"](edge, stem.FILTERS["srm"]())[inner].abs().max() == 1  # cut at three grey levels
    npr = stem.MAKERS["npr"](ramp, torch.empty(0))
    assert torch.unique(npr).tolist() == [0, 1 / 32]
    basis = stem.FILTERS["dct"]().reshape(64, 64)
    torch.testing.assert_close(basis @ basis.T, torch.eye(64))  # orthonormal


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_prediction_sees_through_the_stem_too(kind: str) -> None:
    """There the body and the head are called one by one."""
    model = build(member(stem=kind))
    with torch.no_grad():
        model.stem_adapter.mix.weight += 0.3  # type: ignore[union-attr, operator]
    images_BCHW = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with evaluating([model]):
        whole = logits(model, images_BCHW)
        assert torch.allclose(logits(model, images_BCHW, torch.bfloat16), whole, atol=0.003)


def test_copies_weights_groups_and_counts_know_the_stem(tmp_path: Path) -> None:
    model = build(member("test_vit", stem="srm"))
    with torch.no_grad():
        model.stem_adapter.mix.weight += 0.1  # type: ignore[union-attr, operator]
    images_BCHW = torch.randn(2, 3, 64, 64)
    double = copy.deepcopy(model)
    save_weights(tmp_path / "w.safetensors", model, member("test_vit", stem="srm"), {})
    again = build(member("test_vit", stem="srm"), pretrained=False)
    load_weights(tmp_path / "w.safetensors", again)
    with evaluating([model, double, again]):
        wanted = model(images_BCHW)
        assert torch.equal(double(images_BCHW), wanted)
        assert torch.equal(again(images_BCHW), wanted)
    counted = sum(parameter.numel() for parameter in model.parameters())
    assert count_params(member("test_vit", stem="srm")) == counted == count_params(member("test_vit")) + 21
    groups = optim.optimizer(model, member("test_vit", stem="srm", layer_decay=0.5)).param_groups
    scale = next(g["lr_scale"] for g in groups for p in g["params"] if p is model.stem_adapter.mix.weight)  # type: ignore[union-attr]
    assert scale == 1  # new, like the head
    with pytest.raises(UserError, match=r"Unexpected key.*stem_adapter.mix.weight"):
        load_weights(tmp_path / "w.safetensors", build(member("test_vit", stem="rgb")))
