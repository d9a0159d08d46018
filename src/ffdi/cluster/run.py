"""Run tasks on the connected cluster: a task whose node is lost goes on elsewhere, from what it has saved."""

import os
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from ffdi.cluster import session
from ffdi.cluster.channel import Channel, work
from ffdi.cluster.session import Needs
from ffdi.core import console
from ffdi.core.errors import FfdiError, LockedError, Paused
from ffdi.core.stop import Stop

POLL_SECONDS = 0.2
HELD_SECONDS = 180  # how long to wait for a lock: NFS frees those of a dead node after 90 s
RETRY_SECONDS = 2.0  # between two tries of a locked task
MAX_LOSSES = 10  # of one task without progress, on nodes that live: then it is not the nodes


@dataclass
class Task:
    """`function(*arguments, stop)` on some node; `function(*arguments, rank, name, stop)` where several processes work
    on it together, with another name at every attempt.

    `key` is unique in a run. An argument may be a reference of `share`.
    """

    key: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    losses: int = 0
    furthest: int = 0  # items counted before the last loss
    held: float = 0.0  # since when another process has its lock


@dataclass
class Attempt:
    task: Task
    references: list[Any]
    group: Any = None  # Ray's placement group
    node: str = ""
    values: list[Any] = field(default_factory=list)


def share(value: Any) -> Any:
    """Put a value where all tasks can read it; it travels to each node once."""
    import ray

    return ray.put(value)


class Runner:
    """Runs tasks with the same needs, shows one progress of all, and asks `answer` what tasks ask.

    Args:
        needs: Of each task.
        stop: Passed on to all tasks.
        limit: How many tasks may wait or run at once; by default all, so that an autoscaler sees them.
        meter: Shows what the tasks' progress adds up to.
        answer: Called with (task, question).
    """

    def __init__(
        self,
        needs: Needs,
        stop: Stop,
        *,
        limit: Callable[[], int] | None = None,
        meter: console.Meter | None = None,
        answer: Callable[[str, Any], Any] | None = None,
    ) -> None:
        self._needs, self._stop, self._limit, self._meter, self._answer = needs, stop, limit, meter, answer
        self._running: dict[str, Attempt] = {}
        self._later: list[tuple[float, Task]] = []
        self._counts: dict[str, dict[str, tuple[int, int]]] = {}  # by task and label: done, and skipped by a resume
        self._answers: dict[int, Any] = {}

    def results(self, tasks: Iterable[Task]) -> Generator[tuple[Task, Any], None, None]:
        """Yield each task with its result, or the error of the kit that it raised, in the order they end.

        Raise Paused after a stop, when every task has saved; FfdiError for a task that is killed again and again.
        """
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        many = {"num_cpus": 0, "max_concurrency": 10_000, "scheduling_strategy": here}
        channel: Any = ray.remote(Channel).options(**many).remote()
        waiting = iter(tasks)
        try:
            if not session.slots(self._needs):
                console.warn(f"No node has {self._needs.resources} now; waiting for one that has.")
            while True:
                self._submit(waiting, channel)
                if not self._running and not self._later:
                    break
                for attempt in self._ended():
                    yield from self._outcome(attempt)
                self._exchange(channel)
                not_begun = [one for one in self._running.values() if self._stop.requested and not one.node]
                for reference in [one for attempt in not_begun for one in attempt.references]:
                    ray.cancel(reference)
        finally:
            for attempt in self._running.values():
                _end(attempt)
            ray.kill(channel)
        if self._stop.requested:
            raise Paused(f"Stopped ({self._stop.reason}); all is saved, run the same command to go on.")

    def _submit(self, waiting: Iterator[Task], channel: Any) -> None:
        if self._stop.requested:
            self._later.clear()
            return
        for one in [one for one in self._later if one[0] <= time.monotonic()]:
            self._later.remove(one)
            self._running[one[1].key] = self._start(one[1], channel)
        while self._limit is None or len(self._running) + len(self._later) < max(self._limit(), 1):
            task = next(waiting, None)
            if task is None:
                return
            self._running[task.key] = self._start(task, channel)

    def _start(self, task: Task, channel: Any) -> Attempt:
        import ray
        from ray.util import placement_group
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy as InGroup

        needs = self._needs
        options: dict[str, Any] = {"num_cpus": needs.cpus, "num_gpus": needs.gpus, "max_retries": 0}
        options |= {"memory": needs.memory} if needs.memory else {}
        # Places for all processes of a task, on as few nodes as possible.
        group = placement_group([needs.resources] * needs.processes, strategy="PACK") if needs.processes > 1 else None
        references, name = [], uuid.uuid4().hex
        for rank in range(needs.processes):
            strategy = InGroup(group, placement_group_bundle_index=rank) if group else "SPREAD"
            remote = ray.remote(**options)(work).options(name=task.key, scheduling_strategy=strategy)
            arguments = (*task.arguments, rank, name) if group else task.arguments
            references.append(
                remote.remote(channel, task.key, os.getcwd(), self._stop.deadline, task.function, *arguments)
            )
        return Attempt(task, references, group)

    def _ended(self) -> list[Attempt]:
        """Wait a moment; return the attempts of which all processes have ended, or one is lost."""
        import ray

        waited = [one for attempt in self._running.values() for one in attempt.references]
        if not waited:
            time.sleep(POLL_SECONDS)
            return []
        ray.wait(waited, timeout=POLL_SECONDS / 4 if self._answer else POLL_SECONDS)  # tasks that ask wait
        ready = set(ray.wait(waited, num_returns=len(waited), timeout=0)[0])
        ended = []
        for attempt in list(self._running.values()):
            found = [_value(one) for one in attempt.references if one in ready]
            lost = [value for value in found if isinstance(value, (FfdiError, ray.exceptions.RayError))]
            if lost or len(found) == len(attempt.references):
                attempt.values = lost or found
                _end(attempt)
                del self._running[attempt.task.key]
                ended.append(attempt)
        return ended

    def _outcome(self, attempt: Attempt) -> Iterator[tuple[Task, Any]]:
        """Yield the task with its result, or have it run again."""
        import ray

        task, value, now = attempt.task, attempt.values[0], time.monotonic()
        if isinstance(value, ray.exceptions.RayError):
            if not self._stop.requested:
                self._note_loss(attempt, value)
                self._later.append((now, task))
        elif isinstance(value, Paused):  # where all stop, `_submit` drops it; else one process got a signal
            self._later.append((now + RETRY_SECONDS, task))
        elif isinstance(value, LockedError) and now - (task.held or now) < HELD_SECONDS:
            task.held = task.held or now
            self._later.append((now + RETRY_SECONDS, task))
        else:
            yield task, value

    def _note_loss(self, attempt: Attempt, error: Exception) -> None:
        """Warn; raise FfdiError for a task that is lost again and again while its nodes live."""
        task = attempt.task
        done = sum(done for done, _ in self._counts.get(task.key, {}).values())
        alive = attempt.node in {"", *(node["NodeManagerAddress"] for node in session.nodes())}  # "": before it began
        task.losses = task.losses + 1 if alive and done <= task.furthest else 0
        task.furthest = max(done, task.furthest)
        where = attempt.node or "a node"
        if task.losses >= MAX_LOSSES:
            raise FfdiError(
                f"{task.key} was killed {MAX_LOSSES} times without progress, at last on {where} "
                f"({type(error).__name__}), often for want of memory; raise cluster.memory and run this again, "
                "what it saved is kept."
            )
        console.warn(f"{where}: lost while it ran {task.key}, which goes on from its last save.")

    def _exchange(self, channel: Any) -> None:
        """Take what the tasks sent, and give them answers and the stop."""
        import ray

        reason = self._stop.reason if self._stop.requested else ""
        messages = ray.get(channel.exchange.remote(reason, self._answers))
        self._answers = {}
        for key, kind, content in messages:
            if kind == "begun" and key in self._running:
                self._running[key].node = content
                self._counts[key] = {}
            elif kind == "count":
                label, done, skipped = content
                self._counts.setdefault(key, {})[label] = (done, skipped)
            elif kind == "over":
                self._stop.reason = self._stop.reason or content
            elif kind == "question" and self._answer is not None:
                number, question = content
                self._answers[number] = self._answer(key, question)
            elif kind in ("say", "warn"):
                (console.warn if kind == "warn" else console.say)(content)
        if self._meter is not None:
            counts = [one for labels in self._counts.values() for one in labels.values()]
            self._meter.show(sum(done for done, _ in counts), sum(skipped for _, skipped in counts))


