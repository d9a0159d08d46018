import os
import signal
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from ffdi.config.augment import KINDS, Augment
from ffdi.config.recipe import Member
from ffdi.core.errors import FfdiError, UserError
from ffdi.data import workers as pools
from ffdi.data.batches import Batch, _page_locked, normalise
from ffdi.data.batches import batches as loader
from ffdi.data.decode import decode
from ffdi.data.images import TestImages, TrainImages
from ffdi.data.operations import fit
from ffdi.data.order import Item, Order, in_sequence
from ffdi.data.slots import Slots
from tests.fixtures.pictures import jpeg

SIZE = 40
EVERYTHING = Augment(**dict.fromkeys(KINDS, True))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("contest")


@pytest.fixture(scope="module")
def rows(folder: Path) -> pd.DataFrame:
    (folder / "images").mkdir()
    rows = []
    for index in range(12):
        name = f"{index:032x}.jpg"
        (folder / "images" / name).write_bytes(jpeg(index, (72, 72)))
        rows.append((name, f"images/{name}", index % 2, "0" * 64))
    return pd.DataFrame(rows, columns=["id", "relpath", "target", "sha256"])


def train(rows: pd.DataFrame, folder: Path, seed: int = 0, kind: type[TrainImages] = TrainImages) -> TrainImages:
    return kind(rows, folder, Member(name="a", model="a", augment=EVERYTHING, image_size=SIZE, seed=seed))


def steps(rows: pd.DataFrame, first: int, last: int) -> Iterator[list[Item]]:
    order = Order(rows.target.to_numpy(), 5, seed=3)
    for epoch, indices in order.batches(first, last):
        yield [(int(index), epoch) for index in indices]


def equal(one: list[Batch], other: list[Batch]) -> bool:
    pairs = list(zip(one, other, strict=True))
    tensors = [all(torch.equal(x, y) for x, y in zip(a[:3], b[:3], strict=True)) for a, b in pairs]
    return all(tensors) and all(a.unreadable == b.unreadable for a, b in pairs)


def test_a_batch_is_bytes_with_targets_and_rows(rows: pd.DataFrame, folder: Path) -> None:
    (batch,) = loader(train(rows, folder), [[(3, 0), (4, 0), (0, 1)]])
    assert (batch.images_BHWC.dtype, batch.images_BHWC.shape) == (torch.uint8, (3, SIZE, SIZE, 3))
    assert (batch.targets_B.dtype, batch.targets_B.tolist()) == (torch.float32, [1, 0, 0])
    assert (batch.rows_B.dtype, batch.rows_B.tolist()) == (torch.int64, [3, 4, 0])
    assert batch.unreadable == ()


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_any_number_of_workers_can_begin_at_any_step(rows: pd.DataFrame, folder: Path, workers: int) -> None:
    whole = list(loader(train(rows, folder), steps(rows, 0, 8)))
    for begin in (0, 1, 5, 8):
        assert equal(whole[begin:], list(loader(train(rows, folder), steps(rows, begin, 8), workers)))


def test_pixels_differ_by_epoch_seed_and_id_and_by_nothing_else(rows: pd.DataFrame, folder: Path) -> None:
    """Row number and neighbours do not matter: the same id in another table has the same pixels."""
    images = train(rows, folder)
    by_epoch = {images.image(0, epoch).tobytes() for epoch in range(6)}
    by_seed = {train(rows, folder, seed=seed).image(0, 0).tobytes() for seed in range(6)}
    assert len(by_epoch) == len(by_seed) == 6
    turned = rows.iloc[::-1].reset_index(drop=True)
    assert np.array_equal(train(turned, folder).image(len(rows) - 1, 3), images.image(0, 3))
    twins = rows.assign(relpath=rows.relpath[0])  # one file under many ids: one picture, other draws
    assert len({train(twins, folder).image(row, 0).tobytes() for row in range(6)}) == 6


