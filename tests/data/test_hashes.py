import io
from pathlib import Path

import imagehash
import numpy as np
import pytest
from PIL import Image

import ffdi
from ffdi.data import decode, hashes

PORTRAITS = sorted((Path(ffdi.__file__).parent / "sample" / "phase1" / "trainset").iterdir())[:60]
GREYS = np.random.default_rng(3)


def theirs(image: Image.Image) -> int:
    return int(str(imagehash.phash(image)), 16)


def apart(one: int, other: int) -> int:
    return (one ^ other).bit_count()


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def copies(image: Image.Image) -> dict[str, bytes]:
    half = image.resize((image.width // 2, image.height // 2), Image.Resampling.BICUBIC)
    return {
        "quality 50": saved(image, "JPEG", quality=50),
        "quality 20": saved(image, "JPEG", quality=20),
        "half size": saved(half, "JPEG", quality=90),
        "double size": saved(image.resize((320, 320), Image.Resampling.BICUBIC), "JPEG", quality=90),
        "brighter": saved(image.point(lambda value: min(255, int(value * 1.15))), "JPEG", quality=90),
        "darker": saved(image.point(lambda value: int(value * 0.85)), "JPEG", quality=90),
        "as PNG": saved(image, "PNG"),
    }


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
    assert hashes.phash(greys).tolist() == [theirs(Image.fromarray(grey)) for grey in greys]


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
    differences = [apart(hashes.hash_bytes(path.read_bytes())[0], theirs(Image.open(path))) for path in PORTRAITS]
    assert max(differences) <= 6
    assert np.mean(np.array(differences) == 0) > 0.7


def test_copies_are_as_near_as_under_imagehash() -> None:
    for path in PORTRAITS[:12]:
        with Image.open(path) as image:
            own, reference = hashes.hash_bytes(path.read_bytes()), theirs(image)
            for name, data in copies(image).items():
                short, long = hashes.hash_bytes(data)
                mine, other = apart(short, own[0]), apart(theirs(Image.open(io.BytesIO(data))), reference)
                assert mine <= 8, (path.name, name)
                assert abs(mine - other) <= 6, (path.name, name)
                assert apart(int(long, 16), int(own[1], 16)) <= 48, (path.name, name)


def test_strangers_are_apart_on_the_long_hash() -> None:
    short, long = hashes.hash_many(path.read_bytes() for path in PORTRAITS[:30])
    ours = np.bitwise_count(short[:, None] ^ short)
    reference = np.array([theirs(Image.open(path)) for path in PORTRAITS[:30]], np.uint64)
    assert np.abs(ours - np.bitwise_count(reference[:, None] ^ reference).astype(int)).max() <= 8
    assert len(long) == len(np.unique(long, axis=0))


def test_batches_agree_with_single_images_in_order() -> None:
    encoded = [path.read_bytes() for path in PORTRAITS] * 2  # more than one batch
    short, long = hashes.hash_many(encoded)
    singles = [hashes.hash_bytes(data) for data in encoded[: len(PORTRAITS)]]
    assert list(zip(short.tolist(), hashes.to_hex(long), strict=True)) == singles * 2


def test_a_decoded_image_hashes_like_its_file() -> None:
    encoded = [path.read_bytes() for path in PORTRAITS]
    of_files = hashes.hash_many(encoded)
    of_images = hashes.hash_grays(decode.decode(data).image_HWC for data in encoded)
    assert np.bitwise_count(of_files[0] ^ of_images[0]).max() <= 4
    assert np.bitwise_count(of_files[1] ^ of_images[1]).sum(axis=1).max() <= 16
    image = decode.decode(encoded[0]).image_HWC
    assert hashes.hash_image(image) == (int(of_images[0][0]), hashes.to_hex(of_images[1][:1])[0])


def test_a_turned_photograph_hashes_upright() -> None:
    with Image.open(PORTRAITS[0]) as image:
        exif = Image.Exif()
        exif[0x0112] = 6  # the reader must turn it by 90 degrees
        lying = saved(image.rotate(90, expand=True), "JPEG", quality=95, exif=exif)
    assert apart(hashes.hash_bytes(lying)[0], hashes.hash_bytes(PORTRAITS[0].read_bytes())[0]) <= 4


@pytest.mark.parametrize(("kind", "mode"), [("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "RGBA"), ("WEBP", "RGB")])
def test_every_format_hashes_like_the_plain_jpeg(kind: str, mode: str) -> None:
    with Image.open(PORTRAITS[1]) as image:
        data = saved(image.convert(mode), kind)
    assert apart(hashes.hash_bytes(data)[0], hashes.hash_bytes(PORTRAITS[1].read_bytes())[0]) <= 6


def test_bytes_that_are_no_image_raise_a_named_defect() -> None:
    whole = PORTRAITS[0].read_bytes()
    for data, name in ((b"", "empty"), (b"<html>", "not_image"), (whole[: len(whole) // 2], "truncated")):
        with pytest.raises(decode.Defect) as caught:
            hashes.hash_bytes(data)
        assert caught.value.name == name


def test_no_images_give_no_hashes() -> None:
    short, long = hashes.hash_grays([])
    assert short.shape == (0,)
    assert long.shape == (0, 4)
    assert hashes.from_hex([]).shape == (0, 4)


def test_hex_and_words_are_the_same() -> None:
    words = GREYS.integers(0, 2**64, (50, 4), dtype=np.uint64)
    digits = hashes.to_hex(words)
    assert {len(text) for text in digits} == {64}
    assert int(digits[0][:16], 16) == words[0, 0]
    np.testing.assert_array_equal(hashes.from_hex(digits), words)


def test_hashes_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="different lengths"):
        hashes.from_hex(["0" * 64, "0" * 63])


def test_thumbnails_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="thumbnails of shape"):
        hashes.phash(np.zeros((2, 31, 32), np.uint8))
