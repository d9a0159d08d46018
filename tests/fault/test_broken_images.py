"""200 broken or odd images of 20 kinds, and random damage: each ends in its named status, never in a crash."""

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
from ffdi.data.decode import Decoded, Defect, decode
from ffdi.data.scan import scan
from tests.fixtures.pictures import CONTEST, contest_folder, jpeg, portrait, saved

Made = Iterator[tuple[bytes, str]]  # bytes and what is expected: "status:defect"
SIZES = [(160, 160), (96, 128), (61, 47), (200, 150), (33, 65), (64, 64), (120, 90), (80, 70), (50, 51), (177, 133)]


def truncated() -> Made:
    """Ten depths, from the first bytes to the last one missing."""
    whole = saved(portrait((160, 160)), "JPEG", quality=90)
    for share in (0.002, 0.01, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99):
        yield whole[: max(4, int(share * len(whole)))], "refused:truncated"
    yield whole[:-4], "refused:truncated"


def zero_bytes() -> Made:
    for _ in range(10):
        yield b"", "refused:empty"


def zeros() -> Made:
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


def cmyk() -> Made:
    for size in SIZES:
        yield saved(portrait(size).convert("CMYK"), "JPEG", quality=90), "repaired:cmyk"


def ycck() -> Made:
    """The same with the Adobe marker saying 2, so that the first three channels are YCbCr."""
    for size in SIZES:
        stored = saved(portrait(size).convert("CMYK"), "JPEG", quality=90)
        at = stored.index(b"Adobe") + 11
        yield stored[:at] + b"\2" + stored[at + 1 :], "repaired:cmyk"


def sixteen_bit() -> Made:
    for size in SIZES[:5]:
        ramp = np.linspace(0, 65535, size[0] * size[1]).astype(np.uint16).reshape(size[1], size[0])
        yield saved(Image.fromarray(ramp), "PNG"), "repaired:16bit"
        yield saved(Image.fromarray(ramp), "TIFF"), "repaired:16bit"


def one_bit() -> Made:
    for size in SIZES[:5]:
        yield saved(portrait(size).convert("1"), "PNG"), "repaired:bilevel"
        yield saved(portrait(size).convert("1"), "TIFF"), "repaired:bilevel"


def palettes() -> Made:
    for size in SIZES[:5]:
        yield saved(portrait(size).quantize(16), "PNG"), "repaired:palette"
        yield saved(portrait(size).quantize(16), "PNG", transparency=3), "repaired:palette+alpha"


def grey_alpha() -> Made:
    for size in SIZES:
        yield saved(portrait(size).convert("LA"), "PNG"), "repaired:alpha"


def colour_alpha() -> Made:
    for size in SIZES[:5]:
        picture = portrait(size)
        picture.putalpha(portrait(size, 1).convert("L"))
        yield saved(picture, "PNG"), "repaired:alpha"
        yield saved(picture, "WEBP"), "repaired:alpha"


def floats() -> Made:
    for size in SIZES[:5]:
        ramp = np.linspace(0, 1, size[0] * size[1], dtype=np.float32).reshape(size[1], size[0])
        yield saved(Image.fromarray(ramp), "TIFF"), "repaired:float"
        yield saved(Image.fromarray(ramp * 300 - 20), "TIFF"), "refused:unscaled"


def webp() -> Made:
    for size in SIZES:
        yield saved(portrait(size), "WEBP", quality=80), "ok:"


def half_png_webp_gif_tiff_bmp() -> Made:
    """Truncation of what is not JPEG: by a half and by a tenth."""
    for kind in ("PNG", "WEBP", "GIF", "TIFF", "BMP"):
        noisy = Image.fromarray(keys.rng("noise", kind).integers(0, 256, (90, 90, 3), dtype=np.uint8))
        whole = saved(noisy, kind)
        yield from ((whole[: int(share * len(whole))], "refused:") for share in (0.5, 0.9))


def orientations() -> Made:
    exif = Image.Exif()
    for value, size in zip([*range(1, 9), 6, 8], SIZES, strict=True):
        exif[0x0112] = value
        kind = "PNG" if len(set(size)) == 1 else "JPEG"
        yield saved(portrait(size), kind, exif=exif), "ok:" if value == 1 else "repaired:exif_rotated"


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


def huge_profiles() -> Made:
    for number in range(5):
        profile = bytes(200_000 * (number + 1))
        yield saved(portrait((64, 64)), "JPEG", icc_profile=profile), "ok:"
        yield saved(portrait((64, 64)), "PNG", icc_profile=profile), "ok:"


