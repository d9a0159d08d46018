"""What one image costs a network, in floating-point operations of its matrix products and convolutions.

Counted on the meta device: no weights, no memory, half a second a network. A multiply-add counts as two.
"""

from functools import cache

import timm
import torch
from torch.utils.flop_counter import FlopCounterMode

from ffdi.config.recipe import Member
from ffdi.config.views import side
from ffdi.model import size


def flops(member: Member, view: str = "identity") -> int:
    """Of one image of the member's test size under one view."""
    return _counted(member.model, member.num_classes, side(member.test_size or member.image_size, view))


@cache
def _counted(model: str, num_classes: int, pixels: int) -> int:
    with torch.device("meta"), torch.inference_mode(), FlopCounterMode(display=False) as counter:
        net = timm.create_model(model, num_classes=num_classes, **size.options(model, pixels)).eval()
        net(torch.empty(1, 3, pixels, pixels))
    return counter.get_total_flops()
