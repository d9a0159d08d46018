"""One image -> P(fake): what the contest's final phase asks for, of a team that is loaded once.

A rank needs company, and one image has none: so this is the weighted mean of probabilities over members, folds and
views, whatever method blends. Compare such scores with each other, not with the ranks of a submission.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from ffdi.blending.features import probabilities
from ffdi.core.errors import UserError
from ffdi.data import operations
from ffdi.data.decode import Defect, decode
from ffdi.infer.nets import DeviceNets, Net
from ffdi.infer.plan import Pass
from ffdi.kernels import team
from ffdi.kernels.team import PackedMember
from ffdi.model.precision import evaluating


def score(path: Path, pack: Path) -> float:
    """P(fake) of the image file `path` by the weights of the folder `pack`, which stay loaded for the next call.

    Raises UserError for an image that is missing or none, and for a pack that is not whole.
    """
    return _loaded(pack.resolve(), team.read(pack).digest).file(path)


@lru_cache(maxsize=1)
def _loaded(pack: Path, _: str) -> "Scorer":
    """The digest is part of the name: a folder that was packed anew is loaded anew."""
    return Scorer(pack)


class Scorer:
    """The nets of a weights folder, as `ffdi kernels pack` makes it, on one device."""

    def __init__(self, pack: Path, device: torch.device | None = None) -> None:
        """Raises UserError or CorruptError for a folder that is not whole."""
        self.device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        found = team.read(pack)
        self._members = found.members
        nets = [Net(one.member, fold, found.path(file)) for one in self._members for fold, file in one.files.items()]
        sizes = dict.fromkeys(net.size for net in nets)
        self._nets = {size: DeviceNets([net for net in nets if net.size == size], self.device) for size in sizes}

    def file(self, path: Path) -> float:
        """P(fake) of an image file. Raises UserError naming one that is missing or no image."""
        try:
            return self.image(decode(path.read_bytes()).image_HWC)
        except (OSError, Defect) as error:
            raise UserError(f"{path} cannot be scored: {getattr(error, 'strerror', None) or error}.") from error

    def image(self, image_HWC: np.ndarray) -> float:
        """P(fake) of uint8 RGB pixels of any size."""
        logits: dict[Pass, float] = {}
        for size, nets in self._nets.items():
            pixels_1HWC = torch.from_numpy(operations.fit(image_HWC, size).copy())[None].to(self.device)
            with evaluating(nets.models):
                logits |= {one: float(logit_1[0]) for one, logit_1 in nets.logits(pixels_1HWC)}
        total = sum(packed.weight for packed in self._members)
        return sum(packed.weight * self._member(packed, logits) for packed in self._members) / total

    def _member(self, packed: PackedMember, logits: dict[Pass, float]) -> float:
        """As the blend does: the mean logit over views, then the mean probability over folds."""
        member = packed.member
        means = [np.mean([logits[Pass(member.name, fold, view)] for view in member.tta]) for fold in packed.files]
        return float(probabilities(np.array(means)[:, None], np.zeros(1, np.int64)).mean())
