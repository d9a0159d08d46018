import socket
import sys
from collections.abc import Iterator
from importlib import resources, util
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from ffdi.core import digest
from ffdi.core.errors import UserError
from ffdi.data import detector, face
from ffdi.data.decode import decode

installed = pytest.mark.skipif(
    not detector.is_installed(), reason=f"facenet-pytorch is not installed: {detector.INSTALL}"
)


def portraits(count: int) -> list[np.ndarray]:
    folder = Path(str(resources.files("ffdi"))) / "sample/phase1/trainset"
    return [decode(path.read_bytes()).image_HWC for path in sorted(folder.iterdir())[:count]]


def test_without_the_package_one_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detector, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"needs the package facenet-pytorch; install it with `pip install --no-deps f"):
        detector.Detector()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of that name in place of the real one, broken as it stands."""
    for name in [name for name in sys.modules if name.split(".")[0] == detector.PACKAGE]:
        monkeypatch.delitem(sys.modules, name)
    models = tmp_path / detector.PACKAGE / "models"
    (models / "utils").mkdir(parents=True)
    for folder in (models.parent, models, models / "utils"):
        (folder / "__init__.py").touch()
    (models / "mtcnn.py").write_text("import not_there_at_all")
    (models / "utils" / "detect_face.py").write_text("detect_face = None")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield models.parent
    for name in [name for name in sys.modules if name.split(".")[0] == detector.PACKAGE]:
        del sys.modules[name]


def test_a_broken_package_is_one_sentence(package: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be imported \(No module named 'not_there_at_all'\)"):
        detector.Detector()


def test_other_weights_are_refused_before_they_are_loaded(package: Path) -> None:
    (package / "models" / "mtcnn.py").write_text("PNet = RNet = ONet = None")
    with pytest.raises(UserError, match=r"Cannot read .*pnet\.pt: No such file"):
        detector.Detector()
    (package / "data").mkdir()
    (package / "data" / "pnet.pt").write_bytes(b"anything")
    with pytest.raises(UserError, match=r"pnet\.pt does not hold the known weights"):
        detector.Detector()


class Nets(SimpleNamespace):
    """A detector whose cascade gives what it is told."""

    def detector(self) -> detector.Detector:
        made = detector.Detector.__new__(detector.Detector)
        made._nets, made._cascade = [], self.cascade
        return made

    def cascade(self, *_: object) -> tuple[list[np.ndarray], list[np.ndarray]]:
        if isinstance(self.found, Exception):
            raise self.found
        return [self.found[0]], [self.found[1]]


def face_at(size: float, left: float, top: float) -> np.ndarray:
    return face.POINTS_52 * size + (left, top)


def test_the_largest_face_counts_in_shares_of_the_image() -> None:
    boxes_K5 = np.array([(10, 10, 60, 70, 0.99), (60, 20, 190, 180, 0.8)])
    points_K52 = np.stack([face_at(60, 5, 5), face_at(140, 50, 15)])
    found = Nets(found=(boxes_K5, points_K52)).detector()(np.zeros((200, 250, 3), np.uint8))
    assert found is not None
    assert (found.dtype, found.shape) == (np.float32, (5, 2))
    np.testing.assert_allclose(found * (250, 200), points_K52[1], rtol=1e-6)


def test_what_is_no_face_is_not_found() -> None:
    blank, box_15 = np.zeros((200, 200, 3), np.uint8), np.array([(10, 10, 90, 90, 0.9)])
    told = [
        (np.empty((0, 5)), np.empty((0, 5, 2))),
        (box_15, face_at(0, 50, 50)[None]),
        (box_15, face_at(20, 9, 9)[None]),
    ]
    told.append(RuntimeError("torch.cat(): expected a non-empty list of Tensors"))
    assert [Nets(found=one).detector()(blank) for one in told] == [None] * 4
    with pytest.raises(RuntimeError, match="out of memory"):
        Nets(found=RuntimeError("out of memory")).detector()(blank)


@installed
def test_the_real_detector_finds_portraits_where_they_are_moved_to(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("the detector reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refused)
    torch.set_num_threads(2)
    find, off = detector.Detector(), []
    for image in portraits(8):
        before, points = image.copy(), find(image)
        assert points is not None
        assert np.array_equal(image, before)
        assert np.array_equal(points, find(image))
        assert np.abs(points - face.POINTS_52).max() < 0.25
        height, width = image.shape[:2]
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), 15, 0.7)
        turn[:, 2] += (0.08 * width, -0.06 * height)
        again = find(cv2.warpAffine(image, turn, (width, height), borderMode=cv2.BORDER_REFLECT_101))
        assert again is not None
        expected = (points * (width, height)) @ turn[:, :2].T + turn[:, 2]
        off.append(np.abs(again * (width, height) - expected).mean() / width)
    assert np.mean(off) < 0.02
    assert torch.get_num_threads() == 2
    for side in (1, 8, 200):
        assert find(np.random.default_rng(side).integers(0, 256, (side, side + 3, 3), np.uint8)) is None
    large = cv2.resize(portraits(1)[0], None, fx=9, fy=9, interpolation=cv2.INTER_CUBIC)
    assert np.abs(find(large) - find(portraits(1)[0])).max() < 0.05


@installed
def test_the_real_package_holds_the_known_weights() -> None:
    spec = util.find_spec(detector.PACKAGE)
    assert spec is not None
    folder = Path(str(spec.origin)).parent / "data"
    assert {name: digest.of_file(folder / name) for name in detector.WEIGHTS} == detector.WEIGHTS
