"""The card of a blend: what went in, and what it is worth.

Shapes: N rows.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ffdi.blending.apply import BLEND, Blended
from ffdi.blending.choose import Choice
from ffdi.blending.forecast import Forecast
from ffdi.blending.nested import honest_table
from ffdi.blending.oof import MemberLogits, Team
from ffdi.config.recipe import Recipe
from ffdi.core import digest
from ffdi.core.digest import code_digest
from ffdi.metrics.auc import auc, tpr_at_fpr
from ffdi.metrics.delong import delong, group_numbers

FALSE_POSITIVE_RATES = (1e-2, 5e-3, 1e-3)  # the contest breaks ties at 1e-3; its paper reports all three
# Say where and how fast, or what was tried; not what comes out.
NO_EFFECT_ON_SCORES: Any = {
    "data": {"folder", "workers", "folds_per_device"}, "cluster": True, "search": True, "forge": True,
}  # fmt: skip


def made_from(recipe: Recipe, manifest: str, folds: str) -> dict[str, Any]:
    """Return the part of a card that says what it was made from.

    Args:
        recipe: Of the blend.
        manifest: Its digest.
        folds: Digest of the fold table.
    """
    decisive = recipe.model_dump(mode="json", exclude=NO_EFFECT_ON_SCORES)
    return {
        "recipe": {"name": recipe.name, "digest": digest.of_json(decisive)},
        "competition": recipe.competition,
        "manifest": manifest,
        "folds": {**recipe.folds.model_dump(mode="json"), "digest": folds},
        "code": code_digest(),
    }


def card(
    recipe: Recipe,
    choice: Choice,
    forecast: Forecast | None,
    team: Team,
    blended: Blended,
    manifest: str,
    folds: str,
) -> dict[str, Any]:
    """Return all but the file that is sent and its date, which `submission.folder` adds.

    Args:
        recipe: the recipe.
        choice: the method and why.
        forecast: of the leaderboard, if there is one.
        team: the members.
        blended: scores and weights.
        manifest: digest of the manifest.
        folds: digest of the fold table.
    """
    return {
        **made_from(recipe, manifest, folds),
        "method": choice.method.name,
        "why": choice.why,
        "prior": blended.prior,
        "honest": [] if choice.found is None else honest_table(choice.found, choice.row).to_dict("records"),
        "forecast": None if forecast is None else asdict(forecast) | {"board": forecast.board.model_dump()},
        "members": [_member(recipe, member, blended) for member in team.members],
        "blend": _scores(blended, BLEND),
    }


def inputs(card: Mapping[str, Any]) -> str:
    """Return the digest of what decides the submission: recipe, data, folds, code and the members' files."""
    files = [[member["name"], member["spec"], member["files"]] for member in card["members"]]
    return digest.of_json([card[name] for name in ("recipe", "manifest", "folds", "code")] + files)


def _member(recipe: Recipe, member: MemberLogits, blended: Blended) -> dict[str, Any]:
    config = next(one for one in recipe.member if one.name == member.name)
    return {
        "name": member.name,
        "model": config.model,
        "spec": member.spec,
        "tta": list(config.tta),
        "weight": blended.weights[member.name],
        **_scores(blended, member.name),
        "files": member.files,
    }


def _scores(blended: Blended, name: str) -> dict[str, Any]:
    """Return the AUC of one column on all out-of-fold rows, in every fold, and on the validation rows."""
    val = blended.val[~blended.val["imputed"].astype(bool)]
    found: dict[str, Any] = {"auc_val": _auc(val["target"], val[name])}
    if name not in blended.oof:
        return {**found, "auc": None, "folds": {}, "fold_mean": None, "fold_sd": None, "tpr": {}}
    target_N, score_N = blended.oof["target"].to_numpy(), blended.oof[name].to_numpy()
    by_fold = {str(fold): _auc(rows["target"], rows[name]) for fold, rows in blended.oof.groupby("fold")}
    known = [value for value in by_fold.values() if value is not None]
    return {
        **found,
        "auc": asdict(delong(target_N, score_N, group_numbers(blended.oof.get("group"), len(blended.oof)))),
        "folds": by_fold,
        "fold_mean": float(np.mean(known)) if known else None,
        "fold_sd": float(np.std(known, ddof=1)) if len(known) > 1 else None,
        "tpr": {str(fpr): tpr_at_fpr(target_N, score_N, fpr) for fpr in FALSE_POSITIVE_RATES},
    }


def _auc(target: ArrayLike, score: ArrayLike) -> float | None:
    """Return the AUC; None if the labels are unknown or of one class."""
    return auc(target, score) if set(np.unique(np.asarray(target)).tolist()) == {0, 1} else None


def members_table(card: Mapping[str, Any]) -> pd.DataFrame:
    """Return a row for the blend, then one a member by falling OOF AUC.

    Columns: name, weight, auc, low, high, mean, sd, val_auc, tpr_*.
    """
    lines = [{"name": BLEND, "weight": np.nan, **card["blend"]}, *card["members"]]
    rows = pd.DataFrame([_line(line) for line in lines])
    return pd.concat([rows.iloc[:1], rows.iloc[1:].sort_values("auc", ascending=False)], ignore_index=True)


def _line(line: Mapping[str, Any]) -> dict[str, Any]:
    interval = line["auc"] or {"value": np.nan, "low": np.nan, "high": np.nan}
    numbers = {"mean": "fold_mean", "sd": "fold_sd", "val_auc": "auc_val"}
    return {
        "name": line["name"],
        "weight": line["weight"],
        "auc": interval["value"],
        "low": interval["low"],
        "high": interval["high"],
        **{name: np.nan if line[key] is None else line[key] for name, key in numbers.items()},
        **{f"tpr_{fpr}": value for fpr, value in line["tpr"].items()},
    }
