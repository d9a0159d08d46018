import io
import struct

import pytest
from PIL import Image

from ffdi.data import jpeg
from tests.data.pictures import portrait, saved

PICTURE = portrait((50, 40))


def test_every_quality_is_found_again() -> None:
    assert [jpeg.quality(saved(PICTURE, "JPEG", quality=value)) for value in range(1, 101)] == list(range(1, 101))


def test_an_own_table_gets_the_nearest_quality() -> None:
    own = [min(255, value + 1) for value in Image.open(io.BytesIO(saved(PICTURE, "JPEG", quality=75))).quantization[0]]
    assert abs(jpeg.quality(saved(PICTURE, "JPEG", qtables=[own, own])) - 75) <= 2


def test_a_table_of_two_bytes_a_value_is_read() -> None:
    plain = saved(PICTURE, "JPEG", quality=60)
    at = plain.index(b"\xff\xdb")
    values = plain[at + 5 : at + 69]
    wide = b"\xff\xdb" + struct.pack(">HB64H", 131, 0x10, *values)
    assert jpeg.quality(plain[:at] + wide + plain[at + 69 :]) == 60


def test_what_is_no_jpeg_has_no_quality() -> None:
    for data in (b"", b"\xff\xd8", b"hello", saved(PICTURE, "PNG")):
        assert jpeg.quality(data) == -1
        assert jpeg.read_header(data) is None


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"optimize": True}])
def test_the_header_tells_size_and_components(options: dict[str, object]) -> None:
    header = jpeg.read_header(saved(PICTURE, "JPEG", **options))
    assert header is not None
    assert (header.width, header.height, header.components, header.precision) == (50, 40, 3, 8)
    assert header.adobe is None
    assert header.orientation == 1


def test_grey_and_cmyk_are_told_apart() -> None:
    grey, cmyk = (jpeg.read_header(saved(PICTURE.convert(mode), "JPEG")) for mode in ("L", "CMYK"))
    assert grey is not None
    assert cmyk is not None
    assert (grey.components, cmyk.components, cmyk.adobe) == (1, 4, 0)


@pytest.mark.parametrize("value", range(10))
@pytest.mark.parametrize("order", ["<", ">"])
def test_orientation_in_both_byte_orders(value: int, order: str) -> None:
    mark = b"II" if order == "<" else b"MM"
    tiff = mark + struct.pack(f"{order}HIH", 42, 8, 1) + struct.pack(f"{order}HHIHH", 0x0112, 3, 1, value, 0)
    data = saved(PICTURE, "JPEG", exif=b"Exif\0\0" + tiff)
    header = jpeg.read_header(data)
    assert header is not None
    assert header.orientation == (value if 1 <= value <= 8 else 1)


@pytest.mark.parametrize(
    "tiff", [b"", b"II", b"XX" + bytes(20), b"II*\0\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff\x12\1"]
)
def test_damaged_exif_means_upright(tiff: bytes) -> None:
    assert jpeg.exif_orientation(tiff) == 1


def test_no_prefix_and_no_filler_upsets_the_reader() -> None:
    data = saved(PICTURE, "JPEG", quality=80)
    for length in range(700):
        jpeg.read_header(data[:length])
    filled = data[:20] + b"\0\0\xff\xff\xff\xd0" + data[20:]  # garbage, fill bytes and a stray restart marker
    assert jpeg.read_header(filled) == jpeg.read_header(data)
