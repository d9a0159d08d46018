"""Worker processes that read images, forked once and used by every stream of batches of this process.

They are forked, so they start in milliseconds, and they use numpy, OpenCV and the JPEG library only. A task is eight
bytes in a pipe that all workers read: the kernel gives each read one whole task, so no lock can be left behind by a
worker that was killed. The workers end when the pipe closes, also when the main process was killed.
"""

import mmap
import os
import select
import signal
import struct
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.reduction import ForkingPickler
from typing import NoReturn, cast
from weakref import WeakValueDictionary

import cv2
import numpy as np

from ffdi.core.errors import FfdiError
from ffdi.data.images import Images
from ffdi.data.slots import PAGE, Shape, Slots

TASK = struct.Struct("<HHHH")  # stream, slot, first place in the slot, number of images
STREAMS = 64  # open at one time; entry n % STREAMS describes stream n
ENTRY = 8  # int64 of an entry: stream, offset, slots, batch, size, bytes of the pickled images
TABLE_BYTES = -(-STREAMS * ENTRY * 8 // PAGE) * PAGE
MAX_WORKERS = 512  # places for the row that each worker reads
HEAD_BYTES = TABLE_BYTES + -(-MAX_WORKERS * 8 * 2 // PAGE) * PAGE
IDLE = -1
POLL_SECONDS = 0.5  # between two looks whether a worker died


@dataclass
class Stream:
    """Slots that workers fill for one set of images."""

    number: int
    slots: Slots
    images: Images
    pool: "WorkerPool"
    left: Counter[int] = field(default_factory=Counter)  # images under way, by slot


class WorkerPool:
    """`workers` processes. Make it before CUDA is used where that is possible; use `shared_pool` to get one."""

    def __init__(self, workers: int) -> None:
        self.workers, self.owner = workers, os.getpid()
        self._file = os.memfd_create("ffdi-loader")  # not in /dev/shm, of which a container has 64 MB
        self._used = HEAD_BYTES
        os.ftruncate(self._file, self._used)
        head = mmap.mmap(self._file, self._used)
        self._table = np.frombuffer(head, np.int64, STREAMS * ENTRY).reshape(STREAMS, ENTRY)
        self._reading = np.frombuffer(head, np.int64, MAX_WORKERS * 2, TABLE_BYTES).reshape(MAX_WORKERS, 2)
        self._reading[:] = IDLE
        self._streams: dict[int, Stream] = {}
        # Of open streams, and of closed ones whose batches somebody still has; by the byte where each ends.
        self._memory: WeakValueDictionary[int, mmap.mmap] = WeakValueDictionary()
        self._count = 0
        tasks, self._tasks = os.pipe()
        self._done, done = os.pipe()
        self.pids = [self._fork(index, tasks, done) for index in range(workers)]
        os.close(tasks)
        os.close(done)
        os.register_at_fork(after_in_child=self._close)  # a copy of the pipe would keep the workers alive

    def open(self, images: Images, shape: Shape) -> Stream:
        """Return a stream with free slots; the images are pickled once for all workers."""
        pickled = bytes(ForkingPickler.dumps(images))
        size = shape.bytes + -(-len(pickled) // PAGE) * PAGE
        offset = self._place(size)
        memory = self._memory[offset + size] = mmap.mmap(self._file, size, offset=offset)
        memory[shape.bytes : shape.bytes + len(pickled)] = pickled
        taken = {0} | {number % STREAMS for number in self._streams}  # a stream number 0 would look closed
        self._count = next(n for n in range(self._count + 1, self._count + STREAMS) if n % STREAMS not in taken)
        number = self._count % (1 << 16)
        self._table[number % STREAMS, :6] = (number, offset, *shape, len(pickled))
        stream = Stream(number, Slots(shape, memory), images, self)
        self._streams[number] = stream
        return stream

    def post(self, stream: Stream, slot: int, count: int) -> None:
        """Let the workers read the first `count` items of a slot.

        Args:
            stream: As `open` returned it.
            slot: Number of the slot.
            count: Items to read, from the first on.
        """
        size = max(1, min(8, count // self.workers))
        stream.left[slot] = count
        with suppress(BrokenPipeError):  # all workers have died: `wait` says so
            for begin in range(0, count, size):
                os.write(self._tasks, TASK.pack(stream.number, slot, begin, min(size, count - begin)))

    def wait(self, stream: Stream, slot: int) -> None:
        """Return when every image of the slot is read. Raise FfdiError when a worker died."""
        while stream.left[slot] > 0:
            ready = select.select([self._done], [], [], POLL_SECONDS)[0]
            done = os.read(self._done, TASK.size * 512) if ready else b""
            self._note(done)
            if not done:  # nothing for a while, or all workers have closed the pipe
                self._refuse_dead()

    def close(self, stream: Stream) -> None:
        """Let workers skip what is under way and wait until they have. Then batches alone keep the memory."""
        if self.owner != os.getpid() or not self.pids:
            return
        self._table[stream.number % STREAMS, 0] = 0
        with suppress(FfdiError):
            for slot in list(stream.left):
                self.wait(stream, slot)
        self._streams.pop(stream.number, None)

    def end(self) -> None:
        """Let the workers end and wait for them."""
        self._close()
        for pid in self.pids:
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
        self.pids = []

    def _place(self, size: int) -> int:
        """Return where `size` bytes are free in the file; it grows where needed."""
        begin = HEAD_BYTES
        for end, memory in sorted(self._memory.items()):
            if end - len(memory) - begin >= size:
                break
            begin = end
        if begin + size > self._used:
            self._used = begin + size
            os.ftruncate(self._file, self._used)
        return begin

    def _note(self, done: bytes) -> None:
        for number, slot, _, count in TASK.iter_unpack(done):
            if number in self._streams:
                self._streams[number].left[slot] -= count

    def _refuse_dead(self) -> None:
        ending = next((told for pid in self.pids if (told := _ending(pid))), "")
        if not ending:
            return
        reading = self._reading[: self.workers].tolist()
        names = [self._streams[at].images.id(row) for at, row in reading if row != IDLE and at in self._streams]
        self.end()
        raise FfdiError(
            f"A loader process died ({ending}) while the loaders read "
            f"{', '.join(names) or 'no image'}; lower data.workers, or look at these files."
        )

    def _close(self) -> None:
        for descriptor in (self._tasks, self._done, self._file):
            with suppress(OSError):
                os.close(descriptor)
        self._tasks = self._done = self._file = -1

    def _fork(self, index: int, tasks: int, done: int) -> int:
        """Start one worker with all signals held, so that none arrives before it ignores them."""
        held = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
        try:
            with quiet_fork():
                pid = os.fork()
            if pid == 0:
                self._work(index, tasks, done)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)
        return pid

    def _work(self, index: int, tasks: int, done: int) -> NoReturn:
        """Fill slots until the pipe of tasks closes."""
        code = 1
        try:
            for number in (signal.SIGINT, signal.SIGTERM):  # for the main process, which saves and ends us
                signal.signal(number, signal.SIG_IGN)
            os.setpgrp()
            os.close(self._tasks)
            os.close(self._done)
            cv2.setNumThreads(0)
            streams: dict[int, Stream] = {}
            while task := os.read(tasks, TASK.size):
                number, slot, begin, count = TASK.unpack(task)
                if self._is_open(number) and number not in streams:
                    streams = {key: value for key, value in streams.items() if self._is_open(key)}
                    streams[number] = self._attach(number)
                for place in range(begin, begin + count):
                    if self._is_open(number):
                        self._reading[index] = (number, streams[number].slots.items[slot, place, 0])
                        streams[number].slots.fill(streams[number].images, slot, place)
                self._reading[index] = IDLE
                os.write(done, task)
            code = 0
        except BrokenPipeError:  # the main process is gone
            code = 0
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(code)

    def _is_open(self, number: int) -> bool:
        return bool(self._table[number % STREAMS, 0] == number)

    def _attach(self, number: int) -> Stream:
        _, offset, slots, batch, size, pickled = self._table[number % STREAMS, :6].tolist()
        shape = Shape(slots, batch, size)
        memory = mmap.mmap(self._file, shape.bytes + -(-pickled // PAGE) * PAGE, offset=offset)
        images = cast(Images, ForkingPickler.loads(memory[shape.bytes : shape.bytes + pickled]))
        return Stream(number, Slots(shape, memory), images, self)


_pool: list[WorkerPool] = []


def shared_pool(workers: int) -> WorkerPool:
    """Return the pool of this process, made anew where it has another number of workers or was ended."""
    if _pool and (_pool[0].owner != os.getpid() or _pool[0].workers != workers or not _pool[0].pids):
        if _pool[0].owner == os.getpid():
            _pool[0].end()
        _pool.clear()
    if not _pool:
        _pool.append(WorkerPool(workers))
    return _pool[0]


@contextmanager
def quiet_fork() -> Iterator[None]:
    """Silence the warning of a fork beside threads, which stay behind."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _ending(pid: int) -> str:
    """Return how a process has ended; "" while it runs."""
    ended, status = os.waitpid(pid, os.WNOHANG)
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exit code {code}" if ended else ""  # its traceback was printed
    memory = ", often for want of memory" if -code == signal.SIGKILL else ""
    return f"killed by {signal.Signals(-code).name}{memory}"
