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
from ffdi.model.mode import evaluating
from ffdi.model.size import at_size

COUNT = 8
GRIDS = (2, 8, 32)  # cells a side: large shapes, features, texture


@dataclass(frozen=True)
class Golden:
    images_BHWC: np.ndarray  # uint8
    outputs_BK: np.ndarray  # float32, of the head as it is


def images(size: int) -> np.ndarray:
    """uint8 [8, size, size, 3], the same for ever."""
    return np.stack([_image(size, number) for number in range(COUNT)])


def record(model: nn.Module, size: int) -> Golden:
    """The images at `size` and what `model` makes of them now (evaluation mode, float32, on its own device)."""
    images_BHWC = images(size)
    return Golden(images_BHWC, _outputs(model, images_BHWC))


def check(model: nn.Module, golden: Golden, tolerance: float = 1e-3) -> float:
    """The largest move of an output. Raises FfdiError if it is above `tolerance`, or not a number."""
    outputs_BK = _outputs(model, golden.images_BHWC)
    if outputs_BK.shape != golden.outputs_BK.shape:
        raise FfdiError(
            f"The head gives {outputs_BK.shape[1]} outputs, the golden ones are {golden.outputs_BK.shape[1]}."
        )
    moved = float(np.abs(outputs_BK - golden.outputs_BK).max())
    if not moved <= tolerance:
        raise FfdiError(
            f"The golden outputs moved by {moved:.3g} (tolerance {tolerance:g}): this model, or this version of timm "
            f"or torch ({torch.__version__}), is not the one the weights were trained with."
        )
    return moved


def _outputs(model: nn.Module, images_BHWC: np.ndarray) -> np.ndarray:
    config = resolve_data_config(pretrained_cfg=model.pretrained_cfg)
    mean_C, std_C = torch.tensor(config["mean"]), torch.tensor(config["std"])
    images_BCHW = ((torch.from_numpy(images_BHWC) / 255 - mean_C) / std_C).permute(0, 3, 1, 2).contiguous()
    net = at_size(model, images_BHWC.shape[1])
    with evaluating([net]):
        return net(images_BCHW.to(next(net.parameters()).device)).float().cpu().numpy()


def _image(size: int, number: int) -> np.ndarray:
    rng = keys.rng("golden", number)
    layers = [_enlarged(rng.random((cells, cells, 3)), size) for cells in GRIDS]
    return np.rint(255 * np.mean(layers, axis=0)).astype(np.uint8)


def _enlarged(cells: np.ndarray, size: int) -> np.ndarray:
    """Nearest neighbour: exact on every machine, unlike any smooth resize."""
    index = np.arange(size) * len(cells) // size
    return cells[index][:, index]
