import io
from pathlib import Path

import imagehash
import numpy as np
import pytest
from PIL import Image

import ffdi
from ffdi.data import hashes
from ffdi.data.decode import decode

PORTRAITS = sorted((Path(ffdi.__file__).parent / "sample" / "phase1" / "trainset").iterdir())[:60]
GREYS = np.random.default_rng(3)


GREY_KINDS = {
    "noise": GREYS.integers(0, 256, (300, 32, 32)),
    "two values": 255 * GREYS.integers(0, 2, (100, 32, 32)),
    "flat": np.tile(np.arange(0, 256, 5)[:, None, None], (1, 32, 32)),
    "ramp": np.arange(0, 256, 5)[:, None, None] * np.arange(32)[None, :, None] // 31 * np.ones((1, 1, 32), int),
    "mirrored": (lambda half: np.concatenate([half, half[:, :, ::-1]], axis=2))(GREYS.integers(0, 256, (100, 32, 16))),
}


@pytest.mark.parametrize("kind", GREY_KINDS)
def test_the_same_grey_thumbnail_has_the_bits_of_imagehash(kind: str) -> None:
    greys = GREY_KINDS[kind].astype(np.uint8)
    expected = [int(str(imagehash.phash(Image.fromarray(grey))), 16) for grey in greys]
    assert hashes.phash(greys).tolist() == expected


def test_the_long_hash_is_every_fourth_of_the_low_coefficients_against_their_median() -> None:
    greys = GREYS.integers(0, 256, (20, 64, 64)).astype(np.uint8)
    frequency, pixel = np.meshgrid(np.arange(32), np.arange(64), indexing="ij")
    basis = np.cos(np.pi * frequency * (2 * pixel + 1) / 128)  # the DCT-II by its definition
    low = basis @ greys @ basis.T
    chosen = low[:, (np.arange(32)[:, None] + 2 * np.arange(32)) % 4 == 1]
    bits = chosen > np.median(chosen, axis=1, keepdims=True)
    expected = [int("".join("01"[bit] for bit in row), 2) for row in bits.astype(int)]
    assert [int(digits, 16) for digits in hashes.to_hex(hashes.phash256(greys))] == expected


def test_files_hash_within_six_bits_of_imagehash_and_most_not_one_off() -> None:
    encoded = [path.read_bytes() for path in PORTRAITS]
    theirs = [int(str(imagehash.phash(Image.open(io.BytesIO(data)))), 16) for data in encoded]
    ours, _ = hashes.hash_thumbs(hashes.thumb(decode(data).image_HWC) for data in encoded)
    differences = np.bitwise_count(ours ^ np.array(theirs, np.uint64))
    assert max(differences) <= 6
    assert np.mean(differences == 0) > 0.7


def test_hex_and_words_are_the_same() -> None:
    words = GREYS.integers(0, 2**64, (50, 4), dtype=np.uint64)
    digits = hashes.to_hex(words)
    assert int(digits[0][:16], 16) == words[0, 0]
    np.testing.assert_array_equal(hashes.from_hex(digits), words)
