"""Run a task over many items in several processes, under a progress line, and leave no process behind."""

import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sized
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from itertools import islice
from multiprocessing import get_context
from typing import TypeVar

import cv2

from ffdi.core import console
from ffdi.core.errors import FfdiError, Paused
from ffdi.core.stop import Stop

Item = TypeVar("Item")
Result = TypeVar("Result")
Some = TypeVar("Some", bound=Sized)


def unordered(task: Callable[[Item], Result], items: Iterator[Item], workers: int) -> Generator[Result, None, None]:
    """Yield `task(item)` of every item, in the order in which they are done.

    At most two items a worker wait in memory. Raises FfdiError when a worker was killed. Closing the generator ends the
    workers.

    Args:
        task: Called in a process.
        items: Its arguments, one at a time.
        workers: Processes; below 2 everything runs in this one, in order.
    """
    if workers < 2:
        yield from map(task, items)
        return
    # Fresh processes: a fork would copy the locks of threads (progress bars, Arrow, OpenCV) in whatever state.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin, (os.getpid(),))
    try:
        waiting = {pool.submit(task, item) for item in islice(items, 2 * workers)}
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            waiting |= {pool.submit(task, item) for item in islice(items, len(done))}
            yield from (future.result() for future in done)
    except BrokenProcessPool as error:
        raise FfdiError(
            "A worker was killed, for lack of memory perhaps; run again: it goes on where it was."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def until_stopped(
    results: Generator[Some, None, None], label: str, total: int, stop: Stop | None, done: int = 0
) -> Iterator[Some]:
    """Yield the results under a progress line. Raise Paused after one that the caller has kept, when `stop` asks.

    Args:
        results: Of `unordered`; each counts as many images as its length. They are closed at the end.
        label: What is done, for the line and the message.
        total: Images in all.
        stop: Asked after each result, and when a worker was killed: a signal to the whole group kills the workers too.
        done: Images that an earlier run did.
    """
    stop = stop or Stop()
    with console.progress(label, total) as meter, closing(results):
        meter.skip(done)
        try:
            for some in results:
                yield some
                meter.advance(len(some))
                if stop.requested:
                    break
            else:
                return
        except FfdiError:
            if not stop.requested:
                raise
        told = f"the same command goes on from {meter.done:,} images"
        raise Paused(f"{label.capitalize()} stopped ({stop.reason}); {told}.")


def _begin(parent: int) -> None:
    """Initialise a worker: one thread, ignore SIGINT, exit when the parent dies."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=watch, daemon=True).start()
