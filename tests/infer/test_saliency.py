"""Grad-CAM on a net whose answer is known by hand, and on every kind of network."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ffdi.config.recipe import Member
from ffdi.core.errors import UserError
from ffdi.infer import saliency
from ffdi.infer.nets import Net, logits
from ffdi.model.build import build
from ffdi.model.weights import save_weights


class Linear(nn.Module):
    """Redness less blueness, pooled: what is red speaks for fake, what is blue for original."""

    def __init__(self, last: Any = "stage") -> None:
        super().__init__()
        self.stage, self.flat = nn.AvgPool2d(4), nn.Flatten()
        self.feature_info = last and [{"module": last}]

    def forward(self, images_BCHW: torch.Tensor) -> torch.Tensor:
        means_BC = self.flat(self.stage(images_BCHW).mean((2, 3)))
        return (means_BC[:, 0] - means_BC[:, 2])[:, None]


@pytest.mark.parametrize("channel", [0, 2])
def test_the_planted_patch_is_found_for_either_verdict(channel: int) -> None:
    images_1CHW = torch.zeros(1, 3, 32, 32)
    images_1CHW[0, channel, 8:12, 20:24] = 2.0
    images_1CHW[0, 2 - channel, 24:28, 4:8] = 1.0  # the other way, and less: no part of the verdict
    found = saliency.gradcam(Linear(), images_1CHW)
    wanted = np.zeros((8, 8), np.float32)
    wanted[2, 5] = 1
    np.testing.assert_allclose(found.cells_hw, wanted)
    assert (found.logit > 0) == (channel == 0)


CELLS = {"test_resnet": 2, "test_vit": 4, "test_convnext": 2, "test_efficientnet": 2}


@pytest.mark.parametrize(("name", "side"), CELLS.items())
@pytest.mark.parametrize("stem", ["rgb", "srm"])
def test_every_kind_of_network_gives_a_grid(name: str, side: int, stem: str) -> None:
    member = Member(name="m", model=name, weights="none", image_size=64, stem=stem)
    model = build(member)
    images_1CHW = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 3, 64, 64)).astype(np.float32))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    found = saliency.gradcam(model, images_1CHW)
    assert found.cells_hw.shape == (side, side)
    assert found.cells_hw.min() >= 0
    assert found.cells_hw.max() in (0, 1)
    with torch.inference_mode():
        assert found.logit == pytest.approx(float(logits(model.eval(), images_1CHW)[0]), abs=1e-5)
    np.testing.assert_array_equal(found.cells_hw, saliency.gradcam(model, images_1CHW).cells_hw)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("last", [None, [], "nowhere", "flat"])
def test_a_network_without_a_last_grid_is_refused(last: Any) -> None:
    with pytest.raises(UserError, match="no Grad-CAM of it"):
        saliency.gradcam(Linear(last), torch.zeros(1, 3, 8, 8))


def test_it_explains_what_the_net_was_given(tmp_path: Path) -> None:
    member = Member(name="m", model="test_resnet", weights="none", image_size=64, tta=("scale:0.5",))
    model = build(member)
    save_weights(tmp_path / "w.safetensors", model, member, {})
    image_HWC = np.random.default_rng(1).integers(0, 256, (90, 70, 3), np.uint8)
    assert saliency.GradCAM(Net(member, 0, tmp_path / "w.safetensors"))(image_HWC).cells_hw.shape == (2, 2)
