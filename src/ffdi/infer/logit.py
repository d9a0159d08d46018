"""One float32 logit an image, from any head: positive means fake.

B images, C channels, H height, W width, K = 1 or 2 outputs.
"""

import torch
from torch import Tensor, nn

from ffdi.core.errors import FfdiError
from ffdi.model import stem
from ffdi.model.precision import autocast


def logits(model: nn.Module, images_BCHW: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """logits_B of normalised images; a head of two gives l1 - l0. `dtype`: autocast type, None for plain float32.

    Raises FfdiError for a model whose output is not [B, 1] or [B, 2].
    """
    outputs_BK = _outputs(model, images_BCHW, dtype).float()
    if outputs_BK.ndim != 2 or outputs_BK.shape[1] not in (1, 2):
        raise FfdiError(f"{type(model).__name__} gives {tuple(outputs_BK.shape)}, not one or two outputs an image.")
    return outputs_BK[:, 0] if outputs_BK.shape[1] == 1 else outputs_BK[:, 1] - outputs_BK[:, 0]


def _outputs(model: nn.Module, images_BCHW: Tensor, dtype: torch.dtype | None) -> Tensor:
    """The head stays in float32: in bf16 it has 8 bits, so thousands of images would tie, and ties cost AUC."""
    if dtype is None:
        return model(images_BCHW)
    with autocast(dtype, images_BCHW.device):
        if not hasattr(model, "forward_head"):
            return model(images_BCHW)
        features = model.forward_features(stem.seen(model, images_BCHW))  # type: ignore[operator]
        if not isinstance(features, Tensor):
            return model.forward_head(features)  # type: ignore[operator]
    return model.forward_head(features.float())  # type: ignore[operator]