def test_the_global_generators_do_not_move(rows: pd.DataFrame, folder: Path) -> None:
    def state() -> tuple[Any, ...]:
        return torch.get_rng_state().tolist(), np.random.get_state()[1].tolist()  # type: ignore[index]

    before = state()
    for workers in (0, 1):
        list(loader(train(rows, folder), steps(rows, 0, 3), workers))
    assert state() == before


def test_batches_may_be_kept(rows: pd.DataFrame, folder: Path) -> None:
    """More of them than the shared memory has slots, also by a small part or by numpy."""
    many = [[(row, epoch) for row in range(6)] for epoch in range(20)]
    for workers in (0, 2):
        kept = [batch.images_BHWC[2:3].numpy() for batch in loader(train(rows, folder), many, workers)]
        for epoch, image in enumerate(kept):
            assert np.array_equal(image[0], train(rows, folder).image(2, epoch))


def test_the_workers_make_all_batches_of_many_turns(
    rows: pd.DataFrame, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an embedding on many cores takes them, a turn of batches while it still has those of the turn before."""
    pools.shared_pool(2)  # forked before the main process cannot fill a slot any more
    monkeypatch.setattr(Slots, "fill", None)
    stream, turns = loader(TestImages(rows, folder, 16), [[(0, 0)]] * 64, 2, [torch.device("cpu")] * 8), 0
    while _turn := list(islice(stream, 8)):
        turns += 1
    assert turns == 8


def test_batches_may_differ_in_size(rows: pd.DataFrame, folder: Path) -> None:
    sizes = [2, 7, 1, 12]
    for workers in (0, 1):
        batches = list(loader(train(rows, folder), [[(row, 0) for row in range(n)] for n in sizes], workers))
        assert [len(batch.images_BHWC) for batch in batches] == sizes
        assert torch.equal(batches[3].images_BHWC[:7], batches[1].images_BHWC)


def test_test_images_are_the_files_resized(rows: pd.DataFrame, folder: Path) -> None:
    images = TestImages(rows.drop(columns="target"), folder, SIZE)
    batches = list(loader(images, in_sequence(len(rows), 5), 1))
    assert torch.cat([batch.rows_B for batch in batches]).tolist() == list(range(len(rows)))
    assert batches[0].targets_B.tolist() == [-1] * 5
    expected = fit(decode((folder / rows.relpath[6]).read_bytes()).image_HWC, SIZE)
    assert np.array_equal(batches[1].images_BHWC[1], expected)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unreadable_test_image_is_black_and_listed(rows: pd.DataFrame, folder: Path, workers: int) -> None:
    (folder / "images" / "broken.jpg").write_bytes((folder / rows.relpath[0]).read_bytes()[:200])
    bad = rows.assign(
        relpath=rows.relpath.where(rows.index != 3, "images/broken.jpg").where(rows.index != 7, "images/gone")
    )
    batches = list(loader(TestImages(bad, folder, SIZE), in_sequence(len(bad), 6), workers))
    assert [batch.unreadable for batch in batches] == [(3,), (7,)]
    assert not batches[0].images_BHWC[3].any()
    assert all(batches[0].images_BHWC[row].any() for row in (0, 1, 2, 4, 5))


def test_what_the_scan_could_not_open_is_not_opened(rows: pd.DataFrame, folder: Path) -> None:
    os.mkfifo(folder / "images" / "pipe.jpg")  # opening it would wait for ever
    unopened = rows.index == 2
    odd = rows.assign(relpath=rows.relpath.where(~unopened, "images/pipe.jpg"), sha256=rows.sha256.where(~unopened, ""))
    (batch,) = loader(TestImages(odd, folder, SIZE), [[(row, 0) for row in range(4)]])
    assert batch.unreadable == (2,)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("content", "reason"), [(b"", "empty"), (b"hello", "not_image"), (None, "No such file")])
def test_an_unreadable_training_image_is_one_sentence(
    rows: pd.DataFrame, folder: Path, workers: int, content: bytes | None, reason: str
) -> None:
    name = f"{reason.replace(' ', '')}.jpg"
    if content is not None:
        (folder / "images" / name).write_bytes(content)
    bad = rows.assign(relpath=rows.relpath.where(rows.index != 4, f"images/{name}"))
    with pytest.raises(
        UserError, match=rf"{rows.id[4]} cannot be read \(.*{reason}.*`touch` it, then run `ffdi folds` again"
    ) as caught:
        list(loader(train(bad, folder), steps(rows, 0, 4), workers))
    assert "\n" not in str(caught.value)


class _Deadly(TrainImages):
    def image(self, row: int, epoch: int) -> np.ndarray:
        if row == 4:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().image(row, epoch)


def test_a_dead_worker_is_one_sentence_that_names_the_image(rows: pd.DataFrame, folder: Path) -> None:
    with pytest.raises(
        FfdiError,
        match=rf"\(killed by SIGKILL, often for want of memory\) .* read .*{rows.id[4]}.*lower data.workers",
    ):
        list(loader(train(rows, folder, kind=_Deadly), [[(row, 0)] for row in range(12)], 2))


class _Buggy(TrainImages):
    def image(self, row: int, epoch: int) -> np.ndarray:
        raise RuntimeError("a bug")


def test_a_bug_is_not_taken_for_a_bad_file(rows: pd.DataFrame, folder: Path) -> None:
    with pytest.raises(RuntimeError, match="a bug"):
        list(loader(train(rows, folder, kind=_Buggy), [[(0, 0)]]))


def test_streams_share_the_workers_of_this_process(rows: pd.DataFrame, folder: Path) -> None:
    """A held-out evaluation reads while the training stream is under way, and neither disturbs the other."""
    expected = list(loader(train(rows, folder), steps(rows, 0, 9)))
    stream = loader(train(rows, folder), steps(rows, 0, 9), 2)
    first = [next(stream), next(stream)]
    pids = pools.shared_pool(2).pids
    for size in (16, 64):
        images = TestImages(rows, folder, size)
        alone = list(loader(images, in_sequence(len(rows), 5)))
        assert equal(alone, list(loader(images, in_sequence(len(rows), 5), 2)))
    assert equal(expected, first + list(stream))
    assert pools.shared_pool(2).pids == pids


def test_a_stream_outlives_a_hundred_others(rows: pd.DataFrame, folder: Path) -> None:
    """As a training of many epochs, which are all evaluated, does."""
    stream = loader(train(rows, folder), steps(rows, 0, 30), 2)
    for number, expected in enumerate(loader(train(rows, folder), steps(rows, 0, 30))):
        assert equal([expected], [next(stream)])  # no batch is kept, so that slots are used again
        for _ in range(100 if number == 1 else 0):
            assert len(list(loader(TestImages(rows[:1], folder, 16), [[(0, 0)]], 2))) == 1


def test_a_stream_that_is_left_gives_its_memory_back(rows: pd.DataFrame, folder: Path) -> None:
    for _ in range(3):
        stream = loader(train(rows, folder), steps(rows, 0, 50), 2)
        next(stream)
        used = pools.shared_pool(2)._used
        stream.close()  # type: ignore[attr-defined]
        assert pools.shared_pool(2)._streams == {}
    assert pools.shared_pool(2)._used == used


def test_batches_outlive_their_stream(rows: pd.DataFrame, folder: Path) -> None:
    """The next stream must not write where a batch lies that somebody still has."""
    images = TestImages(rows, folder, SIZE)
    kept = list(loader(images, in_sequence(len(rows), 5), 2))
    list(loader(train(rows, folder), steps(rows, 0, 6), 2))
    assert equal(kept, list(loader(images, in_sequence(len(rows), 5))))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_are_for_the_main_process(rows: pd.DataFrame, folder: Path, number: int) -> None:
    """Ctrl-C and SIGTERM reach every process of a group or a job; the main one still gets its batches to stop."""
    stream = loader(train(rows, folder), steps(rows, 0, 12), 2)
    next(stream)
    for worker in pools.shared_pool(2).pids:
        assert os.getpgid(worker) == worker
        os.kill(worker, number)
    assert len(list(stream)) == 11


def test_workers_end_when_the_main_process_is_killed(rows: pd.DataFrame, folder: Path) -> None:
    """Whoever waits for the end of the pipe that they inherited sees it close."""
    read, write = os.pipe()
    main = os.fork()
    if main == 0:
        os.close(read)
        next(loader(train(rows, folder), steps(rows, 0, 50), 3))
        os.write(write, b"begun")
        signal.pause()
    os.close(write)
    assert os.read(read, 5) == b"begun"
    os.kill(main, signal.SIGKILL)
    os.waitpid(main, 0)
    assert os.read(read, 1) == b""
    os.close(read)


def test_after_a_death_the_next_stream_has_new_workers(rows: pd.DataFrame, folder: Path) -> None:
    stream = loader(train(rows, folder), steps(rows, 0, 50), 2)
    next(stream)
    for worker in pools.shared_pool(2).pids:
        os.kill(worker, signal.SIGKILL)
        os.waitid(os.P_PID, worker, os.WEXITED | os.WNOWAIT)
    with pytest.raises(FfdiError, match="loader process died"):
        list(stream)
    assert len(list(loader(train(rows, folder), steps(rows, 0, 4), 2))) == 4


def test_memory_that_cannot_be_page_locked_does_not_break_the_next_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """CUDA keeps a refusal until it is asked, and torch asks after its next kernel. The card is a list here."""
    pending: list[str] = []

    def kernel(*_: object, **__: object) -> torch.Tensor:
        if pending:
            raise RuntimeError(f"CUDA error: {pending.pop()}")
        return torch.zeros(1)

    def refuse(*_: int) -> int:
        pending.append("invalid argument")
        return 1

    monkeypatch.setattr(torch.cuda, "cudart", lambda: SimpleNamespace(cudaHostRegister=refuse))
    monkeypatch.setattr(torch, "ones", kernel)
    with _page_locked(np.zeros(8, np.uint8), [torch.device("cpu")]):
        assert pending == []


@pytest.mark.parametrize("channels_last", [True, False])
def test_normalise_is_the_formula_in_the_wanted_layout(channels_last: bool) -> None:
    images = torch.randint(0, 256, (5, 6, 7, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    result = normalise(images, mean, std, channels_last)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    assert result.is_contiguous(memory_format=layout)
    expected_BHWC = (images.double() / 255 - torch.tensor(mean)) / torch.tensor(std)
    torch.testing.assert_close(result, expected_BHWC.permute(0, 3, 1, 2).float())
    assert torch.equal(result, normalise(images, mean, std, not channels_last))


@pytest.mark.parametrize("channels_last", [True, False])
def test_normalise_uses_old_memory_again_where_it_fits(channels_last: bool) -> None:
    images = torch.full((4, 6, 6, 3), 255, dtype=torch.uint8)
    first = normalise(images, (0.0,) * 3, (1.0,) * 3, channels_last)
    again = normalise(images[:2] // 255, (0.0,) * 3, (1.0,) * 3, channels_last, out=first)
    assert again.data_ptr() == first.data_ptr()
    assert again.shape == (2, 3, 6, 6)
    assert again.max() == pytest.approx(1 / 255)
    for other in (first.double(), first[:1], first[..., :5], torch.empty(2, 3, 7, 7)):
        fresh = normalise(images[:2], (0.0,) * 3, (1.0,) * 3, channels_last, out=other)
        assert fresh.data_ptr() != other.data_ptr()
        assert (fresh == 1).all()
