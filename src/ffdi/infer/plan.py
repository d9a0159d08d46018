"""Which nets and views are predicted: all of them, or what can be ready before the deadline.

A pass is one net under one view. A pass is dropped for all rows at once, so what is kept was predicted for every row
and a blend compares like with like. The order: views first ("identity" stays), then folds (one stays of each member),
then members (the first stays); within each, what is named last goes first.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ffdi.core.errors import FfdiError
from ffdi.core.stop import Stop

PLAIN = "identity"
MARGIN = 1.05  # of the time still needed: the last batches are not faster than the first
WINDOW = 3  # batches a device before its speed counts; the first of them, which warms up, is left out
OUT_OF_TIME = "no time left before the deadline"


@dataclass(frozen=True)
class Pass:
    member: str
    fold: int | str
    view: str


Step = tuple[str, frozenset[Pass]]  # what is dropped, in words, and its passes


def drop_order(passes: Iterable[Pass]) -> list[Step]:
    """Return everything that can be dropped, in order; `passes` begin with the most important member."""
    passes = list(passes)
    names = list(dict.fromkeys(one.member for one in passes))
    views = {name: list(dict.fromkeys(one.view for one in passes if one.member == name)) for name in names}
    for some in views.values():  # the first stays
        some.sort(key=lambda view: view != PLAIN)
    folds = {name: list(dict.fromkeys(one.fold for one in passes if one.member == name)) for name in names}
    steps: list[Step] = []
    for kind, values in (("view", views), ("fold", folds)):
        for rank in range(max(map(len, values.values())) - 1, 0, -1):
            for name in [name for name in reversed(names) if rank < len(values[name])]:
                value = values[name][rank]
                chosen = (one for one in passes if one.member == name and getattr(one, kind) == value)
                steps.append((f"{kind} {value} of {name}", frozenset(chosen)))
    for name in names[:0:-1]:
        steps.append((f"member {name}", frozenset(one for one in passes if one.member == name)))
    return steps


class Plan:
    """The passes that are kept, and the measured speed that decides whether they can be.

    Args:
        costs: Work of each pass for one image, in any unit that is fair between passes.
        rows: Images in all.
        devices: How many work side by side.
        stop: Its deadline is met; without one nothing is dropped for lack of time.
    """

    def __init__(self, costs: Mapping[Pass, float], rows: int, devices: int = 1, stop: Stop | None = None) -> None:
        self.kept = dict.fromkeys(costs)  # a set with an order
        self.dropped: list[str] = []
        self._costs = dict(costs)
        self._left = dict.fromkeys(costs, rows)
        self._steps = drop_order(costs)
        self._devices = devices
        self._stop = stop if stop is not None and stop.deadline is not None else None
        self.restart_clock()

    @property
    def unfinished(self) -> bool:
        """Return whether a kept pass has not seen every row."""
        return any(self._left[one] for one in self.kept)

    def restart_clock(self) -> None:
        """Forget the measured speed: other nets come, or fewer."""
        self._batches, self._work, self._since = 0, 0.0, 0.0

    def done(self, passes: Iterable[Pass], rows: int) -> None:
        """Count a batch of `rows` that went through `passes`; drop what will not be ready in time at this speed."""
        passes = list(passes)
        for one in passes:
            self._left[one] -= rows
        if self._stop is None or self._stop.deadline is None:
            return
        now = self._stop.clock()
        self._batches += 1
        if self._batches <= self._devices:
            self._since = now
            return
        self._work += rows * sum(self._costs[one] for one in passes)
        if self._batches >= WINDOW * self._devices:
            self._drop_late((now - self._since) / self._work, self._stop.deadline - self._stop.reserve - now)

    def drop_net(self, net: Pass, why: str) -> None:
        """Drop the net of this pass under all its views. Raise FfdiError if it was the last."""
        gone = frozenset(one for one in self.kept if (one.member, one.fold) == (net.member, net.fold))
        self._drop((f"fold {net.fold} of {net.member}", gone), why)
        if not self.kept:
            raise FfdiError(
                f"No net is left to predict: fold {net.fold} of {net.member}, {why}. "
                'Its weights have diverged, or fp16 overflowed: lower lr, or set amp = "off".'
            )

    def drop_unfinished(self) -> None:
        """Keep what has seen every row; where nothing has, keep what got furthest."""
        least = min(self._left[one] for one in self.kept)
        for one in [one for one in self.kept if self._left[one] > least]:
            self._drop((f"view {one.view} of fold {one.fold} of {one.member}", frozenset({one})), OUT_OF_TIME)

    def _drop_late(self, rate: float, seconds: float) -> None:
        before = len(self.kept)
        for step in self._steps:
            if MARGIN * rate * self._work_left(self.kept) <= seconds:
                break
            others = [one for one in self.kept if one not in step[1]]
            if others and self._work_left(others) < self._work_left(self.kept):
                self._drop(step, OUT_OF_TIME)
        if len(self.kept) < before:
            self.restart_clock()

    def _work_left(self, passes: Iterable[Pass]) -> float:
        return sum(self._costs[one] * self._left[one] for one in passes)

    def _drop(self, step: Step, why: str) -> None:
        gone = [one for one in self.kept if one in step[1]]
        for one in gone:
            del self.kept[one]
        if gone:
            self.dropped.append(f"{step[0]}: {why}")
