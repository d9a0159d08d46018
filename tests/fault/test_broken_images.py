"""Broken or odd images of many kinds, and random damage: each ends in its named status, never in a crash."""

import resource
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ffdi.core import keys
from ffdi.core.layout import Workspace
from ffdi.data.decode import Defect, decode
from ffdi.data.scan import scan
from tests.fixtures.pictures import CONTEST, SAVED, contest_folder, portrait, saved

Made = Iterator[tuple[bytes, str]]  # bytes and what is expected: "status:defect"
SIZES = [(160, 160), (96, 128), (61, 47), (200, 150), (33, 65), (64, 64), (120, 90), (80, 70), (50, 51), (177, 133)]


def truncated() -> Made:
    """Ten depths, from the first bytes to the last one missing."""
    whole = saved(portrait((160, 160)), "JPEG", quality=90)
    for share in (0.002, 0.01, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99):
        yield whole[: max(4, int(share * len(whole)))], "refused:truncated"
    yield whole[:-4], "refused:truncated"


def nothing() -> Made:
    yield b"", "refused:empty"
    for power in range(10):
        yield bytes(4**power), "refused:zeros"


def texts() -> Made:
    pages = [f"<!DOCTYPE html><title>{number} Not found</title>".encode() for number in range(400, 405)]
    other = [b"0", b"img_name,target\n", b"\xef\xbb\xbfnot", b"{}", b"PK\3\4"]
    yield from ((text, "refused:html") for text in pages)
    yield from ((text, "refused:not_image") for text in other)


def animations() -> Made:
    for size in SIZES[:4]:
        frames = [portrait(size, seed) for seed in range(3)]
        yield saved(frames[0], "GIF", save_all=True, append_images=frames[1:]), "repaired:animated+palette"
    for kind in ("PNG", "WEBP", "TIFF"):
        for size in SIZES[:2]:
            frames = [portrait(size, seed) for seed in range(3)]
            yield saved(frames[0], kind, save_all=True, append_images=frames[1:]), "repaired:animated"


def ycck() -> Made:
    """The same with the Adobe marker saying 2, so that the first three channels are YCbCr."""
    for size in SIZES:
        stored = saved(portrait(size).convert("CMYK"), "JPEG", quality=90)
        at = stored.index(b"Adobe") + 11
        yield stored[:at] + b"\2" + stored[at + 1 :], "repaired:cmyk"


RE_ENCODED: dict[str, tuple[Callable[[Image.Image], bytes], str]] = {  # a portrait in another mode or format
    "CMYK": (lambda picture: saved(picture.convert("CMYK"), "JPEG", quality=90), "repaired:cmyk"),
    "one bit, PNG": (lambda picture: saved(picture.convert("1"), "PNG"), "repaired:bilevel"),
    "one bit, TIFF": (lambda picture: saved(picture.convert("1"), "TIFF"), "repaired:bilevel"),
    "palette": (lambda picture: saved(picture.quantize(16), "PNG"), "repaired:palette"),
    "clear colour": (lambda picture: saved(picture.quantize(16), "PNG", transparency=3), "repaired:palette+alpha"),
    "grey and alpha": (lambda picture: saved(picture.convert("LA"), "PNG"), "repaired:alpha"),
    "colour and alpha, PNG": (lambda picture: saved(picture.convert("RGBA"), "PNG"), "repaired:alpha"),
    "colour and alpha, TIFF": (lambda picture: saved(picture.convert("RGBA"), "TIFF"), "repaired:alpha"),
    "WebP": (lambda picture: saved(picture, "WEBP", quality=80), "ok:"),
    "wide profile, JPEG": (lambda picture: saved(picture, "JPEG", icc_profile=bytes(500_000)), "ok:"),
    "wide profile, PNG": (lambda picture: saved(picture, "PNG", icc_profile=bytes(500_000)), "ok:"),
}


