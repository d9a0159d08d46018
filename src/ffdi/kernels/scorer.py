"""A packed team in memory: the score of one image, or of a folder of them.

A rank needs other images, and one image has none. So the score of one image is the weighted mean of probabilities over
members, folds and views, whatever method blends. Compare such scores with each other, not with those of a submission.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from ffdi.blending.methods import sigmoid
from ffdi.core.errors import UserError
from ffdi.data import operations
from ffdi.data.decode import Defect, decode
from ffdi.infer.nets import DeviceNets
from ffdi.kernels import infer, team
from ffdi.kernels.mounts import image_names
from ffdi.kernels.team import TeamPack
from ffdi.model.precision import evaluating


def load_team(folder: str | Path, device: str | torch.device | None = None) -> "Team":
    """Load a packed team.

    Args:
        folder: What `ffdi kernels pack` wrote.
        device: Where single images are scored; None: the GPU, if there is one.

    Raises:
        UserError: The folder holds no team, or was packed before training.
        CorruptError: A file is damaged.
        FfdiError: This timm or torch makes another network of the weights.

    Example:
        >>> team = load_team("work/multi-ffdi-phase2/sample/kernels/sample-team")  # doctest: +SKIP
        >>> team.score("face.jpg")  # doctest: +SKIP
        0.93
        >>> team.predict("faces")  # doctest: +SKIP
    """
    return Team(team.read(Path(folder)), device)


class Team:
    """The nets of a packed team; make it by `load_team`."""

    def __init__(self, pack: TeamPack, device: str | torch.device | None = None) -> None:
        if not pack.members:
            raise UserError(f"{pack.folder} holds no team; run `ffdi kernels pack` without --train when it is trained.")
        self.pack = pack
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._by_size: dict[int, DeviceNets] = {}

    def score(self, path: str | Path) -> float:
        """Return P(fake) of an image file. Raise UserError for one that is missing or no image."""
        try:
            return self.score_pixels(decode(Path(path).read_bytes()).image_HWC)
        except (OSError, Defect) as error:
            raise UserError(f"{path} cannot be scored: {getattr(error, 'strerror', None) or error}.") from error

    def score_pixels(self, image_HWC: np.ndarray) -> float:
        """Return P(fake) of uint8 RGB pixels of any size."""
        logits: dict[tuple[str, int | str], list[float]] = {}
        for size, nets in self.nets().items():
            pixels_1HWC = torch.from_numpy(operations.fit(image_HWC, size).copy())[None].to(self._device)
            with evaluating(nets.models):
                for one, logit_1 in nets.logits(pixels_1HWC):
                    logits.setdefault((one.member, one.fold), []).append(float(logit_1[0]))
        return float(self._probability({key: np.array([values]) for key, values in logits.items()})[0])

    def predict(self, folder: str | Path, workers: int | None = None) -> pd.DataFrame:
        """Predict the images in `folder`.

        Args:
            folder: Its image files are predicted, and those of folders in it.
            workers: Processes that decode; None: one a core, at most 8.

        Returns:
            id (name below the folder), score (the blend as `ffdi blend` makes it of these images, in 0..1),
            probability (as `score` gives it for one image; NaN where the image cannot be read).

        Raises:
            UserError: There is no image in `folder`.
        """
        folder = Path(folder)
        names = image_names(folder) if folder.is_dir() else []
        if not names:
            raise UserError(f"There is no image in {folder}; name a folder of image files.")
        rows = pd.DataFrame({"id": names, "relpath": names})
        score_R, found = infer.predict(self.pack, rows, folder, workers)
        return pd.DataFrame({"id": names, "score": score_R, "probability": self._probability(found.logits)})

    def nets(self) -> dict[int, DeviceNets]:
        """Return the nets by side of the image, loaded once. Raise UserError if a file of the pack is not there."""
        if not self._by_size:
            nets = infer.nets(self.pack)
            for size in dict.fromkeys(net.size for net in nets):
                self._by_size[size] = DeviceNets([net for net in nets if net.size == size], self._device)
        return self._by_size

    def _probability(self, logits: dict[tuple[str, int | str], np.ndarray]) -> NDArray[np.float64]:
        """Return P(fake) of R images from logits [R, views] by net: the mean logit over views, the mean probability
        over folds, the weighted mean over members. A net that was dropped is left out."""
        total, weights = 0.0, 0.0
        for one in self.pack.members:
            folds = [logits[one.member.name, fold] for fold in one.files if (one.member.name, fold) in logits]
            if folds:
                chances = [sigmoid(logits_RV.astype(np.float64).mean(axis=1)) for logits_RV in folds]
                total, weights = total + one.weight * np.mean(chances, axis=0), weights + one.weight
        return np.asarray(total / weights)
