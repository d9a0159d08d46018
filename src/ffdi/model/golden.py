"""A golden check: eight fixed images whose outputs are stored beside the weights and compared after a load.

It finds what a checksum cannot: another timm or torch, other normalisation, an input size that is not the trained one.
The images are keyed noise at three scales, so no file is needed and every machine makes the same bytes.
B images, H height, W width, C channels, K outputs of the head.
"""

from dataclasses import dataclass

import numpy as np
import torch
from timm.data import resolve_data_config
from torch import nn

from ffdi.core import keys
from ffdi.core.errors import FfdiError
from ffdi.model.precision import evaluating
from ffdi.model.size import at_size

PREFIX = "golden/"  # in a file of weights
IMAGES = 8
TOLERANCE = 1e-2  # in logits: other GPUs round otherwise; another timm or normalisation moves far more
GRIDS = (2, 8, 32)  # cells a side: large shapes, features, texture


@dataclass(frozen=True)
class Golden:
    """`images_BHWC`: uint8. `outputs_BK`: float32, of the head as it is."""

    images_BHWC: np.ndarray
    outputs_BK: np.ndarray


def images(size: int) -> np.ndarray:
    """Return the images, uint8 [8, size, size, 3], always the same."""
    return np.stack([_image(size, number) for number in range(IMAGES)])


def record(model: nn.Module, size: int) -> Golden:
    """Run `model` on the images at `size` pixels (evaluation mode, float32, on its own device)."""
    images_BHWC = images(size)
    return Golden(images_BHWC, _outputs(model, images_BHWC))


def check(model: nn.Module, golden: Golden) -> float:
    """Return the largest change of an output. Raise FfdiError if it is above TOLERANCE, or not a number."""
    outputs_BK = _outputs(model, golden.images_BHWC)
    moved = float(np.abs(outputs_BK - golden.outputs_BK).max())
    if not moved <= TOLERANCE:
        raise FfdiError(
            f"The golden outputs moved by {moved:.3g} (tolerance {TOLERANCE:g}): this model, or this version of timm "
            f"or torch ({torch.__version__}), is not the one the weights were trained with."
        )
    return moved


def _outputs(model: nn.Module, images_BHWC: np.ndarray) -> np.ndarray:
    config = resolve_data_config(pretrained_cfg=model.pretrained_cfg)
    mean_C, std_C = torch.tensor(config["mean"]), torch.tensor(config["std"])
    images_BCHW = ((torch.from_numpy(images_BHWC) / 255 - mean_C) / std_C).permute(0, 3, 1, 2).contiguous()
    sized = at_size(model, images_BHWC.shape[1])
    # TF32, which newer GPUs compute with, has ten bits: others would not agree.
    with evaluating([sized]), torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        return sized(images_BCHW.to(next(sized.parameters()).device)).float().cpu().numpy()


def _image(size: int, number: int) -> np.ndarray:
    """Enlarge by nearest neighbour: it is exact on every machine, unlike any smooth resize."""
    rng, layers = keys.rng("golden", number), []
    for cells in GRIDS:
        index = np.arange(size) * cells // size
        layers.append(rng.random((cells, cells, 3))[index][:, index])
    return np.rint(255 * np.mean(layers, axis=0)).astype(np.uint8)
