"""Losses, mixing, schedule and groups against what their papers say."""

import numpy as np
import pytest
import timm
import torch

from ffdi.core.errors import UserError
from ffdi.training import loss, mix, optim
from tests.fixtures.members import member


def test_one_logit_and_two_logits_are_the_same_loss() -> None:
    logits_B = torch.tensor([-3.0, 0.5, 2.0, 90.0])
    targets_B = torch.tensor([0.0, 1.0, 0.3, 1.0])
    one = loss.cross_entropy(logits_B[:, None], targets_B)
    two = loss.cross_entropy(torch.stack([logits_B * 0, logits_B], 1), targets_B)
    assert torch.allclose(one, two, atol=1e-6)


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.4, 0.0), (0.0, 1.0), (0.4, 1.0)])
def test_mixing_keeps_the_share_of_each_class_true(mixup: float, cutmix: float) -> None:
    """With all-black reals and all-white fakes the mean pixel of an image is its target."""
    targets_B = torch.tensor([0.0, 1.0, 1.0, 1.0])
    images_BCHW = targets_B[:, None, None, None].expand(4, 3, 16, 16).contiguous()
    found = [mix.mix(images_BCHW, targets_B, mixup, cutmix, key) for key in range(20)]
    for mixed, targets in found:
        assert torch.allclose(mixed.mean((1, 2, 3)), targets, atol=1e-6)
    assert not torch.equal(found[0][0], found[1][0])
    assert mix.mix(images_BCHW, targets_B, 0, 0, 1)[0] is images_BCHW


def test_the_rate_warms_up_and_falls_as_a_function_of_the_step() -> None:
    one = member("test_vit", lr=1e-3, warmup=0.1)
    optimizer = optim.optimizer(timm.create_model("test_vit"), one)
    schedule = optim.schedule(optimizer, one, 100)

    def rate(step: int) -> float:
        schedule.step_update(step)
        return float(optimizer.param_groups[0]["lr"])

    rates = [rate(step) for step in range(100)]
    assert rates[0] == pytest.approx(1e-5)
    assert max(rates) == rates[10] == pytest.approx(1e-3)
    assert np.all(np.diff(rates[:11]) > 0)
    assert np.all(np.diff(rates[10:]) < 0)
    assert rates[-1] < 3e-5
    assert rate(50) == rates[50]


def test_lower_layers_learn_more_slowly_and_norms_do_not_decay() -> None:
    model = timm.create_model("test_vit", num_classes=1)
    optimizer = optim.optimizer(model, member("test_vit", layer_decay=0.5, weight_decay=0.1))
    names = {id(value): name for name, value in model.named_parameters()}
    scale = {names[id(p)]: group["lr_scale"] for group in optimizer.param_groups for p in group["params"]}
    decay = {names[id(p)]: group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert set(scale) == set(names.values())
    assert scale["head.weight"] == 1
    assert scale["patch_embed.proj.weight"] < scale["blocks.0.attn.qkv.weight"] < 1
    assert decay["norm.weight"] == decay["head.bias"] == 0
    assert decay["head.weight"] == 0.1


def test_classes_apart_count_alike_whatever_their_number() -> None:
    mixed_B = loss.class_weights(torch.tensor([1.0, 1.0, 1.0, 0.0, 0.7]))
    assert float(mixed_B.mean()) == pytest.approx(1)
    assert loss.class_weights(torch.tensor([1.0, 1.0, 1.0, 0.0])).tolist() == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2])
    assert loss.class_weights(torch.ones(3)).tolist() == [1, 1, 1]


def test_contrast_is_the_plain_sum_of_its_paper() -> None:
    features_BD = torch.randn(7, 5, generator=torch.Generator().manual_seed(3))
    targets_B = torch.tensor([0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0])
    units = features_BD / features_BD.norm(dim=1, keepdim=True)
    wanted = torch.zeros(7)
    reals, fakes = [0, 2, 3, 6], [1, 4, 5]
    for anchor in reals:
        pushes = sum(torch.exp(units[anchor] @ units[other] / loss.TEMPERATURE) for other in fakes)
        pulls = [torch.exp(units[anchor] @ units[other] / loss.TEMPERATURE) for other in reals if other != anchor]
        wanted[anchor] = sum(-torch.log(pull / (pull + pushes)) for pull in pulls) / len(pulls)
    assert torch.allclose(loss.supcon(features_BD, targets_B), wanted, atol=1e-5)
    assert loss.supcon(features_BD, torch.ones(7)).tolist() == [0] * 7


@pytest.mark.parametrize("classes", [1, 2])
def test_consistency_is_a_divergence_that_teaches_the_noisy_side_alone(classes: int) -> None:
    clean = torch.randn(5, classes, requires_grad=True)
    noisy = torch.randn(5, classes, requires_grad=True)
    assert loss.consistency(clean, clean).abs().max() < 1e-6
    divergence_B = loss.consistency(clean, noisy)
    assert (divergence_B > 0).all()
    divergence_B.sum().backward()
    assert clean.grad is None
    assert noisy.grad is not None


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_convnext", "test_efficientnet"])
def test_features_are_what_the_head_is_given(name: str) -> None:
    model = timm.create_model(name, num_classes=1).eval()
    images_BCHW = torch.randn(2, 3, 160, 160)
    with loss.features(model) as seen:
        logits_BC = model(images_BCHW)
    assert len(seen) == 1
    assert torch.equal(model.get_classifier()(seen[0]), logits_BC)
    model(images_BCHW)
    assert len(seen) == 1  # the hook is gone


def test_features_of_a_model_with_two_heads_are_refused() -> None:
    model = timm.create_model("deit_tiny_distilled_patch16_224", num_classes=1)
    with pytest.raises(UserError, match=r"no single head.* set loss\.supcon = 0"), loss.features(model):
        pass
