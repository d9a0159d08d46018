"""Losses, mixing, schedule and groups against what their papers say."""

import numpy as np
import pytest
import timm
import torch

from ffdi.spec.recipe import Member
from ffdi.train import loss, mix, optim


def _member(**wishes: object) -> Member:
    return Member.model_validate({"name": "a", "model": "test_vit", **wishes})


def test_one_logit_and_two_logits_are_the_same_loss() -> None:
    logits_B = torch.tensor([-3.0, 0.5, 2.0, 90.0])
    targets_B = torch.tensor([0.0, 1.0, 0.3, 1.0])
    one = loss.cross_entropy(logits_B[:, None], targets_B)
    two = loss.cross_entropy(torch.stack([logits_B * 0, logits_B], 1), targets_B)
    assert torch.allclose(one, two, atol=1e-6)


def test_smoothing_moves_targets_towards_one_half() -> None:
    assert loss.smooth(torch.tensor([0.0, 1.0, 0.5]), 0.1).tolist() == pytest.approx([0.05, 0.95, 0.5])


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.4, 0.0), (0.0, 1.0), (0.4, 1.0)])
def test_mixing_keeps_the_share_of_each_class_true(mixup: float, cutmix: float) -> None:
    """With all-black reals and all-white fakes the mean pixel of an image is its target."""
    targets_B = torch.tensor([0.0, 1.0, 1.0, 1.0])
    images_BCHW = targets_B[:, None, None, None].expand(4, 3, 16, 16).contiguous()
    for key in range(20):
        mixed, targets = mix.mix(images_BCHW, targets_B, mixup, cutmix, key)
        assert torch.allclose(mixed.mean((1, 2, 3)), targets, atol=1e-6)


def test_mixing_is_off_by_default_and_repeats_by_key() -> None:
    images_BCHW, targets_B = torch.randn(4, 3, 8, 8), torch.tensor([0.0, 1.0, 0.0, 1.0])
    assert mix.mix(images_BCHW, targets_B, 0, 0, 1)[0] is images_BCHW
    one, two, other = (mix.mix(images_BCHW, targets_B, 0.4, 0.4, key)[0] for key in (1, 1, 2))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_the_rate_warms_up_and_falls_as_a_function_of_the_step() -> None:
    member = _member(lr=1e-3, warmup=0.1, min_lr=0.01)
    optimizer = optim.optimizer(timm.create_model("test_vit"), member)
    schedule = optim.schedule(optimizer, member, 100)

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
    optimizer = optim.optimizer(model, _member(layer_decay=0.5, weight_decay=0.1))
    names = optim.names_by_parameter(model)
    scale = {names[id(p)]: group["lr_scale"] for group in optimizer.param_groups for p in group["params"]}
    decay = {names[id(p)]: group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert set(scale) == set(names.values())
    assert scale["head.weight"] == 1
    assert scale["patch_embed.proj.weight"] < scale["blocks.0.attn.qkv.weight"] < 1
    assert decay["norm.weight"] == decay["head.bias"] == 0
    assert decay["head.weight"] == 0.1
