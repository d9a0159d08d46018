from pathlib import Path

import pytest
import timm
import torch

from ffdi.core.errors import UserError
from ffdi.model import build, size, sources
from tests.fixtures.members import member

SMALL = ("test_resnet", "test_vit", "test_efficientnet", "test_convnext")


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
    assert max(rates) == 0.25
    assert max(paths) == 0.5


def test_a_model_without_drop_path_says_so() -> None:
    with pytest.raises(UserError, match=r"vgg11 takes no drop_path; remove"):
        build.prepare(member("vgg11", drop_path=0.1))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("resnet_18", "resnet18"),
        ("test_vitt", "test_vit"),
        ("resnet18.a1_in2k", "a1_in1k"),
        ("test_vit.x", "r160_in1k"),
    ],
)
def test_unknown_name_brings_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(UserError, match=hint):
        build.build(member(name))


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


def test_a_size_the_model_cannot_take_is_refused_when_built() -> None:
    with pytest.raises(UserError, match=r"test_vit cannot take images of 70 px.*patch size"):
        build.build(member("test_vit", image_size=70))


@pytest.mark.parametrize(("model", "classes"), [("test_resnet", 1), ("test_vit", 2), ("test_convnext", 2)])
def test_parameters_are_those_of_the_real_model(model: str, classes: int) -> None:
    real = timm.create_model(model, num_classes=classes)
    assert build.count_params(member(model, num_classes=classes, image_size=160)) == sum(
        parameter.numel() for parameter in real.parameters()
    )


def test_data_config_is_that_of_the_weights() -> None:
    config = build.data_config(build.build(member("tf_efficientnet_lite0", weights="auto")))
    assert config == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


class TestAtSize:
    def test_a_free_model_is_itself(self) -> None:
        net = build.build(member("test_resnet"))
        assert size.at_size(net, 96) is net

    @pytest.mark.parametrize("model", ["test_vit", "test_vit_relpos", "test_coatnet"])
    def test_a_fixed_model_is_resampled_and_left_alone(self, model: str) -> None:
        net = build.build(member(model, image_size=64))
        before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
        larger = size.at_size(net, 96)
        assert larger.eval()(torch.zeros(1, 3, 96, 96)).shape == (1, 1)
        assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
        assert size.at_size(net, 64) is net
        assert net.training

    def test_it_equals_timm_at_that_size(self) -> None:
        """A ViT trained at 64 and shown at 96: timm's own dynamic resize gives the same logits."""
        net = build.build(member("test_vit", image_size=64))
        dynamic = timm.create_model("test_vit", img_size=64, num_classes=1, dynamic_img_size=True)
        dynamic.load_state_dict(net.state_dict())
        images = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            given, wanted = size.at_size(net, 96).eval()(images), dynamic.eval()(images)
        torch.testing.assert_close(given, wanted, rtol=0, atol=1e-5)

    def test_a_model_that_cannot_is_refused(self) -> None:
        net = build.build(member("levit_128s", image_size=224))
        with pytest.raises(UserError, match=r"levit_128s cannot take images of 256 px"):
            size.at_size(net, 256)
