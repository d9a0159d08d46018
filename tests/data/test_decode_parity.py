"""One answer for every file: with and without simplejpeg, and whatever stands beside the pixels."""

import io
import struct

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from ffdi.core import keys
from ffdi.data import jpeg
from ffdi.data.decode import Defect, decode
from tests.fixtures.pictures import SAVED, portrait, saved

SIZES = [(64, 48), (33, 65), (48, 40)]
XMP = b"http://ns.adobe.com/xap/1.0/\0"
JPEGS = ["baseline", "progressive", "restarts", "grey", "cmyk"]
Answer = tuple[str, str, bytes]


def answer(data: bytes) -> Answer:
    try:
        found = decode(data)
        return found.status, found.defect, found.image_HWC.tobytes()
    except Defect as defect:
        return "refused", defect.name, b""


def both(data: bytes) -> Answer:
    """The answer, which must be the same at home and where Pillow stands alone."""
    home, kept = answer(data), jpeg.simplejpeg
    try:
        jpeg.simplejpeg = None
        alone = answer(data)
    finally:
        jpeg.simplejpeg = kept
    assert home == alone
    return home


def exif(value: int, kind: int = 3, order: str = "<") -> bytes:
    """A block of Exif with an orientation, as BYTE (1), SHORT (3) or LONG (4)."""
    stored = struct.pack(order + {1: "B", 3: "H", 4: "I"}[kind], value).ljust(4, b"\0")
    mark = b"II" if order == "<" else b"MM"
    return mark + struct.pack(order + "HIHHHI", 42, 8, 1, 0x0112, kind, 1) + stored + bytes(4)


def xmp(value: int) -> bytes:
    return f'<x:xmpmeta><rdf:Description tiff:Orientation="{value}"/></x:xmpmeta>'.encode()


def segment(marker: int, payload: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(payload) + 2) + payload


JUNK = st.binary(max_size=40)
SEGMENTS = st.one_of(  # of a JPEG, well formed and damaged, none about the orientation
    st.builds(lambda body: segment(0xE1, b"Exif\0\0" + body), JUNK.filter(lambda body: body[:2] not in (b"II", b"MM"))),
    st.builds(lambda body: segment(0xE1, XMP + body), JUNK),
    st.builds(lambda body: segment(0xE2, b"ICC_PROFILE\0" + body), JUNK),
    st.builds(lambda body: segment(0xE2, b"MPF\0" + body), JUNK),
    st.builds(lambda body: segment(0xED, b"Photoshop 3.0\0" + body), JUNK),
    st.builds(lambda body: segment(0xE0, b"JFIF\0" + body), st.binary(max_size=3)),
    st.builds(lambda body: segment(0xFE, body), JUNK),
)


@given(name=st.sampled_from(JPEGS), size=st.sampled_from(SIZES), parts=st.lists(SEGMENTS, max_size=4), tail=JUNK)
@settings(max_examples=150, deadline=None)
def test_what_stands_beside_the_pixels_of_a_jpeg_costs_nothing(
    name: str, size: tuple[int, int], parts: list[bytes], tail: bytes
) -> None:
    plain = SAVED[name](size)
    assert both(plain[:2] + b"".join(parts) + plain[2:] + tail) == answer(plain)


@given(name=st.sampled_from(list(SAVED)), size=st.sampled_from(SIZES), cut=st.floats(0, 1), ended=st.booleans())
@example(name="palette", size=(48, 40), cut=0.953125, ended=False)  # inside the pixels
@settings(max_examples=200, deadline=None)
def test_a_shorter_file_is_whole_or_refused(name: str, size: tuple[int, int], cut: float, ended: bool) -> None:
    plain = SAVED[name](size)
    status, _, pixels = both(plain[: int(cut * len(plain))] + (b"\xff\xd9" if ended and name in JPEGS else b""))
    assert status == "refused" or ended or pixels == answer(plain)[2]


