"""Five points of a face by MTCNN (Zhang et al. 2016), where the optional package facenet-pytorch is installed.

Of the package its three small nets and their cascade are used, never what would fetch other weights. Theirs lie in the
package; they are read here, as tensors alone and only if they are the known ones, so that equal points mean equal nets.
On 406 portraits of 160 px it found every face, in 33 ms an image (one thread of a busy machine, own measurement).

Five points: the eyes, the nose, the corners of the mouth, each pair from left to right in the image, as shares of width
and height, float32 [5, 2].
"""

from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ffdi.core import digest
from ffdi.core.errors import UserError
from ffdi.data import face

PACKAGE = "facenet_pytorch"
INSTALL = "pip install --no-deps facenet-pytorch==2.6.0 requests"
RULES = 1  # of how it is asked; raised when they change, so that old points are found anew
WEIGHTS = {  # sha256 of the files in the package's folder `data`
    "pnet.pt": "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f",
    "rnet.pt": "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86",
    "onet.pt": "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d",
}
# All that decides the points of given pixels. Not the points: their last digits differ from machine to machine, and a
# run must be found again on another one.
IDENTITY = digest.of_json({"rules": RULES, "weights": WEIGHTS})
THRESHOLDS = [0.6, 0.7, 0.7]  # of the three nets, and the step of the pyramid: the authors' own
STEP = 0.709
LEAST = 0.2  # of the shorter side: smaller faces are not the picture's subject
SIDE = 640  # pixels of the longer side, to which larger images are reduced


def is_installed() -> bool:
    return find_spec(PACKAGE) is not None


def require() -> None:
    """Raises UserError, with the command that installs it, if the package is not there."""
    if not is_installed():
        raise UserError(
            f'data.landmarks = "detector" needs the package facenet-pytorch; install it with `{INSTALL}`, '
            'or say "template".'
        )


class Detector:
    """Call it with uint8 RGB pixels for the five points of the largest face; None where no face is found.

    Raises UserError if the package is not there, cannot be imported or holds other weights than it should.
    """

    def __init__(self) -> None:
        require()
        try:
            mtcnn = import_module(f"{PACKAGE}.models.mtcnn")
            self._cascade: Any = import_module(f"{PACKAGE}.models.utils.detect_face").detect_face
        except ImportError as error:
            raise UserError(f"facenet-pytorch cannot be imported ({error}); run `{INSTALL}`.") from error
        folder = Path(str(mtcnn.__file__)).parents[1] / "data"
        kinds = {"pnet.pt": mtcnn.PNet, "rnet.pt": mtcnn.RNet, "onet.pt": mtcnn.ONet}
        self._nets = [_net(kind, folder / name, WEIGHTS[name]) for name, kind in kinds.items()]

    def __call__(self, image_HWC: np.ndarray) -> np.ndarray | None:
        image_HWC = _reduced(image_HWC)
        height, width = image_HWC.shape[:2]
        boxes_K5, points_K52 = self._found(image_HWC)
        if not len(boxes_K5):
            return None
        sides_K2 = boxes_K5[:, 2:4] - boxes_K5[:, :2]
        points_52 = points_K52[int(np.argmax(sides_K2.prod(axis=1)))] / (width, height)
        at = face.place(points_52, (height, width))
        is_face = at is not None and at.size > LEAST * min(height, width)  # not five points in one
        return points_52.astype(np.float32) if is_face else None

    def _found(self, image_HWC: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (left, top, right, bottom, certainty) and points of all faces, in pixels. On one thread, and alone: the
        points depend on nothing else."""
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.inference_mode():
                boxes, points = self._cascade(
                    image_HWC, LEAST * min(image_HWC.shape[:2]), *self._nets, THRESHOLDS, STEP, torch.device("cpu")
                )
        except RuntimeError as error:
            if "non-empty list" not in str(error):  # what the cascade says when all its first boxes lie outside
                raise
            return np.empty((0, 5)), np.empty((0, 5, 2))
        finally:
            torch.set_num_threads(threads)
        return np.asarray(boxes[0], np.float64), np.asarray(points[0], np.float64)


@lru_cache(maxsize=1)
def detector() -> Detector:
    """The one of this process."""
    return Detector()


def _net(kind: Any, path: Path, sha256: str) -> Any:
    import torch

    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}; run `{INSTALL}`.") from error
    if digest.of_bytes(data) != sha256:
        raise UserError(f"{path} does not hold the known weights; run `{INSTALL}`.")
    net = kind(pretrained=False)
    net.load_state_dict(torch.load(BytesIO(data), map_location="cpu", weights_only=True))
    return net.eval()


def _reduced(image_HWC: np.ndarray) -> np.ndarray:
    factor = SIDE / max(image_HWC.shape[:2])
    if factor >= 1:
        return image_HWC
    height, width = (max(1, round(side * factor)) for side in image_HWC.shape[:2])
    return cv2.resize(image_HWC, (width, height), interpolation=cv2.INTER_AREA)
