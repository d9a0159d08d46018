"""Perceptual hashes against ImageHash: CPU time on one core, and whether both call the same pictures copies.

The pictures are the sample's portraits, enlarged with a little grain to the bytes a photograph of that size has
(about 17 kB at 256 px, 54 kB at 512 px), saved at quality 90.
"""

import io
from pathlib import Path

import cv2
import imagehash
import numpy as np
from PIL import Image

import ffdi
from ffdi.data import hashes
from tests.bench.timing import Ratio, compare

PORTRAITS = Path(ffdi.__file__).parent / "sample" / "phase1" / "trainset"
COUNT = 120
COPIES = ("quality 50", "half size", "15 % brighter")


def portraits(size: int, count: int = COUNT) -> list[bytes]:
    """JPEG files of size x size pixels."""
    grain = np.random.default_rng(0)
    encoded = []
    for path in sorted(PORTRAITS.iterdir())[:count]:
        image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
        large = cv2.resize(image, (size, size), interpolation=cv2.INTER_CUBIC)
        noisy = np.clip(large + grain.normal(0, 3, (size, size, 1)), 0, 255).astype(np.uint8)
        encoded.append(_jpeg(noisy, 90))
    return encoded


def copy(data: bytes, kind: str) -> bytes:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if kind == "quality 50":
        return _jpeg(image, 50)
    if kind == "half size":
        return _jpeg(cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), 90)
    return _jpeg(cv2.convertScaleAbs(image, alpha=1.15), 90)


def theirs(encoded: list[bytes]) -> np.ndarray:
    """ImageHash's hashes of the files, uint64."""
    return np.array([int(str(imagehash.phash(Image.open(io.BytesIO(data)))), 16) for data in encoded], np.uint64)


def bits_apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.bitwise_count(one ^ other)


def speed(size: int, rounds: int = 9) -> list[Ratio]:
    encoded = portraits(size)
    decoded = [cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB) for data in encoded]
    return compare(
        {
            f"{size} px: imagehash.phash": lambda: theirs(encoded),
            f"{size} px: ours, of decoded images (in a scan)": lambda: hashes.hash_thumbs(map(hashes.thumb, decoded)),
        },
        rounds,
    )


def agreement(size: int) -> list[str]:
    """One line a kind of copy: distances from the original under both, and under the 256 bits."""
    encoded = portraits(size)
    own, long = _hashed(encoded)
    reference = theirs(encoded)
    lines = [f"{size} px, same file: ours and ImageHash differ in {_spread(bits_apart(own, reference))}"]
    for kind in COPIES:
        copies = [copy(data, kind) for data in encoded]
        short, second = _hashed(copies)
        lines.append(
            f"{size} px, {kind}: ImageHash {_spread(bits_apart(reference, theirs(copies)))}, "
            f"ours {_spread(bits_apart(own, short))}, 256 bits {_spread(bits_apart(long, second).sum(axis=1))}"
        )
    return lines


def _hashed(encoded: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    decoded = (cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB) for data in encoded)
    return hashes.hash_thumbs(map(hashes.thumb, decoded))


def _spread(bits: np.ndarray) -> str:
    return f"median {np.median(bits):g}, max {bits.max()} bits"


def _jpeg(image: np.ndarray, quality: int) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def main() -> None:
    cv2.setNumThreads(1)
    for size in (160, 256, 512):
        for ratio in speed(size):
            print(ratio)
        print(*agreement(size), sep="\n")
