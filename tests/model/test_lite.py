import pytest
import torch
import torch.nn.functional as F

from ffdi.core.keys import rng
from ffdi.model.build import build
from ffdi.model.sources import resolve
from tests.fixtures.members import member


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        ("tf_efficientnet_lite0", [-1.37536, 0.54450, 0.76885, 0.55009]),
        ("tf_efficientnet_lite1", [-1.33957, 0.49552, 1.02003, 1.56772]),
    ],
)
def test_backbone_gives_what_the_original_network_gives(model: str, wanted: list[float]) -> None:
    """Its logits were worked out once by the original network written out with its own names, no timm involved."""
    net = build(member(model, weights="auto", image_size=96)).eval()
    tensors = torch.load(str(resolve(member(model, weights="auto")).path), weights_only=True)
    images = torch.from_numpy(rng("lite").standard_normal((2, 3, 96, 96))).float()
    with torch.inference_mode():
        pooled = net.forward_head(net.forward_features(images), pre_logits=True)
        given = F.linear(pooled, tensors["_fc.weight"], tensors["_fc.bias"])
    torch.testing.assert_close(given[0, :4], torch.tensor(wanted), rtol=0, atol=1e-4)
