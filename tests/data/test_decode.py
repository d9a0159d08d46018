import io
import warnings

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps

from ffdi.data.decode import Defect, decode
from tests.fixtures.pictures import portrait, saved

ENCODINGS = [
    {"quality": 90},
    {"quality": 75, "subsampling": 1},
    {"quality": 95, "subsampling": 0},
    {"quality": 60, "progressive": True},
    {"quality": 83, "progressive": True, "subsampling": 1},
    {"quality": 50, "restart_marker_blocks": 3},
    {"quality": 90, "optimize": True},
    {"quality": 90, "keep_rgb": True},
]


def by_pillow(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as picture:
        return np.array(picture.convert("RGB"))


@pytest.mark.parametrize("options", ENCODINGS, ids=str)
@pytest.mark.parametrize("size", [(160, 160), (61, 47), (33, 65)])
def test_plain_jpeg_is_bit_identical_to_pillow(options: dict[str, object], size: tuple[int, int]) -> None:
    data = saved(portrait(size), "JPEG", **options)
    result = decode(data)
    assert np.array_equal(result.image_HWC, by_pillow(data))
    assert (result.width, result.height, result.mode, result.status) == (*size, "RGB", "ok")


def test_a_rare_subsampling_goes_through_pillow_which_refuses_truncation_too() -> None:
    data = bytearray(saved(portrait((64, 64)).convert("RGB"), "JPEG", subsampling=0))
    at = data.index(b"\xff\xc0")
    data[at + 11] = 0x31  # luminance three times as wide: simplejpeg has no name for it
    assert np.array_equal(decode(bytes(data)).image_HWC, by_pillow(bytes(data)))
    with pytest.raises(Defect, match="truncated"):
        decode(bytes(data[: len(data) // 2]))


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF", "WEBP"])
def test_half_a_file_is_refused_even_where_a_library_told_pillow_otherwise(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    data = saved(portrait((64, 64)), kind)
    with pytest.raises(Defect):
        decode(data[: len(data) // 2])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientations_are_applied_as_pillow_would_when_asked(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(portrait((50, 40)), kind, exif=exif)
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        expected = picture if kind == "TIFF" else ImageOps.exif_transpose(picture)
        upright = np.array(expected.convert("RGB"))
    result = decode(data)
    assert np.array_equal(result.image_HWC, upright)
    assert (result.width, result.height) == ((50, 40) if orientation < 5 else (40, 50))
    assert result.status == ("ok" if orientation == 1 else "repaired")


def test_16_bits_keep_their_high_byte() -> None:
    ramp = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) * 16
    for kind in ("PNG", "TIFF", "PPM"):
        grey = decode(saved(Image.fromarray(ramp), kind))
        assert np.array_equal(grey.image_HWC[..., 0], (ramp >> 8).astype(np.uint8))
        assert (grey.status, grey.defect) == ("repaired", "16bit")


def test_colours_hidden_under_transparency_stay_hidden() -> None:
    red = Image.new("RGBA", (40, 40), (255, 0, 0, 0))
    assert decode(saved(red, "PNG")).image_HWC.max() == 0
    half = Image.new("RGBA", (40, 40), (255, 0, 0, 128))
    assert decode(saved(half, "PNG")).image_HWC[0, 0].tolist() == [128, 0, 0]


def test_cmyk_is_converted_as_pillow_does() -> None:
    data = saved(portrait((64, 48)).convert("CMYK"), "JPEG")
    result = decode(data)
    assert np.array_equal(result.image_HWC, by_pillow(data))
    assert (result.mode, result.defect) == ("CMYK", "cmyk")


def test_numbers_of_no_known_range_are_refused() -> None:
    with pytest.raises(Defect, match="unscaled") as caught:
        decode(saved(Image.fromarray(np.full((40, 50), 7, np.int32)), "TIFF"))
    assert (caught.value.width, caught.value.height) == (50, 40)


def test_a_header_without_height_is_damage() -> None:
    data = bytearray(saved(portrait((64, 64)), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 2] = b"\0\0"
    with pytest.raises(Defect, match="corrupt: the header says 64x0 pixels"):
        decode(bytes(data))


def test_no_warning_of_pillow_leaks() -> None:
    palette = portrait((40, 40)).quantize(8)
    data = saved(palette, "PNG", transparency=bytes(range(0, 256, 32)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert decode(data).defect == "palette+alpha"
    assert caught == []
