import struct

import numpy as np
import pytest

from ffdi.data import jpeg
from tests.fixtures.pictures import portrait, saved

PICTURE = portrait((50, 40))


def test_every_quality_is_found_again() -> None:
    assert [jpeg.quality(saved(PICTURE, "JPEG", quality=value)) for value in range(1, 101)] == list(range(1, 101))


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
def test_the_header_tells_size_and_components_and_the_fast_decoder_takes_it(options: dict[str, object]) -> None:
    data = saved(PICTURE, "JPEG", **options)
    header = jpeg.read_header(data)
    assert header is not None
    assert jpeg.decode_fast(data, header) is not None
    assert (header.width, header.height, header.components) == (50, 40, 3)


def test_recompressed_without_simplejpeg_an_image_stays_near(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.asarray(portrait((128, 96), 5))
    fast = jpeg.recompress(image, 60)
    monkeypatch.setattr(jpeg, "simplejpeg", None)
    assert np.abs(jpeg.recompress(image, 60).astype(int) - fast).mean() < 1


def test_no_prefix_upsets_the_reader() -> None:
    data = saved(PICTURE, "JPEG", quality=80)
    for length in range(700):
        jpeg.read_header(data[:length])
