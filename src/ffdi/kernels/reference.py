"""What a kernel must give: the same weights by the way that `ffdi predict` and `ffdi blend` go, one net after another.

Shapes: R rows, K fold models of a member, V views.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ffdi.blending.apply import BLEND, unseen
from ffdi.blending.methods import METHODS
from ffdi.kernels.plan import Packed, Plan

Kept = Mapping[tuple[str, int | str], tuple[str, ...]]  # views by (member, fold)


@dataclass(frozen=True)
class Reference:
    """`score_R`: the blend in the order of the rows. `seconds`: what predicting took, loading not counted."""

    score_R: NDArray[np.float64]
    seconds: float


def everything(plan: Plan) -> Kept:
    return {(one.member.name, fold): one.member.tta for one in plan.members for fold in one.files}


def predict(plan: Plan, pack: Path, rows: pd.DataFrame, folder: Path, kept: Kept) -> Reference:
    """The submission of `rows` (id, relpath) by the nets and views that were `kept`, on the CPU."""
    seconds, members, imputed_R = 0.0, {}, np.zeros(len(rows), bool)
    for packed in plan.members:
        means = []
        for fold in [fold for fold in packed.files if (packed.member.name, fold) in kept]:
            frame, took = _predicted(packed, fold, pack, rows, folder, kept[packed.member.name, fold])
            by_view = frame.pivot(index="id", columns="view", values="logit")  # views in the order of their names
            means.append(np.ascontiguousarray(by_view.loc[rows["id"]], np.float64).mean(axis=1))
            imputed_R |= frame.groupby("id")["imputed"].any().loc[rows["id"]].to_numpy()
            seconds += took
        if means:
            members[packed.member.name] = np.stack(means)
    return Reference(_blended(plan, rows, members, imputed_R), seconds)


def _predicted(
    packed: Packed, fold: int | str, pack: Path, rows: pd.DataFrame, folder: Path, views: tuple[str, ...]
) -> tuple[pd.DataFrame, float]:
    import torch

    from ffdi.infer.engine import predict
    from ffdi.infer.nets import Net

    member = packed.member.model_copy(update={"tta": views})
    net = Net(member, fold, pack / packed.files[fold])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums of two threads are not those of one
    begun = time.monotonic()
    try:
        label = f"reference: {member.name} fold {fold}"
        frame = predict(net, rows, folder, device=torch.device("cpu"), label=label)
    finally:
        torch.set_num_threads(threads)
    return frame, time.monotonic() - begun


def _blended(
    plan: Plan, rows: pd.DataFrame, members: Mapping[str, NDArray[np.float64]], imputed_R: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Members that were given up leave their share to the others. By id, as the blend reads its tables."""
    weights = {packed.member.name: packed.weight for packed in plan.members if packed.member.name in members}
    total = sum(weights.values())
    if len(weights) < len(plan.members):
        weights = {name: weight / total if total > 0 else 1 / len(weights) for name, weight in weights.items()}
    order_R = rows["id"].to_numpy(object).argsort(kind="stable")
    table = rows.iloc[order_R].reset_index(drop=True).assign(imputed=imputed_R[order_R])
    logits = {name: logits_KR[:, order_R] for name, logits_KR in members.items()}
    made = unseen(table, logits, METHODS[plan.method], weights, plan.prior)
    return made.set_index("id")[BLEND].loc[rows["id"]].to_numpy(np.float64)
