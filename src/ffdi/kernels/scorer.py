"""One image -> P(fake): what the contest's final phase asks for, of a team that is loaded once.

A rank needs company, and one image has none: so this is the weighted mean of probabilities over members, folds and
views, whatever method blends. Compare such scores with each other, not with the ranks of a submission.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ffdi.core.errors import UserError
from ffdi.blending.features import probabilities
from ffdi.kernels import plan
from ffdi.data import operations
from ffdi.data.dataset import normalise
from ffdi.data.decode import Defect, decode
from ffdi.infer import views as tta
from ffdi.infer.logit import logits
from ffdi.model import precision
from ffdi.model.build import build, data_config
from ffdi.model.mode import evaluating
from ffdi.model.size import at_size
from ffdi.model.weights import load_weights
from ffdi.config.recipe import Member
from ffdi.config.views import side


def score(path: Path, pack: Path) -> float:
    """P(fake) of the image file `path` by the weights of the folder `pack`, which stay loaded for the next call.

    Raises UserError for an image that is missing or none, and for a pack that is not whole.
    """
    return _loaded(pack.resolve(), plan.read(pack).digest).file(path)


@lru_cache(maxsize=1)
def _loaded(pack: Path, _: str) -> "Scorer":
    """The digest is part of the name: a folder that was packed anew is loaded anew."""
    return Scorer(pack)


class Scorer:
    """The nets of a weights folder, as `ffdi kernels pack` makes it, on one device."""

    def __init__(self, pack: Path, device: torch.device | None = None) -> None:
        """Raises UserError or CorruptError for a folder that is not whole."""
        self.device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._members = plan.read(pack).members
        self._nets = {
            (packed.member.name, fold): self._load(packed.member, pack / file)
            for packed in self._members
            for fold, file in packed.files.items()
        }

    def file(self, path: Path) -> float:
        """P(fake) of an image file. Raises UserError naming one that is missing or no image."""
        try:
            return self.image(decode(path.read_bytes()).image_HWC)
        except (OSError, Defect) as error:
            raise UserError(f"{path} cannot be scored: {getattr(error, 'strerror', None) or error}.") from error

    def image(self, image_HWC: np.ndarray) -> float:
        """P(fake) of uint8 RGB pixels of any size."""
        total = sum(packed.weight for packed in self._members)
        return sum(packed.weight * self._member(packed, image_HWC) for packed in self._members) / total

    def _member(self, packed: plan.Packed, image_HWC: np.ndarray) -> float:
        member = packed.member
        size = member.test_size or member.image_size
        pixels_1HWC = torch.from_numpy(operations.fit(image_HWC, size).copy())[None]
        found = [self._logits(member, self._nets[member.name, fold], pixels_1HWC) for fold in packed.files]
        # As the blend does: the mean logit over views, then the mean probability over folds.
        means_K1 = np.array([[np.mean(logits_V)] for logits_V in found])
        return float(probabilities(means_K1, np.zeros(1, np.int64)).mean())

    def _logits(self, member: Member, net: nn.Module, pixels_1HWC: torch.Tensor) -> list[float]:
        mean, std, _ = data_config(net)
        channels_last = precision.wants_channels_last(net, member.channels_last)
        images_1CHW = normalise(pixels_1HWC, mean, std, self.device, channels_last)
        found = []
        for view in member.tta:
            sized = at_size(net, side(pixels_1HWC.shape[1], view))
            with evaluating([sized]):
                logit_1 = logits(sized, tta.apply(images_1CHW, view), precision.amp_dtype(member.amp, self.device))
            found.append(float(logit_1[0]))
        return found

    def _load(self, member: Member, weights: Path) -> nn.Module:
        net = build(member, pretrained=False)
        load_weights(weights, net)
        return precision.place(net, self.device, precision.wants_channels_last(net, member.channels_last))