@given(name=st.sampled_from(JPEGS), seed=st.integers(0, 2**32))
@settings(max_examples=300, deadline=None)
def test_damage_gets_one_answer(name: str, seed: int) -> None:
    data, draw = bytearray(SAVED[name]((48, 40))), keys.rng("damage", seed)
    for place in draw.integers(2, len(data), draw.integers(1, 5)):
        data[place] = draw.integers(256)
    both(bytes(data))


TURNED = {
    "Exif SHORT": lambda value: segment(0xE1, b"Exif\0\0" + exif(value)),
    "Exif LONG, big-endian": lambda value: segment(0xE1, b"Exif\0\0" + exif(value, 4, ">")),
    "Exif after others": lambda value: (
        segment(0xE2, b"ICC_PROFILE\0\1\1x") + segment(0xE1, XMP) + segment(0xE1, b"Exif\0\0" + exif(value))
    ),
    "Exif twice": lambda value: segment(0xE1, b"Exif\0\0" + exif(value)) + segment(0xE1, b"Exif\0\0" + exif(1)),
    "XMP": lambda value: segment(0xE1, XMP + xmp(value)),
    "XMP that Exif contradicts": lambda value: segment(0xE1, XMP + xmp(3)) + segment(0xE1, b"Exif\0\0" + exif(value)),
}


@pytest.mark.parametrize("kind", TURNED)
@pytest.mark.parametrize("late", [False, True])
def test_orientation_is_what_pillow_says(kind: str, late: bool) -> None:
    plain = saved(portrait((50, 40)), "JPEG", quality=90)
    at = plain.index(b"\xff\xc0") if late else 2
    for value in range(1, 9):
        data = plain[:at] + TURNED[kind](value) + plain[at:]
        with Image.open(io.BytesIO(data)) as picture:
            expected = ImageOps.exif_transpose(picture).tobytes()
        assert both(data) == (("ok", "") if value == 1 else ("repaired", "exif_rotated")) + (expected,)


def test_a_webp_is_turned_by_xmp_too() -> None:
    found = decode(saved(portrait((50, 40)), "WEBP", xmp=xmp(6)))
    assert (found.width, found.height, found.defect) == (40, 50, "exif_rotated")


@pytest.mark.parametrize(
    "block", [exif(6, 1), exif(0), exif(9), b"", b"II", b"XX" + bytes(20), b"II*\0\xff\xff\xff\xff"]
)
def test_an_orientation_that_pillow_cannot_use_is_none(block: bytes) -> None:
    plain = saved(portrait((50, 40)), "JPEG", quality=90)
    assert both(plain[:2] + segment(0xE1, b"Exif\0\0" + block) + plain[2:]) == answer(plain)


EXTRA = {
    "200 bytes before the end": lambda data: data[:-2] + bytes(200) + data[-2:],
    "no end": lambda data: data[:-2],
    "half an end": lambda data: data[:-1],
    "two ends": lambda data: data + data[-2:],
    "another picture behind": lambda data: data + data,
    "bytes between the segments": lambda data: (
        data[: data.index(b"\xff\xdb")] + bytes(9) + b"\xff\xff\xff\xd0" + data[data.index(b"\xff\xdb") :]
    ),
    "two starts": lambda data: data[:2] + data,
}


@pytest.mark.parametrize("name", JPEGS)
@pytest.mark.parametrize("extra", EXTRA)
def test_pixels_that_are_all_there_are_used(name: str, extra: str) -> None:
    plain = SAVED[name]((64, 48))
    assert both(EXTRA[extra](plain)) == answer(plain)


@pytest.mark.parametrize("name", JPEGS)
@pytest.mark.parametrize("share", [0.5, 0.8])
def test_an_end_in_the_middle_is_a_truncation(name: str, share: float) -> None:
    plain = SAVED[name]((160, 160))
    assert both(plain[: int(share * len(plain))] + b"\xff\xd9")[1] in ("truncated", "corrupt")


def test_a_grey_corner_is_no_damage() -> None:
    image = np.full((64, 64, 3), 128, np.uint8)
    image[:32, :32] = np.asarray(portrait((32, 32)))
    assert both(saved(Image.fromarray(image), "JPEG", quality=90))[0] == "ok"
