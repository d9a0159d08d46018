from pathlib import Path
from typing import Any

import pytest
import timm
import torch

from ffdi.core.errors import UserError
from ffdi.model import build, size, sources
from tests.fixtures.members import member


def test_start_depends_on_the_seed_alone() -> None:
    before = torch.get_rng_state()
    first, again, other = (build.build(member("test_vit", seed=seed)).state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["patch_embed.proj.weight"], other["patch_embed.proj.weight"])


def test_rates_reach_the_model() -> None:
    net = build.build(member("test_vit", drop_rate=0.25, drop_path=0.5))
    rates = [module.p for module in net.modules() if isinstance(module, torch.nn.Dropout)]
    paths = [module.drop_prob for module in net.modules() if type(module).__name__ == "DropPath"]
    assert (max(rates), max(paths)) == (0.25, 0.5)


@pytest.mark.parametrize(
    ("model", "fields", "told"),
    [
        ("resnet_18", {}, "no model 'resnet_18'; near: .*resnet18"),
        ("resnet18.a1_in2k", {}, "no weights 'a1_in2k' of resnet18; it has .*a1_in1k"),
        ("vgg11", {"drop_path": 0.1}, "vgg11 takes no drop_path; remove"),
        ("test_vit", {"image_size": 70}, "test_vit cannot take images of 70 px.*patch size"),
    ],
)
def test_what_timm_does_not_have_or_take_is_told(model: str, fields: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        build.prepare(member(model, **fields))


@pytest.mark.parametrize(
    ("old", "new"),
    [("tv_resnet50", "resnet50.tv_in1k"), ("vit_tiny_patch16_224_in21k", "vit_tiny_patch16_224.augreg_in21k")],
)
@pytest.mark.filterwarnings("error")  # timm's own warning, which comes once for each place that asks
def test_a_deprecated_name_is_mapped_before_anything_is_asked(old: str, new: str, tmp_path: Path) -> None:
    """Its options too: asked by its old name, timm does not say that a ViT has a fixed size."""
    for name in (old, new):
        assert sum(one.numel() for one in build.build(member(name)).parameters()) == build.count_params(member(name))
    for file in (tmp_path / f"{new}.safetensors", tmp_path / f"{old}.safetensors"):
        file.touch()  # the name in the recipe comes first
        assert sources.resolve(member(old, weights="auto"), tmp_path).path == file


def test_data_config_is_that_of_the_weights() -> None:
    config = build.data_config(build.build(member("tf_efficientnet_lite0", weights="auto")))
    assert config == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@pytest.mark.parametrize("model", ["test_vit", "test_vit_relpos", "test_coatnet"])
def test_a_model_of_fixed_size_is_resampled_and_left_alone(model: str) -> None:
    net = build.build(member(model, image_size=64))
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    larger = size.at_size(net, 96)
    assert larger.eval()(torch.zeros(1, 3, 96, 96)).shape == (1, 1)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert size.at_size(net, 64) is net
    assert net.training


def test_a_resampled_model_equals_timm_at_that_size() -> None:
    """A ViT trained at 64 and shown at 96: timm's own dynamic resize gives the same logits."""
    net = build.build(member("test_vit", image_size=64))
    dynamic = timm.create_model("test_vit", img_size=64, num_classes=1, dynamic_img_size=True)
    dynamic.load_state_dict(net.state_dict())
    images = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        given, wanted = size.at_size(net, 96).eval()(images), dynamic.eval()(images)
    torch.testing.assert_close(given, wanted, rtol=0, atol=1e-5)


def test_any_size_suits_a_free_model_and_one_that_can_do_neither_is_refused() -> None:
    net = build.build(member("test_resnet"))
    assert size.at_size(net, 96) is net
    with pytest.raises(UserError, match=r"levit_128s cannot take images of 256 px"):
        size.at_size(build.build(member("levit_128s", image_size=224)), 256)
