"""The page of `ffdi search`, gathered from the study, its re-runs and the manifest."""

from ffdi.cli.desk import Desk
from ffdi.core import checksum, console
from ffdi.data import manifest
from ffdi.report import page
from ffdi.report import search as report
from ffdi.report.provenance import provenance
from ffdi.search import results, space
from ffdi.search.ground import Ground
from ffdi.search.importance import importance
from ffdi.search.study import Wishes, watched
from ffdi.search.verdict import Verdict
from ffdi.training.job import digest_of


def write(desk: Desk, ground: Ground, wishes: Wishes, verdict: Verdict | None) -> None:
    """Does nothing before the first trial is finished."""
    with watched(wishes) as study:
        found, shares = results.results(study), importance(study)
    done = results.finished(found)
    if not done:
        return
    row = verdict and (verdict.winner or verdict.best)
    best = row.candidate.member if row else space.applied(space.base_of(ground.recipe), done[0].params)
    searched = report.Searched(
        name=wishes.name,
        base=ground.search.member,
        recipe=str(desk.recipe_path),
        objective=ground.search.objective,
        space=wishes.space,
        found=found,
        importance=shares,
        best=best,
        verdict=verdict,
    )
    rows = manifest.select(manifest.read(desk.places), ground.recipe.data.fit)
    inputs = {"manifest": checksum.digest(desk.places.manifest), "folds": digest_of(ground.folds)}
    path = desk.places.report("search")
    page.write(path, report.page(searched, rows, desk.images, provenance("ffdi search", inputs)))
    console.say(f"page: {path}")
