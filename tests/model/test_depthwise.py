"""The weight gradient of large depthwise convolutions on a CPU."""

import copy
from typing import Any

import pytest
import timm
import torch
from timm.layers import Conv2dSame
from torch import nn

from ffdi.model import depthwise, precision
from ffdi.model.build import build
from tests.fixtures.members import member


@pytest.fixture(autouse=True)
def _written_out_and_by_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depthwise, "MAX_POSITIONS", 200)


@pytest.mark.parametrize("kind", [nn.Conv2d, Conv2dSame])
@pytest.mark.parametrize(("kernel", "stride"), [(5, 1), (5, 2), (7, 1), (7, 3), ((5, 7), (2, 1))])
@pytest.mark.parametrize("side", [3, 8, 13])  # by hand, and by the library where 2 * side² > 200
def test_gradients_are_those_of_the_library_in_float64(kind: Any, kernel: Any, stride: Any, side: int) -> None:
    torch.manual_seed(side)
    padding = 0 if kind is Conv2dSame else 3
    plain = kind(6, 6, kernel, stride, padding, groups=6, bias=False).double()
    fast = copy.deepcopy(plain)
    depthwise.speed_up(fast)
    assert type(fast) is not kind
    images = torch.randn(2, 6, side, side + 1, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
    outputs = []
    for conv in (plain, fast):
        seen = images.clone().requires_grad_()
        out = conv(seen)
        (out * out).sum().backward()
        outputs.append((out, seen.grad, conv.weight.grad))
    for one, other in zip(*outputs, strict=True):
        torch.testing.assert_close(one, other)


def test_the_outputs_of_a_network_keep_their_bits_and_the_parameters_their_names() -> None:
    plain = timm.create_model("tf_efficientnet_lite0", num_classes=1).eval()
    fast = copy.deepcopy(plain)
    depthwise.speed_up(fast)
    images = torch.randn(2, 3, 64, 64)
    assert torch.equal(plain(images), fast(images))
    assert plain.state_dict().keys() == fast.state_dict().keys()
    assert {type(module) for module in fast.modules()} >= set(depthwise.FAST.values())


@pytest.mark.parametrize(("device", "fast"), [("cpu", True), ("meta", False)])
def test_a_model_that_trains_on_a_cpu_has_them(device: str, fast: bool) -> None:
    one = member("tf_efficientnet_lite0", weights="none")
    model = precision.place_for(build(one, pretrained=False), one, torch.device(device))
    assert any(type(module) in depthwise.FAST.values() for module in model.modules()) is fast


def test_frozen_weights_and_images_without_gradient_are_left_out() -> None:
    conv = nn.Conv2d(6, 6, 5, groups=6, bias=False)
    depthwise.speed_up(conv)
    images = torch.randn(1, 6, 6, 6)
    conv(images).sum().backward()
    assert images.grad is None
    assert conv.weight.grad is not None
    conv.weight.requires_grad_(False)
    seen = images.clone().requires_grad_()
    conv(seen).sum().backward()
    assert seen.grad is not None


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(6, 6, 3, groups=6, bias=False),
        nn.Conv2d(6, 6, 5, groups=6),
        nn.Conv2d(6, 6, 5, groups=6, bias=False, dilation=2),
        nn.Conv2d(6, 6, 5, groups=6, bias=False, padding="same"),
        nn.Conv2d(6, 6, 5, groups=6, bias=False, padding_mode="reflect"),
        nn.Conv2d(6, 12, 5, groups=6, bias=False),
        nn.Conv2d(6, 6, 5, bias=False),
        nn.Conv2d(1, 1, 5, bias=False),
    ],
)
def test_other_convolutions_stay_as_they_are(conv: nn.Conv2d) -> None:
    depthwise.speed_up(conv)
    assert type(conv) is nn.Conv2d
