import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from ffdi.config.augment import Augment
from ffdi.core import atomic
from ffdi.core.errors import CorruptError, SpaceError, UserError
from ffdi.data import cache
from ffdi.data.cache import Pixels, prepare
from ffdi.data.dataset import loader
from ffdi.data.images import TestImages, TrainImages
from ffdi.data.order import in_sequence
from ffdi.data.source import Files
from tests.data.photographs import folder_of

SIDES = (72, 50, 96)


@pytest.fixture
def rows(tmp_path: Path) -> pd.DataFrame:
    return folder_of(tmp_path, 9, SIDES)


@pytest.fixture
def place(tmp_path: Path, rows: pd.DataFrame) -> Path:
    prepare(rows, tmp_path, tmp_path / "cache")
    return tmp_path / "cache"


def pixel_file(place: Path) -> Path:
    (path,) = place.glob("*.pixels")
    return path


def flip(path: Path, byte: int, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[byte] ^= 1 << bit
    path.write_bytes(data)


def test_it_holds_every_image_at_its_own_size(rows: pd.DataFrame, place: Path, tmp_path: Path) -> None:
    pixels, files = Pixels(place, rows, tmp_path), Files(rows, tmp_path)
    for row in range(len(rows)):
        image = pixels.read(row)
        assert image.shape == (rows.height[row], rows.width[row], 3)
        assert np.array_equal(image, files.read(row))
        assert not image.flags.writeable
    assert pixel_file(place).stat().st_size == (rows.width * rows.height * 3).sum()


@pytest.mark.parametrize("workers", [0, 2])
def test_it_changes_nothing_but_the_speed(rows: pd.DataFrame, place: Path, tmp_path: Path, workers: int) -> None:
    batches = [[(row, epoch) for row in range(9)] for epoch in range(2)]
    for part in (rows, rows.iloc[[7, 2, 5, 0, 1, 3, 8, 4, 6]].reset_index(drop=True)):
        direct = TrainImages(part, tmp_path, Augment(), 32, 0)
        cached = TrainImages(part, tmp_path, Augment(), 32, 0, Pixels(place, part, tmp_path))
        for one, other in zip(loader(direct, batches), loader(cached, batches, workers), strict=True):
            assert torch.equal(one.images_BHWC, other.images_BHWC)


def test_it_reads_no_file_again(rows: pd.DataFrame, place: Path, tmp_path: Path) -> None:
    pixels = Pixels(place, rows, tmp_path)
    shutil.rmtree(tmp_path / "images")
    assert pixels.read(3).any()


def test_rows_it_does_not_hold_come_from_their_files(rows: pd.DataFrame, tmp_path: Path) -> None:
    prepare(rows[:4], tmp_path, tmp_path / "part")
    pixels = Pixels(tmp_path / "part", rows, tmp_path)
    for row in range(len(rows)):
        assert np.array_equal(pixels.read(row), Files(rows, tmp_path).read(row))


def test_an_image_that_broke_after_the_scan_is_left_to_its_file(rows: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / rows.relpath[2]).write_bytes(b"")
    (tmp_path / rows.relpath[5]).unlink()
    prepare(rows, tmp_path, tmp_path / "cache")
    images = TestImages(rows, tmp_path, 32, Pixels(tmp_path / "cache", rows, tmp_path))
    assert [batch.unreadable for batch in loader(images, in_sequence(9, 9))] == [(2, 5)]


@pytest.mark.parametrize("threads", [0, 1, 4])
def test_the_number_of_threads_changes_nothing(rows: pd.DataFrame, place: Path, tmp_path: Path, threads: int) -> None:
    prepare(rows, tmp_path, tmp_path / "other", threads)
    for name in (cache.INDEX, pixel_file(place).name):
        assert (tmp_path / "other" / name).read_bytes() == (place / name).read_bytes()


def test_a_cache_that_fits_is_left_alone(rows: pd.DataFrame, place: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in place.iterdir()}
    prepare(rows, tmp_path, place)
    assert {path: path.stat().st_mtime_ns for path in place.iterdir()} == before


@pytest.mark.parametrize("change", ["bytes", "name", "fewer"])
def test_a_cache_of_other_files_is_replaced(rows: pd.DataFrame, place: Path, tmp_path: Path, change: str) -> None:
    old = pixel_file(place)
    if change == "bytes":
        (tmp_path / rows.relpath[0]).write_bytes((tmp_path / rows.relpath[3]).read_bytes())
        rows = rows.assign(sha256=rows.sha256.where(rows.index != 0, rows.sha256[3]))
    elif change == "name":
        (tmp_path / rows.relpath[0]).rename(tmp_path / "new.jpg")
        rows = rows.assign(relpath=rows.relpath.where(rows.index != 0, "new.jpg"))
    else:
        rows = rows[1:].reset_index(drop=True)
    prepare(rows, tmp_path, place)
    assert pixel_file(place) != old
    assert np.array_equal(Pixels(place, rows, tmp_path).read(0), Files(rows, tmp_path).read(0))


@pytest.mark.parametrize("workers", [0, 1])
def test_every_flipped_bit_is_refused_by_name(rows: pd.DataFrame, place: Path, tmp_path: Path, workers: int) -> None:
    path = pixel_file(place)
    size = int(rows.width[0] * rows.height[0] * 3)
    rng = np.random.default_rng(0)
    for byte, bit in zip(rng.integers(0, size, 40), rng.integers(0, 8, 40), strict=True):
        flip(path, int(byte), int(bit))
        with pytest.raises(CorruptError, match=rf"damaged at {rows.relpath[0]}; delete the folder {place}"):
            Pixels(place, rows, tmp_path).read(0)
        flip(path, int(byte), int(bit))
    flip(path, 5, 1)
    for images in (TrainImages, TestImages):
        args = (Augment(), 32, 0) if images is TrainImages else (32,)
        source = Pixels(place, rows, tmp_path)
        with pytest.raises(CorruptError, match="damaged at"):
            list(loader(images(rows, tmp_path, *args, source), in_sequence(9, 3), workers))  # type: ignore[arg-type]


def test_a_flipped_bit_of_the_index_is_refused(rows: pd.DataFrame, place: Path, tmp_path: Path) -> None:
    index = place / cache.INDEX
    for byte in range(0, index.stat().st_size, 97):
        flip(index, byte, byte % 8)
        with pytest.raises(CorruptError, match=str(index)):
            Pixels(place, rows, tmp_path)
        flip(index, byte, byte % 8)


@pytest.mark.parametrize("size", [0, 1000, None])
def test_a_short_or_missing_file_is_refused(rows: pd.DataFrame, place: Path, tmp_path: Path, size: int | None) -> None:
    path = pixel_file(place)
    if size is None:
        path.unlink()
    else:
        os.truncate(path, size)
    with pytest.raises(CorruptError, match=rf"{path} has {size or 0:,} bytes, not"):
        Pixels(place, rows, tmp_path)


def test_it_refuses_to_fill_the_disk(rows: pd.DataFrame, tmp_path: Path) -> None:
    huge = rows.assign(width=2_000_000_000)
    with pytest.raises(SpaceError, match=r'need [\d,]+ bytes .*, where [\d,]+ are free; .*data.cache = "none"'):
        prepare(huge, tmp_path, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_kill_while_it_is_written_leaves_no_cache(
    rows: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever call fails, the next start makes it whole."""

    def fail(*_: object, **__: object) -> None:
        raise UserError("interrupted")

    for module, name in ((os, "replace"), (os, "fsync"), (cache.checksum, "write_table"), (cache.zlib, "crc32")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, fail)
            with pytest.raises(UserError, match="interrupted"):
                prepare(rows, tmp_path, tmp_path / "cache")
        assert not (tmp_path / "cache" / cache.INDEX).exists()
    atomic.sweep(tmp_path)
    prepare(rows, tmp_path, tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2
    assert Pixels(tmp_path / "cache", rows, tmp_path).read(8).any()


def test_a_pickle_carries_no_pixels(rows: pd.DataFrame, place: Path, tmp_path: Path) -> None:
    pixels = Pixels(place, rows, tmp_path)
    image = pixels.read(1)
    data = pickle.dumps(pixels)
    assert len(data) < 10_000 < pixel_file(place).stat().st_size
    assert np.array_equal(pickle.loads(data).read(1), image)
