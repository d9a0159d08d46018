"""Grad-CAM (Selvaraju et al. 2017) for any timm network: where in the image it finds what its verdict rests on.

The last stage's channels are weighted by the mean gradient of the logit towards the verdict: for an image that looks
fake to the network, the map shows evidence for fake; for another, evidence for original. Negative parts are dropped.
A cell of the map is as coarse as the last stage: one of 4 x 4 for 112 pixels at stride 32.

B images, C channels, h x w cells, T tokens, H x W pixels.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ffdi.core.errors import UserError
from ffdi.data import operations
from ffdi.data.batches import normalise
from ffdi.infer.nets import LoadedNet, Net, logits
from ffdi.infer.plan import PLAIN

CPU = torch.device("cpu")
TINY = 1e-30  # a map of zeros stays one


@dataclass(frozen=True)
class Saliency:
    """`cells_hw`: float32, 0 and more, the largest 1; all 0 where nothing speaks for the verdict."""

    cells_hw: np.ndarray
    logit: float


class GradCAM:
    """Explain images by one net, on the CPU."""

    def __init__(self, net: Net) -> None:
        """Load the net. Raise UserError or CorruptError for weights that do not fit, FfdiError for moved outputs."""
        member = net.member.model_copy(update={"tta": (PLAIN,)})
        self._loaded = LoadedNet(Net(member, net.fold, net.weights), CPU)

    def __call__(self, image_HWC: np.ndarray) -> Saliency:
        """Explain uint8 RGB pixels of any size."""
        loaded = self._loaded
        pixels_1HWC = torch.from_numpy(operations.fit(image_HWC, loaded.net.size).copy())[None]
        images_1CHW = normalise(pixels_1HWC, *loaded.mean_std, loaded.channels_last)
        return gradcam(loaded.by_view[PLAIN], images_1CHW)


def gradcam(model: nn.Module, images_1CHW: Tensor) -> Saliency:
    """Explain one normalised image; `model` is set to evaluation mode.

    Raise UserError for a network whose last stage is not a grid.
    """
    model.eval()
    layer = _last_stage(model)
    seen: list[Any] = []

    def _keep(_: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        # After the last block of a transformer the class token may decide alone, and the others get no gradient.
        seen.append(inputs[0] if hasattr(model, "num_prefix_tokens") else output)

    with layer.register_forward_hook(_keep), torch.enable_grad():
        logit = logits(model, images_1CHW.clone().requires_grad_())[0]
        values = _grid(model, seen[-1])
        (slope,) = torch.autograd.grad(logit.abs(), seen[-1])
    weights_C11 = _grid(model, slope).mean((1, 2), keepdim=True)
    cells_hw = (weights_C11 * values.detach()).sum(0).relu()
    return Saliency((cells_hw / cells_hw.max().clamp_min(TINY)).float().numpy(), float(logit.detach()))


def _last_stage(model: Any) -> nn.Module:
    try:
        return model.get_submodule(model.feature_info[-1]["module"])
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise UserError(f"{type(model).__name__} does not say where its last stage is: no Grad-CAM of it.") from error


def _grid(model: Any, found: Any) -> Tensor:
    """Return [C, h, w] of [1, C, h, w], of [1, h, w, C] or of tokens [1, T, C]."""
    shape = tuple(found.shape) if isinstance(found, Tensor) else ()
    if len(shape) == 4:
        return found[0].permute(2, 0, 1) if getattr(model, "output_fmt", "NCHW") == "NHWC" else found[0]
    prefix = getattr(model, "num_prefix_tokens", 0)
    side = math.isqrt(shape[1] - prefix) if len(shape) == 3 and shape[1] > prefix else 0
    if not side or side * side != shape[1] - prefix:
        raise UserError(f"The last stage of {type(model).__name__} is no grid of cells: no Grad-CAM of it.")
    return found[0, prefix:].T.reshape(-1, side, side)
