"""Without simplejpeg, as on Kaggle: the same pixels by Pillow."""

import numpy as np
import pytest

from ffdi.data import decode, hashes, turbo
from tests.data.pictures import portrait, saved


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_pillow_gives_the_same_pixels(
    monkeypatch: pytest.MonkeyPatch, subsampling: str, mode: str, progressive: bool
) -> None:
    picture = portrait((101, 77), 3).convert(mode)
    options = {"subsampling": subsampling} if mode == "RGB" else {}
    data = saved(picture, "JPEG", quality=83, progressive=progressive, **options)
    fast = decode.decode(data)
    monkeypatch.setattr(turbo, "simplejpeg", None)
    plain = decode.decode(data)
    assert np.array_equal(plain.image_HWC, fast.image_HWC)
    assert (plain.mode, plain.status, plain.defect, plain.format) == (fast.mode, fast.status, fast.defect, fast.format)


def test_what_only_needs_a_likeness_stays_near(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recompressed image within a few grey levels, a hash within the bits that a copy may differ by."""
    image = np.asarray(portrait((128, 96), 5))
    data = saved(portrait((128, 96), 5), "JPEG", quality=90)
    fast, near = turbo.recompress(image, 60), hashes.hash_bytes(data)[0]
    monkeypatch.setattr(turbo, "simplejpeg", None)
    plain, other = turbo.recompress(image, 60), hashes.hash_bytes(data)[0]
    assert plain.shape == fast.shape
    assert np.abs(plain.astype(int) - fast).mean() < 1
    assert (near ^ other).bit_count() <= 6


def test_a_truncated_file_is_refused_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved(portrait((101, 77)), "JPEG", quality=90)
    monkeypatch.setattr(turbo, "simplejpeg", None)
    with pytest.raises(decode.Defect, match="truncated"):
        decode.decode(data[: len(data) // 2])