def run_all(runner: Runner, tasks: Iterable[Task]) -> None:
    """Run all tasks, then raise the first error: one that fails does not end the others."""
    errors = [value for _, value in runner.results(tasks) if isinstance(value, FfdiError)]
    if errors:
        raise errors[0]


def unordered(function: Callable[[Any], Any], items: Iterable[Any], stop: Stop) -> Generator[Any, None, None]:
    """Yield `function(item)` of every item as they end, one CPU each; at most two items a CPU wait.

    Args:
        function: Called on some node.
        items: Taken as they are needed.
        stop: Passed on to all nodes.
    """
    needs = Needs()
    tasks = (Task(f"part {number}", lambda item, _: function(item), (item,)) for number, item in enumerate(items))
    with closing(Runner(needs, stop, limit=lambda: 2 * session.slots(needs)).results(tasks)) as results:
        for _, value in results:
            if isinstance(value, FfdiError):
                raise value
            yield value


def _value(reference: Any) -> Any:
    """Return what a process returned, or Ray's error where it was lost; raise what is a defect."""
    import ray

    try:
        return ray.get(reference)
    except ray.exceptions.RayError as error:
        if isinstance(error, ray.exceptions.RayTaskError) and not isinstance(error, ray.exceptions.TaskCancelledError):
            raise
        return error


def _end(attempt: Attempt) -> None:
    """Kill what still runs of an attempt, and give its places back."""
    import ray
    from ray.util import remove_placement_group

    if attempt.group is not None:
        remove_placement_group(attempt.group)  # kills the processes inside
    elif not attempt.values:
        for one in attempt.references:
            ray.cancel(one)