def re_encoded() -> Made:
    for make, expected in RE_ENCODED.values():
        yield from ((make(portrait(size)), expected) for size in SIZES)


def floats() -> Made:
    for size in SIZES[:5]:
        ramp = np.linspace(0, 1, size[0] * size[1], dtype=np.float32).reshape(size[1], size[0])
        yield saved(Image.fromarray(ramp), "TIFF"), "refused:unscaled"


def tiny() -> Made:
    for size in ((1, 1), (2, 2), (1, 3), (8, 8), (15, 15)):
        yield saved(portrait(size), "JPEG"), "refused:tiny"
        yield saved(portrait(size), "PNG"), "refused:tiny"


def stretched() -> Made:
    for size in ((1, 30000), (30000, 1), (20, 400), (16, 65), (500, 100)):
        yield saved(portrait(size), "JPEG"), "refused:aspect"
        yield saved(portrait(size), "PNG"), "refused:aspect"


def bombs() -> Made:
    """Headers that announce up to 3,600 million pixels and hold none; and two frames side by side, which are kept."""
    for side in (60000, 20000, 8000):
        yield png_of(side, side), "refused:too_large"
        jpeg = bytearray(saved(portrait((64, 64)), "JPEG"))
        at = jpeg.index(b"\xff\xc0") + 5
        jpeg[at : at + 4] = struct.pack(">HH", side, side)
        yield bytes(jpeg), "refused:too_large"
        gif = saved(portrait((64, 64)), "GIF")
        yield gif[:6] + struct.pack("<HH", side, side) + gif[10:], "refused:too_large"
    yield saved(portrait((320, 160)), "JPEG"), "quarantined:double_width"


KINDS: list[Callable[[], Made]] = [
    truncated, nothing, texts, animations, re_encoded, ycck, floats, tiny, stretched, bombs,
]  # fmt: skip


def png_of(width: int, height: int) -> bytes:
    """A PNG header with one row of nothing behind it."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def outcome(data: bytes) -> str:
    try:
        result = decode(data)
    except Defect as defect:
        return f"refused:{defect.name}"
    assert (result.image_HWC.dtype, result.image_HWC.shape) == (np.uint8, (result.height, result.width, 3))
    assert result.image_HWC.flags.c_contiguous
    return f"{result.status}:{result.defect}"


def test_broken_images_in_a_folder_end_in_the_manifest(tmp_path: Path) -> None:
    images, expected = {}, {}
    for kind in KINDS:
        for number, (data, wanted) in enumerate(kind()):
            name = f"{kind.__name__}{number}"
            images[name], expected[name] = data, wanted.replace("refused:", "quarantined:")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    made = scan(CONTEST, contest_folder(tmp_path / "contest", images), Workspace(tmp_path / "work", tmp_path), 0)

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_000_000  # kB: a bomb would take 11 GB
    train = made[made["split"] == "train"].set_index("id")
    found = (train["status"] + ":" + train["defect"]).to_dict()
    assert found == expected


def mutate(good: bytes, rng: np.random.Generator) -> bytes:
    """Up to eight random bytes changed, every second time among the first 400, where the headers are."""
    data = bytearray(good)
    reach = len(data) if rng.integers(2) else min(len(data), 400)
    for place in rng.integers(0, reach, rng.integers(1, 9)):
        data[place] = rng.integers(256)
    return bytes(data)


@pytest.mark.parametrize("count", [400, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", sorted(SAVED.keys() - {"palette"}))  # of which any change breaks a checksum
def test_mutations_give_images_and_defects_alone(name: str, count: int) -> None:
    """Anything but an image or a Defect raises through; none takes two CPU seconds."""
    rng, good, outcomes = keys.rng("fuzz", name, count), SAVED[name]((96, 96)), list[str]()
    for _ in range(count):
        data, began = mutate(good, rng), time.process_time()
        outcomes.append(outcome(data))
        assert time.process_time() - began < 2
    assert 0 < sum(found.startswith("refused:") for found in outcomes) < count
