"""The main of an infer kernel: mounted weights and images in, `submission.csv` out.

Shapes: R rows of the test table, K fold models of a member, V views.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ffdi.core import atomic, console, digest
from ffdi.core.deadline import parse_until
from ffdi.core.errors import UserError
from ffdi.core.stop import Stop
from ffdi.blending.apply import BLEND, unseen
from ffdi.blending.features import Array
from ffdi.blending.methods import METHODS
from ffdi.kernels import mounted, plan, record
from ffdi.kernels.asked import asked
from ffdi.kernels.plan import Plan
from ffdi.infer.nets import Net
from ffdi.infer.engine import TeamLogits, predict_team
from ffdi.model.weights import load_net
from ffdi.submission.check import check_bytes, render

CSV = "submission.csv"
RESERVE = 60.0  # seconds kept before the deadline, to blend and to write
MOST_WORKERS = 8


def main(settings: Mapping[str, Any]) -> None:
    """Write `submission.csv` and `run.json` into the working folder. Raises UserError naming what is not mounted."""
    begun = time.time()
    pack = mounted.dataset(settings["weights"], plan.FILE, "the weights dataset")
    console.say(f"weights: {pack}, {mounted.verify(pack)} files verified")
    team = plan.read(pack)
    folder, competition = mounted.competition_folder(team.competition, ["test"], settings["competition"])
    rows = asked(folder, competition)
    console.say(f"images: {folder}, {len(rows):,} asked for by {competition.test.labels}")
    check_members(team, pack)
    with Stop(parse_until(settings["until"], begun)) as stop:
        stop.reserve = RESERVE
        found = predict_team(
            nets(team, pack), rows, folder, devices=devices(), workers=_workers(settings["workers"]), stop=stop
        )
    predicted = time.time()
    score = blended(team, rows, found)
    doubt = write(score, found, team)
    facts = {
        "pack": team.digest,
        "recipe": team.recipe,
        "rows": len(rows),
        "imputed": rows["id"][found.imputed_R].tolist(),
        "unreached": int(found.unreached_R.sum()),
        "degraded": list(found.dropped),
        "kept": [[*net, list(views)] for net, views in found.views.items()],
        "doubt": doubt,
        "devices": [str(device) for device in devices()],
        "seconds": {"predict": round(predicted - begun, 1), "all": round(time.time() - begun, 1)},
        "submission": digest.of_file(mounted.working_root() / CSV),
    }
    record.write(mounted.working_root(), "infer", settings, facts)
    console.say(f"{mounted.working_root() / CSV}: {len(rows):,} rows, {found.imputed_R.sum():,} with the prior")


def nets(team: Plan, pack: Path) -> list[Net]:
    """Every fold of every member, the member with the greatest weight first: it is the last to be given up."""
    ordered = sorted(team.members, key=lambda packed: -packed.weight)
    return [Net(packed.member, fold, pack / file) for packed in ordered for fold, file in packed.files.items()]


def check_members(team: Plan, pack: Path) -> None:
    """Golden outputs of one fold of each member, before hours of work: nets of another size are loaded much later.

    Raises FfdiError if this timm or torch makes another network of the weights.
    """
    for net in {net.member.name: net for net in reversed(nets(team, pack))}.values():
        load_net(net.weights, net.member, devices()[0])


def devices() -> list[torch.device]:
    """All GPUs, or the CPU with one thread: sums of two are not those of one, and `ffdi predict` made them with one."""
    if torch.cuda.is_available():
        torch.backends.cudnn.deterministic = True
        return [torch.device("cuda", index) for index in range(torch.cuda.device_count())]
    torch.set_num_threads(1)
    return [torch.device("cpu")]


def blended(team: Plan, rows: pd.DataFrame, found: TeamLogits) -> pd.DataFrame:
    """`rows` with the column `blend`, in their order; as `ffdi blend` makes it of the same logits.

    Members that were given up leave their share to the others.
    """
    logits = {packed.member.name: _member(packed.files, packed.member.name, found) for packed in team.members}
    kept = {name: logits_KR for name, logits_KR in logits.items() if len(logits_KR)}
    weights = {packed.member.name: packed.weight for packed in team.members if packed.member.name in kept}
    total = sum(weights.values())
    if total <= 0:
        weights = dict.fromkeys(weights, 1 / len(weights))
    elif len(weights) < len(team.members):
        weights = {name: weight / total for name, weight in weights.items()}
    # By id, as the blend reads its tables: the order of the rows may not change a bit of a rank.
    order_R = rows["id"].to_numpy(object).argsort(kind="stable")
    ordered = rows.iloc[order_R].reset_index(drop=True).assign(imputed=found.imputed_R[order_R])
    kept = {name: logits_KR[:, order_R] for name, logits_KR in kept.items()}
    made = unseen(ordered, kept, METHODS[team.method], weights, team.prior)
    return made.set_index("id").loc[rows["id"]].reset_index()


def write(score: pd.DataFrame, found: TeamLogits, team: Plan) -> str:
    """Write the submission whatever happens; returns what the check has to say against it, "" if nothing."""
    wanted = team.competition
    frame = pd.DataFrame({wanted.id_column: score["id"], wanted.prediction_column: score[BLEND]})
    data = render(frame, wanted)
    atomic.write_bytes(mounted.working_root() / CSV, data)
    try:
        check_bytes(data, CSV, wanted, score["id"].tolist(), reference=_reference(score["id"], found))
    except UserError as error:
        console.warn(f"The submission was written, and yet: {error}")
        return str(error)
    return ""


def _member(files: Mapping[int | str, str], name: str, found: TeamLogits) -> Array:
    """float64 [K, R], mean over views of each fold model that was kept."""
    means = [_mean(found.logits[name, fold], found.views[name, fold]) for fold in files if (name, fold) in found.logits]
    return np.stack(means) if means else np.empty((0, 0))


def _mean(logits_RV: np.ndarray, views: tuple[str, ...]) -> Array:
    """Views in the order of their names, as the blend sums them."""
    by_name = np.argsort(np.array(views, object), kind="stable")
    return np.ascontiguousarray(logits_RV[:, by_name], np.float64).mean(axis=1)


def _reference(ids: pd.Series, found: TeamLogits) -> pd.Series:
    """Mean logit of all that was predicted, with which a submission that is not turned round correlates."""
    means = [logits_RV.mean(axis=1, dtype=np.float64) for logits_RV in found.logits.values()]
    return pd.Series(np.mean(means, axis=0), index=ids)


def _workers(wish: int | None) -> int:
    return min(len(os.sched_getaffinity(0)), MOST_WORKERS) if wish is None else wish
