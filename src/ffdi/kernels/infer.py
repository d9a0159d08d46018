"""The main of `kernels/infer.py`: a packed team and mounted images in, `submission.csv` out.

Shapes: R rows of the test table, K fold models of a member, V TTA views.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from ffdi.blending.apply import BLEND, unseen
from ffdi.blending.methods import METHODS
from ffdi.core import atomic, console, digest
from ffdi.core.errors import UserError
from ffdi.core.layout import SUBMISSION_CSV
from ffdi.core.stop import Stop, parse_until
from ffdi.infer.engine import TeamLogits, predict_team
from ffdi.infer.nets import Net
from ffdi.kernels import mounts
from ffdi.kernels.mounts import submission_rows
from ffdi.kernels.team import TeamPack
from ffdi.model.weights import load_net
from ffdi.submission.check import check_bytes, render

RESERVE_SECONDS = 60.0  # kept before the deadline, to blend and to write
MAX_WORKERS = 8


def main(settings: Mapping[str, Any], pack: TeamPack) -> dict[str, Any]:
    """Write `submission.csv` and return the facts for `run.json`. Raises UserError naming what is not mounted."""
    deadline = parse_until(settings["until"], time.time(), "SETTINGS: until")
    if not pack.members:
        raise UserError(f"{pack.folder} holds no team; run `ffdi kernels pack` without --train when it is trained.")
    console.say(f"team: {pack.folder}, {pack.verify()} files verified")
    folder, competition = mounts.competition_folder(pack.competition, ["test"])
    rows = submission_rows(folder, competition)
    console.say(f"images: {folder}, {len(rows):,} rows, on {', '.join(map(str, devices()))}")
    for one in pack.members:  # compares the golden outputs of one fold of each, before hours of work
        load_net(pack.path(next(iter(one.files.values()))), one.member, devices()[0])
    with Stop(deadline) as stop:
        stop.reserve = RESERVE_SECONDS
        score_R, logits = predict(pack, rows, folder, settings["workers"], stop)
    doubt = _write(rows["id"], score_R, logits, pack)
    path = mounts.working_root() / SUBMISSION_CSV
    console.say(f"{path}: {len(rows):,} rows, {logits.imputed_R.sum():,} of them with the prior")
    return {
        "pack": pack.digest,
        "rows": len(rows),
        "imputed": rows["id"][logits.imputed_R].tolist(),
        "unreached": int(logits.unreached_R.sum()),
        "degraded": list(logits.dropped),
        "doubt": doubt,
        "submission": digest.of_file(path),
    }


def predict(
    pack: TeamPack, rows: pd.DataFrame, folder: Path, workers: int | None = None, stop: Stop | None = None
) -> tuple[NDArray[np.float64], TeamLogits]:
    """Predict and blend `rows` as `ffdi train` and `ffdi blend` do: on a CPU with the same bits.

    Args:
        pack: the team.
        rows: id and relpath.
        folder: the relpaths are below it.
        workers: processes that decode; None for one a core, at most 8.
        stop: at its deadline the prediction is there; views, folds and members are given up for it.

    Returns:
        score_R (the blend in (0, 1), in the order of the rows) and the logits of the nets and views behind it.
    """
    workers = min(len(os.sched_getaffinity(0)), MAX_WORKERS) if workers is None else workers
    found = predict_team(nets(pack), rows, folder, devices=devices(), workers=workers, stop=stop)
    return blended(pack, rows, found), found


def nets(pack: TeamPack) -> list[Net]:
    """Return every fold of every member, the greatest weight first: it is the last to be given up."""
    ordered = sorted(pack.members, key=lambda packed: -packed.weight)
    return [Net(one.member, fold, pack.path(file)) for one in ordered for fold, file in one.files.items()]


def devices() -> list[torch.device]:
    """Return all GPUs, or the CPU with one thread: sums of two are not those of one, and training used one."""
    if torch.cuda.is_available():
        torch.backends.cudnn.deterministic = True
        return [torch.device("cuda", index) for index in range(torch.cuda.device_count())]
    torch.set_num_threads(1)
    return [torch.device("cpu")]


def blended(pack: TeamPack, rows: pd.DataFrame, found: TeamLogits) -> NDArray[np.float64]:
    """Return score_R, as `ffdi blend` makes it of the same logits; the others take over the share of a lost member.

    Args:
        pack: The packed team.
        rows: Of the test table.
        found: Logits of the nets.
    """
    members = {one.member.name: _member(list(one.files), one.member.name, found) for one in pack.members}
    logits = {name: logits_KR for name, logits_KR in members.items() if len(logits_KR)}
    weights = {one.member.name: one.weight for one in pack.members if one.member.name in logits}
    total = sum(weights.values())
    if len(weights) < len(pack.members):
        weights = {name: weight / total for name, weight in weights.items()}
    # Sorted by id, as the blend reads its tables: the order of rows must not change a bit of a rank.
    order_R = rows["id"].to_numpy(object).argsort(kind="stable")
    table = rows.iloc[order_R].reset_index(drop=True).assign(imputed=found.imputed_R[order_R])
    sorted_logits = {name: logits_KR[:, order_R] for name, logits_KR in logits.items()}
    made = unseen(table, sorted_logits, METHODS[pack.method], weights, pack.prior)
    return made.set_index("id")[BLEND].loc[rows["id"]].to_numpy(np.float64)


def _member(folds: list[int | str], name: str, found: TeamLogits) -> NDArray[np.float64]:
    """Return float64 [K, R]: of each fold model that was kept the mean over views, summed by name as the blend does."""
    means = []
    for key in [(name, fold) for fold in folds if (name, fold) in found.logits]:
        by_name = np.argsort(np.array(found.views[key], object), kind="stable")
        means.append(np.ascontiguousarray(found.logits[key][:, by_name], np.float64).mean(axis=1))
    return np.stack(means) if means else np.empty((0, 0))


def _write(ids: pd.Series, score_R: NDArray[np.float64], logits: TeamLogits, pack: TeamPack) -> str:
    """Write the submission in any case; return the objection of the check, "" if there is none."""
    wanted = pack.competition
    data = render(pd.DataFrame({wanted.id_column: ids, wanted.prediction_column: score_R}), wanted)
    atomic.write_bytes(mounts.working_root() / SUBMISSION_CSV, data)
    mean_R = np.mean([logits_RV.mean(axis=1, dtype=np.float64) for logits_RV in logits.logits.values()], axis=0)
    try:
        check_bytes(data, SUBMISSION_CSV, wanted, ids.tolist(), reference=pd.Series(mean_R, index=ids))
    except UserError as error:
        console.warn(f"The submission is written, but the check says: {error}")
        return str(error)
    return ""
