"""`ffdi search`: trials until there are enough, the best again on fresh seeds, and where the search stands."""

import time
from collections.abc import Sequence
from contextlib import suppress
from statistics import fmean

from ffdi.cli import search_rerun
from ffdi.cli.desk import Desk
from ffdi.core import console
from ffdi.core.deadline import parse_until
from ffdi.core.errors import FfdiError, UserError
from ffdi.data import folds, manifest
from ffdi.search import results as listing
from ffdi.search import workers
from ffdi.search.ground import Ground, lay
from ffdi.search.results import Result
from ffdi.search.study import Wishes, watched

SHOWN = 10  # trials in a table


def run(desk: Desk, count: int | None, until: str, storage: str, again: bool = True) -> None:
    """Search with `count` workers, by default one a GPU or core, then, with `again`, run the best again on fresh seeds;
    ends with tables and the page. Raises Paused after a stop."""
    deadline = parse_until(until, time.time())
    ground = lay_ground(desk)
    # Here and not above: --status does without torch and plots.
    from ffdi.search import trial
    from ffdi.training import launch

    on = _devices(launch.devices(), count)
    wishes = ground.wishes(storage)
    console.say(f"search {wishes.name}: {_budget(wishes)}, {len(on)} at a time, in {ground.folder}")
    trial.prepare(ground)
    try:
        workers.launch(wishes, trial.Maker(ground, len(on)), on, deadline)
    except FfdiError:
        with suppress(UserError):  # the first error is what is told
            _show(wishes)
        raise
    _show(wishes)
    if again:
        search_rerun.run(desk, ground, wishes, on, deadline)
    else:
        search_rerun.write_page(desk, ground, wishes, None)


def promote(desk: Desk, storage: str) -> None:
    """Write what beats the default on fresh seeds into the recipe."""
    ground = lay_ground(desk)
    search_rerun.promote(desk, ground, ground.wishes(storage))


def status(desk: Desk, storage: str) -> None:
    """Where the search stands; may be asked while it runs."""
    _show(lay_ground(desk).wishes(storage))


def lay_ground(desk: Desk) -> Ground:
    """The rows and folds of the recipe's trials. Raises UserError if it has no search, or folds are missing."""
    rows = manifest.read(desk.places)
    table = folds.read(desk.places, desk.recipe.folds, rows, desk.recipe.data.train_splits)
    return lay(desk.recipe, desk.competition, rows, table, desk.images, desk.places)


def _devices(there: Sequence[str], count: int | None) -> list[str]:
    return [there[index % len(there)] for index in range(count or len(there))]


def _show(wishes: Wishes) -> None:
    with watched(wishes) as study:
        found = listing.results(study)
    names = list(wishes.space)
    best = listing.finished(found)[:SHOWN]
    rows = [[one.number, f"{one.score:.4f}", _by_fold(one), *_values(one, names)] for one in best]
    console.table(f"best trials of {wishes.name}", ["trial", "score", "AUC by fold", *names], rows)
    now = [one for one in found if one.state in ("running", "waiting", "interrupted") and _is_open(one, found)]
    rows = [[one.number, one.state, _minutes(one), _by_fold(one), *_values(one, names)] for one in now]
    if rows:
        console.table("at work", ["trial", "state", "minutes", "AUC by fold", *names], rows)
    bad = [[one.number, one.error] for one in found if one.state == "failed"][-SHOWN:]
    if bad:
        console.table("failed", ["trial", "because"], bad)
    console.say(_summary(found, wishes))


def _summary(found: list[Result], wishes: Wishes) -> str:
    counts = {state: sum(one.state == state for one in found) for state in dict.fromkeys(one.state for one in found)}
    told = ", ".join(f"{count} {state}" for state, count in counts.items()) or "no trial yet"
    ended = [one.seconds for one in found if one.state in ("complete", "pruned", "failed")]
    if not ended:
        return f"{told}; {_budget(wishes)}"
    busy = max(1, counts.get("running", 0))
    rate = 3600 * busy / max(fmean(ended), 1e-9)
    return f"{told}; {_budget(wishes)}; {rate:,.1f} trials/h with {busy} at work; {_left(found, ended, busy, wishes)}"


def _left(found: list[Result], ended: list[float], busy: int, wishes: Wishes) -> str:
    """Time until the budget is used up, if the trials to come are like those that were."""
    seconds = []
    if wishes.trials is not None:
        seconds.append((wishes.trials - len(ended)) * fmean(ended) / busy)
    if wishes.minutes is not None:
        seconds.append((60 * wishes.minutes - sum(one.seconds for one in found)) / busy)
    return f"{max(min(seconds), 0) / 60:.0f} min left"


def _is_open(one: Result, found: list[Result]) -> bool:
    """An interrupted trial is listed until its heir is queued."""
    return one.state != "interrupted" or not any(
        other.draw == one.draw and other.number > one.number for other in found
    )


def _by_fold(one: Result) -> str:
    return " ".join(f"{scores['auc']:.4f}" for scores in one.folds.values())


def _values(one: Result, names: Sequence[str]) -> list[str]:
    values = (one.params.get(name, "") for name in names)
    return [f"{value:.3g}" if isinstance(value, float) else str(value) for value in values]


def _minutes(one: Result) -> str:
    """Of work up to the last report; when it began says another machine's clock."""
    return f"{one.seconds / 60:.0f}"


def _budget(wishes: Wishes) -> str:
    parts = [
        f"{wishes.trials} trials" if wishes.trials else "",
        f"{wishes.minutes:g} minutes" if wishes.minutes else "",
    ]
    return " or ".join(part for part in parts if part)
