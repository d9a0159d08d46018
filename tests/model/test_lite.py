import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ffdi.config.recipe import Member
from ffdi.core.keys import rng
from ffdi.model.build import build
from ffdi.model.sources import resolve

STRIDES = (1, 2, 2, 2, 1, 2, 1)  # of the first block of each stage; from the EfficientNet paper


def convolve(images: Tensor, weight: Tensor, stride: int = 1) -> Tensor:
    """TensorFlow's SAME: the odd pixel of padding goes right and down."""
    kernel, groups = weight.shape[-1], images.shape[1] // weight.shape[1]
    total = max((-(-images.shape[-1] // stride) - 1) * stride + kernel - images.shape[-1], 0)
    padded = F.pad(images, (total // 2, total - total // 2) * 2)
    return F.conv2d(padded, weight, stride=stride, groups=groups)


def reference_logits(tensors: dict[str, Tensor], depths: list[int], images: Tensor) -> Tensor:
    """The original network straight from its own names, no timm involved."""

    def norm(x: Tensor, name: str) -> Tensor:
        parts = [tensors[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return F.batch_norm(x, *parts, eps=1e-3)

    strides = [STRIDES[stage] if block == 0 else 1 for stage, depth in enumerate(depths) for block in range(depth)]
    x = F.relu6(norm(convolve(images, tensors["_conv_stem.weight"], 2), "_bn0"))
    for number, stride in enumerate(strides):
        name, shortcut = f"_blocks.{number}", x
        if f"{name}._expand_conv.weight" in tensors:
            x = F.relu6(norm(convolve(x, tensors[f"{name}._expand_conv.weight"]), f"{name}._bn0"))
        x = F.relu6(norm(convolve(x, tensors[f"{name}._depthwise_conv.weight"], stride), f"{name}._bn1"))
        x = norm(convolve(x, tensors[f"{name}._project_conv.weight"]), f"{name}._bn2")
        x = x + shortcut if x.shape == shortcut.shape else x
    x = F.relu6(norm(convolve(x, tensors["_conv_head.weight"]), "_bn1")).mean((2, 3))
    return F.linear(x, tensors["_fc.weight"], tensors["_fc.bias"])


@pytest.mark.parametrize("model", ["tf_efficientnet_lite0", "tf_efficientnet_lite1"])
def test_backbone_gives_what_the_original_network_gives(model: str) -> None:
    path = resolve(Member(name="m", model=model)).path
    assert path is not None
    tensors = torch.load(path, weights_only=True)
    net = build(Member(name="m", model=model)).eval()
    images = torch.from_numpy(rng("lite").standard_normal((2, 3, 96, 96))).float()
    depths = [len(stage) for stage in net.blocks]
    with torch.inference_mode():
        pooled = net.forward_head(net.forward_features(images), pre_logits=True)
        given = F.linear(pooled, tensors["_fc.weight"], tensors["_fc.bias"])
        wanted = reference_logits(tensors, depths, images)
    assert wanted.std() > 0.5  # a network that says something
    torch.testing.assert_close(given, wanted, rtol=0, atol=1e-4)
