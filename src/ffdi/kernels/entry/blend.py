"""The main of a blend kernel: attached outputs of train kernels in, `submission.csv` and `card.json` out."""

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ffdi.core import atomic, console, digest, checksum
from ffdi.core.errors import UserError
from ffdi.core.layout import Workspace
from ffdi.blending.card import inputs
from ffdi.blending.result import blend
from ffdi.kernels import contest, mounted, record
from ffdi.kernels.outputs import gather, link, places
from ffdi.config.competition import Competition
from ffdi.config.recipe import Recipe
from ffdi.submission.check import check_bytes, render

CSV, CARD = "submission.csv", "card.json"


def main(settings: Mapping[str, Any]) -> None:
    """Raises UserError naming a run that is unfinished, or what is not mounted."""
    begun = time.time()
    recipe, competition = contest.read(settings["recipe"])
    attached = mounted.outputs(list(settings["outputs"]))
    if not attached:
        raise UserError(f"No output of a train kernel is attached. {mounted.listing()}.")
    here = places(recipe, competition, Path(tempfile.mkdtemp(prefix="ffdi-runs-")))
    folds = gather(attached, competition, here, link)
    console.say(f"{folds} folds in {', '.join(map(str, attached))}")
    facts = submit(recipe, competition, here)
    seconds = {"all": round(time.time() - begun, 1)}
    outputs = [path.name for path in attached]
    record.write(mounted.working_root(), "blend", settings, {**facts, "outputs": outputs, "seconds": seconds})


def submit(recipe: Recipe, competition: Competition, here: Workspace) -> dict[str, Any]:
    """Blend the finished runs at `here` and write submission and card; returns what `run.json` says of them."""
    result = blend(recipe, competition, here)
    for warning in result.warnings:
        console.warn(warning)
    data = render(result.submission, competition)
    ids = result.submission[competition.id_column].tolist()
    check_bytes(data, CSV, competition, ids, reference=result.reference)
    atomic.write_bytes(mounted.working_root() / CSV, data)
    sent = {"file": CSV, "sha256": digest.of_bytes(data), "rows": len(ids)}
    card = {**result.card, "inputs": inputs(result.card), "submission": sent}
    checksum.write_json(mounted.working_root() / CARD, card)
    worth = result.card["blend"]["auc"]
    console.say(f"{result.choice.why} OOF AUC {worth['value']:.4f}." if worth else result.choice.why)
    console.say(f"{mounted.working_root() / CSV}: {len(ids):,} rows")
    return {"recipe": recipe.name, "rows": len(ids), "submission": sent["sha256"]}
