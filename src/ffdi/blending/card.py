"""The card of a blend: what went in, what it is worth, and the lie that pooled raw scores would have told.

Shapes: N rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ffdi.blending.apply import BLEND, Blended, held_out
from ffdi.blending.budget import Budget
from ffdi.blending.choice import Choice
from ffdi.blending.forecast import Forecast
from ffdi.blending.honest import table as honest_table
from ffdi.blending.members import Predictions, Team
from ffdi.blending.methods import Method, combine
from ffdi.config.recipe import Recipe
from ffdi.core import digest
from ffdi.core.code import code_digest
from ffdi.metrics.auc import auc, tpr_at_fpr
from ffdi.metrics.delong import auc_interval, placements

FALSE_ALARMS = (1e-2, 5e-3, 1e-3)
# Say where and how fast, or what was tried; not what comes out.
SPEED_ONLY: Any = {"data": {"folder", "cache", "workers"}, "search": True, "forge": True}


def recipe_digest(recipe: Recipe) -> str:
    """64 hex digits over everything in the recipe that can change a score."""
    return digest.of_json(recipe.model_dump(mode="json", exclude=SPEED_ONLY))


def card(
    recipe: Recipe,
    choice: Choice,
    outlook: Forecast | None,
    team: Team,
    blended: Blended,
    found: Budget | None,
    left_out: Sequence[str],
    manifest: str,
    folds: str,
) -> dict[str, Any]:
    """All but the file that is sent and its date, which `submit.folder` adds. `manifest`, `folds`: digests.

    `left_out`: members that have no weight because the budget `found` does not let them in.
    """
    method = choice.method
    return {
        "recipe": {"name": recipe.name, "digest": recipe_digest(recipe)},
        "competition": recipe.competition,
        "method": method.name,
        "why": choice.why,
        "honest": [] if choice.found is None else honest_table(choice.found).to_dict("records"),
        "forecast": None if outlook is None else asdict(outlook) | {"board": outlook.board.model_dump()},
        "budget": None if found is None else _budget(found, left_out),
        "manifest": manifest,
        "folds": {**recipe.folds.model_dump(mode="json"), "digest": folds},
        "code": code_digest(),
        "rows": _rows(blended),
        "members": [_member(recipe, member, blended) for member in team.members],
        "blend": {**_worth(blended, BLEND), "auc_raw": _raw_blend(method, team, blended)},
    }


def inputs(card: Mapping[str, Any]) -> str:
    """Digest of what decides the submission: recipe, data, folds, code and the members' files, not their scores."""
    files = [[member["name"], member["spec"], member["files"]] for member in card["members"]]
    left_out = (card["budget"] or {}).get("left_out", [])  # the speed of a machine has a say in it
    return digest.of_json([card[name] for name in ("recipe", "manifest", "folds", "code")] + files + left_out)


def _budget(found: Budget, left_out: Sequence[str]) -> dict[str, Any]:
    return {
        "limits": {cost.unit: cost.limit for cost in found.costs if cost.limit is not None},
        "costs": {cost.unit: dict(cost.by_member) for cost in found.costs},
        "left_out": list(left_out),
        "nested": asdict(found.grown[-1].nested) if left_out else None,
    }


def _rows(blended: Blended) -> dict[str, int]:
    return {
        "oof": len(blended.oof),
        "oof_fake": int((blended.oof["target"] == 1).sum()),
        "val": len(blended.val),
        "test": len(blended.test),
        "test_imputed": int(blended.test["imputed"].sum()),
    }


def _member(recipe: Recipe, member: Predictions, blended: Blended) -> dict[str, Any]:
    spec = next(spec for spec in recipe.member if spec.name == member.name)
    raw = None if member.oof_N is None else _auc(blended.oof["target"], member.oof_N)
    return {
        "name": member.name,
        "model": spec.model,
        "spec": member.spec,
        "views": list(spec.tta),
        "weight": blended.weights[member.name],
        **_worth(blended, member.name),
        "auc_raw": raw,
        "files": member.files,
    }


def _worth(blended: Blended, name: str) -> dict[str, Any]:
    """What one column scores: in every fold, on all held-out rows by ranks inside folds, and on the validation set."""
    val = blended.val[~blended.val["imputed"].astype(bool)]
    worth: dict[str, Any] = {"auc_val": _auc(val["target"], val[name])}
    if name not in blended.oof:
        return {**worth, "auc": None, "folds": {}, "fold_mean": None, "fold_sd": None, "tpr": {}}
    target_N, score_N = blended.oof["target"].to_numpy(), blended.oof[name].to_numpy()
    group_N = np.unique(blended.oof["group"], return_inverse=True)[1] if "group" in blended.oof else None
    by_fold = {str(fold): _auc(rows["target"], rows[name]) for fold, rows in blended.oof.groupby("fold")}
    known = [value for value in by_fold.values() if value is not None]
    return {
        **worth,
        "auc": asdict(auc_interval(placements(target_N, score_N, group_N))),
        "folds": by_fold,
        "fold_mean": float(np.mean(known)) if known else None,
        "fold_sd": float(np.std(known, ddof=1)) if len(known) > 1 else None,
        "tpr": {str(fpr): tpr_at_fpr(target_N, score_N, fpr) for fpr in FALSE_ALARMS},
    }


def _raw_blend(method: Method, team: Team, blended: Blended) -> float | None:
    """AUC of the same blend as if one model had scored all held-out rows: what pooling raw scores shows."""
    held = held_out(team)
    if BLEND not in blended.oof:
        return None
    features_HN = method.features(held.logits_HN, np.zeros(len(blended.oof), np.int64))
    weights_H = np.array([blended.weights[name] for name in held.names])
    return _auc(blended.oof["target"], combine(features_HN, weights_H))


def _auc(target: ArrayLike, score: ArrayLike) -> float | None:
    """None where the labels are unknown or of one class only."""
    return auc(target, score) if set(np.unique(np.asarray(target)).tolist()) == {0, 1} else None


def tables(card: Mapping[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(members, folds) as people read them. members: name, weight, auc, low, high, mean, sd, auc_raw, val_auc, tpr_*;
    folds: name, fold, auc. The last row of members, and the last folds, are the blend's."""
    lines = [*card["members"], {"name": BLEND, "weight": np.nan, **card["blend"]}]
    members = pd.DataFrame([_line(line) for line in lines])
    spread = [
        {"name": line["name"], "fold": fold, "auc": value} for line in lines for fold, value in line["folds"].items()
    ]
    return members, pd.DataFrame(spread, columns=["name", "fold", "auc"]).astype({"auc": float})


def _line(line: Mapping[str, Any]) -> dict[str, Any]:
    interval = line["auc"] or {"value": np.nan, "low": np.nan, "high": np.nan}
    numbers = {"mean": "fold_mean", "sd": "fold_sd", "auc_raw": "auc_raw", "val_auc": "auc_val"}
    return {
        "name": line["name"],
        "weight": line["weight"],
        "auc": interval["value"],
        "low": interval["low"],
        "high": interval["high"],
        **{name: np.nan if line[key] is None else line[key] for name, key in numbers.items()},
        **{f"tpr_{fpr}": value for fpr, value in line["tpr"].items()},
    }
