import multiprocessing
import os

import numpy as np
import pytest

from ffdi.data.ring import IDLE, OUTSIDE, Ring


def test_a_slot_is_free_again_when_nothing_refers_to_its_pixels() -> None:
    ring = Ring(slots=2, batch=3, size=4)
    first, second = ring.take(3), ring.take(2)
    assert {first, second} == {0, 1}
    assert ring.take(1) is None  # both are being written
    assert first is not None
    kept = ring.window(first, 3)[1:]
    assert ring.take(1) is None  # a part of the first is still looked at
    del kept
    assert ring.take(1) == first


def test_a_batch_that_is_too_big_gets_no_slot() -> None:
    assert Ring(slots=2, batch=3, size=4).take(4) is None


def test_a_tensor_made_of_a_window_keeps_its_slot() -> None:
    import torch

    ring = Ring(slots=1, batch=2, size=4)
    slot = ring.take(2)
    assert slot == 0
    view = torch.from_numpy(ring.window(slot, 2)).detach().permute(0, 3, 1, 2)[:1].numpy()
    assert ring.take(1) is None
    del view
    assert ring.take(1) == 0


def _write(ring: Ring, value: int) -> None:
    ring.buffer(1, 2)[:] = value
    ring.marks[OUTSIDE] = value


@pytest.mark.parametrize("start", ["fork", "forkserver", "spawn"])
def test_what_a_process_writes_the_others_see(start: str) -> None:
    ring = Ring(slots=2, batch=2, size=4)
    assert ring.marks.tolist() == [IDLE] * 3
    process = multiprocessing.get_context(start).Process(target=_write, args=(ring, 7))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert (ring.buffer(1, 2) == 7).all()
    assert (ring.buffer(0, 2) == 0).all()
    assert ring.marks.tolist() == [IDLE, IDLE, 7]


def test_its_memory_goes_with_it() -> None:
    before = len(os.listdir("/proc/self/fd"))
    ring = Ring(slots=1, batch=2, size=4)
    window = ring.window(0, 2)
    assert len(os.listdir("/proc/self/fd")) > before
    del ring
    window[:] = 3  # mapped as long as anyone looks
    assert np.unique(window).tolist() == [3]
    del window
    assert len(os.listdir("/proc/self/fd")) == before
