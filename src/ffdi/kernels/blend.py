"""The main of `kernels/blend.py`: attached outputs of train kernels in, `submission.csv` and `card.json` out."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ffdi.blending.result import blend
from ffdi.blending.saved import inputs
from ffdi.core import atomic, checksum, console, digest
from ffdi.core.errors import UserError
from ffdi.core.layout import CARD, SUBMISSION_CSV, Workspace
from ffdi.kernels import mounts
from ffdi.kernels.mounts import gather, link, workspace_of
from ffdi.kernels.team import TeamPack
from ffdi.submission.check import check_bytes, render


def main(_: Mapping[str, Any], pack: TeamPack) -> dict[str, Any]:
    """Write submission and card. Raises UserError naming a run that is unfinished, or what is not mounted."""
    attached = mounts.outputs()
    if not attached:
        raise UserError(f"No output of a train kernel is attached. {mounts.listing()}.")
    with tempfile.TemporaryDirectory(prefix="ffdi-runs-") as folder:
        workspace = workspace_of(pack, Path(folder))
        folds = gather(workspace, link)
        console.say(f"{folds} folds in {', '.join(map(str, attached))}")
        return submit(pack, workspace)


def submit(pack: TeamPack, workspace: Workspace) -> dict[str, Any]:
    """Blend the finished runs, write submission and card, and return what `run.json` says of them."""
    competition, result = pack.competition, blend(pack.recipe, pack.competition, workspace)
    for warning in result.warnings:
        console.warn(warning)
    data = render(result.submission, competition)
    ids = result.submission[competition.id_column].tolist()
    check_bytes(data, SUBMISSION_CSV, competition, ids, reference=result.reference)
    atomic.write_bytes(mounts.working_root() / SUBMISSION_CSV, data)
    sent = {"file": SUBMISSION_CSV, "sha256": digest.of_bytes(data), "rows": len(ids)}
    card = {**result.card, "inputs": inputs(result.card), "submission": sent}
    checksum.write_json(mounts.working_root() / CARD, card)
    found = result.card["blend"]["auc"]
    console.say(f"{result.choice.why} OOF AUC {found['value']:.4f}." if found else result.choice.why)
    console.say(f"{mounts.working_root() / SUBMISSION_CSV}: {len(ids):,} rows")
    return {"recipe": pack.recipe.name, "rows": len(ids), "submission": sent["sha256"]}
