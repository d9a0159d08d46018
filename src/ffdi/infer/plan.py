"""What of a team is predicted: all of it, or what fits before the deadline.

A cell is one net under one view. Cells are only ever given up, and given up for all rows at once: so what is kept at
the end has been predicted for every row, and a blend ranks like with like. In this order: views (the plain one stays),
then folds (one stays of each member), then members (the first stays); within each, what is named last goes first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ffdi.core.errors import FfdiError
from ffdi.core.stop import Stop

PLAIN = "identity"
MARGIN = 1.05  # of the time still needed: the last batches are not faster than the first
WINDOW = 3  # batches a device before its speed is believed; the first of them, which warms up, is not counted


@dataclass(frozen=True)
class Cell:
    member: str
    fold: int | str
    view: str


@dataclass(frozen=True)
class Surrender:
    what: str
    cells: frozenset[Cell]


def plain_first(views: Sequence[str]) -> tuple[str, ...]:
    """The plain view, or the first where a member has none, then the others in their order."""
    plain = PLAIN if PLAIN in views else views[0]
    return (plain, *(view for view in views if view != plain))


def surrenders(cells: Iterable[Cell]) -> list[Surrender]:
    """All that can be given up, in order; `cells` by member, from the one that matters most."""
    cells = list(cells)
    members = list(dict.fromkeys(cell.member for cell in cells))
    folds = {name: list(dict.fromkeys(cell.fold for cell in cells if cell.member == name)) for name in members}
    views = {name: list(dict.fromkeys(cell.view for cell in cells if cell.member == name)) for name in members}
    given: list[Surrender] = []
    for rank in range(max(map(len, views.values())) - 1, 0, -1):
        for name in reversed([name for name in members if rank < len(views[name])]):
            view = plain_first(views[name])[rank]
            those = frozenset(cell for cell in cells if (cell.member, cell.view) == (name, view))
            given.append(Surrender(f"view {view} of {name}", those))
    for rank in range(max(map(len, folds.values())) - 1, 0, -1):
        for name in reversed([name for name in members if rank < len(folds[name])]):
            those = frozenset(cell for cell in cells if (cell.member, cell.fold) == (name, folds[name][rank]))
            given.append(Surrender(f"fold {folds[name][rank]} of {name}", those))
    for name in reversed(members[1:]):
        given.append(Surrender(f"member {name}", frozenset(cell for cell in cells if cell.member == name)))
    return given


class Plan:
    """The cells that are kept, and the measured speed that decides whether they can be.

    `costs`: work for one row, in any unit that is fair between cells. `lanes`: devices that work side by side.
    """

    def __init__(self, costs: Mapping[Cell, float], rows: int, lanes: int, stop: Stop | None = None) -> None:
        self.kept = dict.fromkeys(costs)  # a set with an order
        self.dropped: list[str] = []
        self._costs = dict(costs)
        self._left = dict.fromkeys(costs, rows)
        self._surrenders = surrenders(costs)
        self._lanes = lanes
        self._stop = stop if stop is not None and stop.deadline is not None else None
        self.measure_anew()

    def measure_anew(self) -> None:
        """Forget the speed measured: other nets come, or fewer."""
        self._batches, self._work, self._since = 0, 0.0, 0.0

    def done(self, cells: Iterable[Cell], rows: int) -> None:
        """A batch of `rows` went through `cells`. Gives up what will not be ready in time, by the speed so far."""
        cells = list(cells)
        for cell in cells:
            self._left[cell] -= rows
        if self._stop is None or self._stop.deadline is None:
            return
        now = self._stop.clock()
        self._batches += 1
        if self._batches <= self._lanes:
            self._since = now
            return
        self._work += rows * sum(self._costs[cell] for cell in cells)
        if self._batches >= WINDOW * self._lanes:
            self._fit((now - self._since) / self._work, self._stop.deadline - self._stop.reserve - now)

    def spoil(self, cell: Cell, why: str) -> None:
        """Give up the net of `cell`, under all its views. Raises FfdiError if it was the last."""
        net = frozenset(one for one in self.kept if (one.member, one.fold) == (cell.member, cell.fold))
        self._give(Surrender(f"fold {cell.fold} of {cell.member}", net), why)
        if not self.kept:
            raise FfdiError(f"No net is left to predict: fold {cell.fold} of {cell.member}, {why}.")

    def complete(self) -> list[Cell]:
        """The kept cells that every row went through."""
        return [cell for cell in self.kept if not self._left[cell]]

    def give_up_unfinished(self, why: str) -> None:
        """Keep what is complete; where nothing is, what got furthest."""
        least = min(self._left[cell] for cell in self.kept)
        for cell in [cell for cell in self.kept if self._left[cell] > least]:
            self._give(Surrender(f"view {cell.view} of fold {cell.fold} of {cell.member}", frozenset({cell})), why)

    def _fit(self, rate: float, seconds: float) -> None:
        before = len(self.kept)
        for surrender in self._surrenders:
            if MARGIN * rate * self._work_left(self.kept) <= seconds:
                break
            others = [cell for cell in self.kept if cell not in surrender.cells]
            if others and self._work_left(others) < self._work_left(self.kept):
                self._give(surrender, "for want of time")
        if len(self.kept) < before:
            self.measure_anew()

    def _work_left(self, cells: Iterable[Cell]) -> float:
        return sum(self._costs[cell] * self._left[cell] for cell in cells)

    def _give(self, surrender: Surrender, why: str) -> None:
        gone = [cell for cell in self.kept if cell in surrender.cells]
        for cell in gone:
            del self.kept[cell]
        if gone:
            self.dropped.append(f"{surrender.what}, {why}")
