"""What follows a search: the best again on fresh seeds, the table that says whether they hold, the promotion."""

from collections.abc import Sequence

from ffdi.cli.desk import Desk
from ffdi.core import console
from ffdi.data import folds, manifest
from ffdi.report.page import Page, write_safely
from ffdi.search import promote as recipe
from ffdi.search import rerun, results
from ffdi.search.ground import Ground
from ffdi.search.study import Wishes, watched
from ffdi.search.verdict import Verdict, correlation, curse, judge, sentence

SAME = "No finished trial differs from the default."


def run(desk: Desk, ground: Ground, wishes: Wishes, on: Sequence[str], deadline: float | None) -> None:
    """Run the best trials again beside the default, as far as that is not done; ends with a table and the page."""
    full, chosen = _candidates(desk, ground, wishes)
    if len(chosen) == 1:
        console.say(f"{SAME} None is run again.")
        write_page(desk, ground, wishes, None)
        return
    planned = rerun.plan(full, chosen)
    left = sum(one.scores is None for one in planned)
    if left:
        write_page(desk, ground, wishes, None)
        console.say(f"{left} of {len(planned)} re-runs to do: {len(chosen) - 1} best trials and the default, all folds")
    rerun.run(full, planned, on, deadline)
    verdict = judge(chosen, rerun.scored(full, planned), rerun.held_out_share(planned))
    _show(verdict)
    write_page(desk, ground, wishes, verdict)


def promote(desk: Desk, ground: Ground, wishes: Wishes) -> None:
    """Write the winner into the recipe, if there is one. Raises UserError while re-runs are missing."""
    verdict = verdict_of(desk, ground, wishes)
    if verdict is None:
        console.say(f"{SAME} {desk.recipe_path} stays as it is.")
    else:
        console.say(recipe.promote(desk.recipe_path, ground, verdict))


def verdict_of(desk: Desk, ground: Ground, wishes: Wishes) -> Verdict | None:
    """What the re-runs say; None without a candidate. Raises UserError while some are missing."""
    full, chosen = _candidates(desk, ground, wishes)
    if len(chosen) == 1:
        return None
    planned = rerun.plan(full, chosen)
    return judge(chosen, rerun.scored(full, planned), rerun.held_out_share(planned))


def _candidates(desk: Desk, ground: Ground, wishes: Wishes) -> tuple[Ground, list[rerun.Candidate]]:
    with watched(wishes) as study:
        found = results.results(study)
    rows = manifest.read(desk.places)
    table = folds.read(desk.places, desk.recipe.folds, rows, desk.recipe.data.train_splits)
    full = rerun.whole(ground, rows, table)
    return full, rerun.candidates(ground, found)


def _show(verdict: Verdict) -> None:
    rows = []
    for row in verdict.rows:
        gain = row.gain
        told = [f"{gain.value:+.4f}", f"{gain.low:+.4f} to {gain.high:+.4f}"] if gain else ["", ""]
        search = "" if row.search is None else f"{row.search:.4f}"
        rows.append(
            [row.candidate.name, search, f"{row.fresh:.4f}", f"{row.sd:.4f}" if verdict.seeds > 1 else "", *told]
        )
    columns = ["candidate", "search", "fresh", "sd of seeds", "difference", "interval"]
    console.table(f"run again: {verdict.design}", columns, rows)
    for text in (curse(verdict), correlation(verdict), sentence(verdict)):
        if text:
            console.say(text)


def write_page(desk: Desk, ground: Ground, wishes: Wishes, verdict: Verdict | None) -> None:
    """Write the page of the search, once a trial is finished."""
    with watched(wishes) as study:
        finished = results.finished(results.results(study))
    if finished:
        write_safely(desk.places.report("search"), lambda: _page(desk, ground, wishes, verdict))


def _page(desk: Desk, ground: Ground, wishes: Wishes, verdict: Verdict | None) -> Page:
    from ffdi.report import search as report

    rows = manifest.select(manifest.read(desk.places), ground.recipe.data.train_splits)
    return report.of_study(desk.recipe_path, ground, wishes, verdict, rows, desk.images)
