"""`ffdi slices --degraded`: the blend on degraded copies, each predicted by the fold models that held its image out."""

from pathlib import Path

from ffdi.blending.degraded import scores, voices
from ffdi.blending.members import Team, read_team
from ffdi.blending.result import BlendResult
from ffdi.cli.desk import Desk
from ffdi.core import checksum, console
from ffdi.core.stop import Stop
from ffdi.data import manifest as manifests
from ffdi.data.degraded import DAMAGES, MOST
from ffdi.metrics.degraded import Degraded, compare
from ffdi.training.job import FoldJob, plan


def compared(desk: Desk, result: BlendResult) -> list[Degraded]:
    """Of every kind with enough images, shown as a table. Raises UserError for missing weights, Paused on a stop."""
    rows, table = manifests.read(desk.places), checksum.read_table(desk.places.folds(desk.recipe.folds.scheme))
    jobs = plan(desk.recipe, desk.competition, rows, table, desk.images, desk.places)
    team = read_team(jobs)
    names = voices(team, result.blended.weights)
    found = _compared([job for job in jobs if job.member.name in names], team, result, desk.places.work / "degraded")
    _show(found)
    return found


def _compared(jobs: list[FoldJob], team: Team, result: BlendResult, folder: Path) -> list[Degraded]:
    import torch

    from ffdi.training import degraded, launch
    from ffdi.training.world import World

    device = launch.devices()[0]
    launch.prepare(torch.device(device))
    tables = degraded.tables(launch.with_loaders(jobs, [device]), DAMAGES, folder)
    with Stop() as stop:
        degraded.predict(tables, folder, World(torch.device(device)), stop)
    found = []
    for kind, damage in DAMAGES.items():
        logits = degraded.read([one for one in tables if one.kind == kind])
        rows = scores(team, result.choice.method, result.blended.weights, logits)
        found.append(compare(rows, damage.name))
    return [one for one in found if one is not None]


def _show(found: list[Degraded]) -> None:
    lines = [
        [
            one.worse.name,
            one.worse.reals,
            one.worse.fakes,
            f"{one.worse.auc.value:.4f} ({one.worse.auc.low:.4f}-{one.worse.auc.high:.4f})",
            f"{one.clean.auc.value:.4f}",
            f"{one.drop.value:+.4f} ({one.drop.low:+.4f} to {one.drop.high:+.4f})",
            f"{one.worse.tpr:.3f}",
            f"{one.clean.tpr:.3f}",
            f"{one.worse.offset:+.3f}",
        ]
        for one in found
    ]
    columns = [
        "degradation",
        "originals",
        "fakes",
        "AUC (95 %)",
        "clean AUC",
        "drop (95 %)",
        "TPR at 1e-2",
        "clean TPR",
        "offset",
    ]
    title = f"the blend on degraded copies, at most {MOST:,} images a fold; offset: originals among clean ones"
    console.table(title, columns, lines)