KINDS: list[Callable[[], Made]] = [
    truncated, zero_bytes, zeros, texts, animations, cmyk, ycck, sixteen_bit, one_bit, palettes,
    grey_alpha, colour_alpha, floats, webp, half_png_webp_gif_tiff_bmp, orientations, tiny, stretched, bombs,
    huge_profiles,
]  # fmt: skip


def png_of(width: int, height: int) -> bytes:
    """A PNG header with one row of nothing behind it."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def outcome(data: bytes) -> str:
    try:
        return described(decode(data))
    except Defect as defect:
        return f"refused:{defect.name}"


def described(result: Decoded) -> str:
    assert result.image_HWC.dtype == np.uint8
    assert result.image_HWC.shape == (result.height, result.width, 3)
    assert result.image_HWC.flags.c_contiguous
    return f"{result.status}:{result.defect}"


def test_200_broken_images_in_a_folder_end_in_the_manifest(tmp_path: Path) -> None:
    """All under the name of a JPEG, and beside them a folder of such a name, a dead link and a good picture."""
    images, expected = {}, {}
    for kind in KINDS:
        for number, (data, wanted) in enumerate(kind()):
            name = f"{kind.__name__}{number}.jpg"
            images[name], expected[name] = data, wanted.replace("refused:", "quarantined:")
    assert len(images) == 200
    folder = contest_folder(tmp_path / "contest", {**images, "folder.jpg": b"", "link.jpg": b"", "good.jpg": jpeg()})
    for name in ("folder.jpg", "link.jpg"):
        (folder / "train" / name).unlink()
    (folder / "train" / "folder.jpg").mkdir()
    (folder / "train" / "link.jpg").symlink_to(tmp_path / "nowhere.jpg")
    expected |= {"folder.jpg": "quarantined:not_a_file", "link.jpg": "quarantined:outside", "good.jpg": "ok:"}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    made = scan(CONTEST, folder, Workspace(tmp_path / "work", tmp_path), workers=0)

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_000_000  # kB: a bomb would take 11 GB
    train = made[made["split"] == "train"].set_index("id")
    found = (train["status"] + ":" + train["defect"]).to_dict()
    assert found.keys() == expected.keys()
    assert {name: found[name] for name in found if not _fits(found[name], expected[name])} == {}


def _fits(found: str, expected: str) -> bool:
    """The name says JPEG, so every other format that gives an image is a repaired extension besides."""
    renamed = (
        found.removesuffix("extension")
        .removesuffix("+")
        .replace("repaired:", "ok:" if expected == "ok:" else "repaired:")
    )
    return renamed == expected or (expected == "quarantined:" and found.startswith(expected))


GOOD = {
    "baseline": lambda: saved(portrait((160, 160)), "JPEG", quality=90),
    "progressive": lambda: saved(portrait((160, 160)), "JPEG", quality=90, progressive=True),
    "cmyk": lambda: saved(portrait((96, 96)).convert("CMYK"), "JPEG"),
    "png": lambda: saved(portrait((96, 96)), "PNG"),
    "webp": lambda: saved(portrait((96, 96)), "WEBP"),
    "gif": lambda: saved(portrait((96, 96)), "GIF"),
    "tiff": lambda: saved(portrait((96, 96)), "TIFF", compression="tiff_lzw"),
    "bmp": lambda: saved(portrait((96, 96)), "BMP"),
}


def mutate(good: bytes, rng: np.random.Generator) -> bytes:
    """Up to eight random bytes changed, every second time among the first 400, where the headers are."""
    data = bytearray(good)
    reach = len(data) if rng.integers(2) else min(len(data), 400)
    for place in rng.integers(0, reach, rng.integers(1, 9)):
        data[place] = rng.integers(256)
    return bytes(data)


def fuzz(name: str, count: int) -> set[str]:
    """Outcomes of `count` mutations. Anything but an image or a Defect raises through; none takes two CPU seconds."""
    rng, good, outcomes = keys.rng("fuzz", name, count), GOOD[name](), set()
    for _ in range(count):
        data, began = mutate(good, rng), time.process_time()
        outcomes.add(outcome(data))
        assert time.process_time() - began < 2
    return outcomes


@pytest.mark.parametrize("name", GOOD)
def test_400_mutations_give_images_and_defects_alone(name: str) -> None:
    outcomes = fuzz(name, 400)
    assert any(found.startswith("refused:") for found in outcomes)
    assert any(not found.startswith("refused:") for found in outcomes)


@pytest.mark.slow
@pytest.mark.parametrize("name", GOOD)
def test_10_000_mutations_give_images_and_defects_alone(name: str) -> None:
    assert fuzz(name, 10_000)
