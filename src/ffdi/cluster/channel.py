"""Messages between running tasks and the driver: progress, warnings, a stop, questions."""

import asyncio
import os
import threading
from collections.abc import Callable
from typing import Any, Self

from ffdi.core import console
from ffdi.core.errors import FfdiError
from ffdi.core.stop import ORPHANED, Stop

REPORT_SECONDS = 0.5  # between two reports of a task
_current: list["Reporter"] = []  # of the task that this process runs


class Channel:
    """A Ray actor on the driver's node, which ends with the driver."""

    def __init__(self) -> None:
        self._reason = ""
        self._messages: list[tuple[str, str, Any]] = []
        self._asked: list[asyncio.Future[Any]] = []

    async def send(self, messages: list[tuple[str, str, Any]]) -> str:
        """Take messages (task, kind, content) of a task; return why it must stop, or ""."""
        self._messages += messages
        return self._reason

    async def ask(self, task: str, question: Any) -> Any:
        """Return the driver's answer."""
        self._asked.append(asyncio.get_running_loop().create_future())
        self._messages.append((task, "question", (len(self._asked) - 1, question)))
        return await self._asked[-1]

    async def exchange(self, reason: str, answers: dict[int, Any]) -> list[tuple[str, str, Any]]:
        """Take the driver's answers, by number, and its reason to stop; return the messages since the last call."""
        self._reason = reason
        for number, answer in answers.items():
            self._asked[number].set_result(answer)
        messages, self._messages = self._messages, []
        return messages


class Reporter:
    """Inside a `with`, send what the console shows to the driver, and request `stop` when the driver wants it."""

    def __init__(self, channel: Any, task: str, node: str, stop: Stop) -> None:
        self._channel, self.task, self._node, self._stop = channel, task, node, stop
        self._messages: list[tuple[str, str, Any]] = []
        self._counts: dict[str, Any] = {}  # by label: only the latest is sent
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._repeat, daemon=True)

    def __enter__(self) -> Self:
        self.put("begun", self._node)
        self._report()  # the driver may be stopping already
        _current.append(self)
        console.send_to(self.put)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        console.send_to(None)
        _current.clear()
        if self._stop.reason == "deadline":  # a task leaves some seconds before it, to save: so must all
            self.put("over", self._stop.reason)
        self._ended.set()
        self._thread.join()
        self._report()

    def put(self, kind: str, content: Any) -> None:
        """Send with the next report; warnings name the node."""
        if kind == "count":
            self._counts[content[0]] = content
        else:
            self._messages.append((self.task, kind, f"{self._node}: {content}" if kind == "warn" else content))

    def ask(self, question: Any) -> Any:
        import ray

        self._report()
        return ray.get(self._channel.ask.remote(self.task, question))

    def _repeat(self) -> None:
        while not self._ended.wait(REPORT_SECONDS):
            self._report()

    def _report(self) -> None:
        import ray

        messages, self._messages = self._messages, []
        counts, self._counts = self._counts, {}
        messages += [(self.task, "count", content) for content in counts.values()]
        try:
            reason = ray.get(self._channel.send.remote(messages))
        except ray.exceptions.RayError:
            reason = ORPHANED
        if reason and not self._stop.reason:
            self._stop.reason = reason


def ask(question: Any) -> Any:
    """Return the driver's answer to a question of the task that runs here."""
    return _current[0].ask(question)


def work(
    channel: Any, task: str, folder: str, deadline: float | None, function: Callable[..., Any], *arguments: Any
) -> Any:
    """Run a task on a node: return `function(*arguments, stop)`, or the error of the kit that it raised.

    Args:
        channel: The actor on the driver's node.
        task: Its key.
        folder: The driver's current folder.
        deadline: Seconds since the epoch; None for none.
        function: What it does.
        arguments: Of the function.
    """
    import ray

    os.chdir(folder)  # the driver's: relative paths mean the same everywhere
    node = ray.util.get_node_ip_address()
    try:
        with Stop(deadline) as stop, Reporter(channel, task, node, stop):
            return function(*arguments, stop)
    except FfdiError as error:
        return error
