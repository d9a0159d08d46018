"""The blend on disk: `blend.parquet` and `card.json`, written once by `ffdi blend` and read by everything after it.

The card says what went into the blend, and what it is worth. Shapes: N rows.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ffdi.blending.apply import BLEND, Blended
from ffdi.blending.choose import Choice
from ffdi.blending.forecast import Forecast
from ffdi.blending.nested import honest_table
from ffdi.blending.oof import MemberLogits, Team
from ffdi.config.competition import Competition
from ffdi.config.recipe import Recipe
from ffdi.core import checksum, digest
from ffdi.core.digest import code_digest
from ffdi.core.errors import UserError
from ffdi.core.layout import Workspace
from ffdi.data import manifest as manifests
from ffdi.metrics.auc import auc, tpr_at_fpr
from ffdi.metrics.delong import delong, group_numbers
from ffdi.training.job import digest_of, plan

NO_FOLD = -1
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


@dataclass(frozen=True)
class SavedBlend:
    """`table`: id, split, relpath, target (-1 unknown), fold (-1 none), group (-1 unknown), imputed, `blend`, and a
    column of logits a member: the mean over its fold models; NaN on out-of-fold rows if it held none out."""

    card: dict[str, Any]
    table: pd.DataFrame

    @cached_property
    def oof(self) -> pd.DataFrame:
        """Return the out-of-fold rows; their `blend` has nested ranks inside folds, NaN if no member held rows out."""
        return self.table[self.table["fold"] != NO_FOLD].reset_index(drop=True)

    @property
    def weights(self) -> dict[str, float]:
        return {member["name"]: member["weight"] for member in self.card["members"]}


def save(blend: SavedBlend, places: Workspace) -> Path:
    """Write table and card of a blend, the card last; return their folder."""
    name, made = blend.card["recipe"]["name"], inputs(blend.card)
    path = places.blend_table(name)
    checksum.write_table(path, blend.table, {"inputs": made})
    checksum.write_json(places.blend_card(name), {**blend.card, "inputs": made})
    return path.parent


def load(recipe: Recipe, competition: Competition, places: Workspace) -> SavedBlend:
    """Read the blend of a recipe.

    Args:
        recipe: Whose blend is read.
        competition: The recipe's.
        places: Where artefacts lie.

    Raises:
        UserError: there is none, or it was made from other inputs than are here now; the remedy is `ffdi blend`.
        CorruptError: a file is damaged.
    """
    table_path, card_path = places.blend_table(recipe.name), places.blend_card(recipe.name)
    if not card_path.exists():
        raise UserError(f"{card_path} does not exist; run `ffdi blend` with this recipe first.")
    card = checksum.read_json(card_path)
    made, facts = card.pop("inputs"), checksum.read_facts(table_path)
    if made != facts["inputs"] or made != _inputs_now(recipe, competition, places):
        raise UserError(f"{card_path} was made from other runs, data or code; run `ffdi blend` with this recipe again.")
    return SavedBlend(card, checksum.read_table(table_path))


def table(team: Team, blended: Blended) -> pd.DataFrame:
    """Return the frame of `blend.parquet`. `team` is canonical."""
    no_oof_N = np.full(len(blended.oof), np.nan)
    oof = {one.name: no_oof_N if one.oof_N is None else one.oof_N for one in team.members}
    val = {one.name: one.val_KV.mean(axis=0) for one in team.members}
    test = {one.name: one.test_KT.mean(axis=0) for one in team.members}
    parts = [
        _part(blended.oof, oof),
        _part(blended.val, val).assign(split="val"),
        _part(blended.test, test).assign(split="test"),
    ]
    whole = pd.concat([part for part in parts if len(part)], ignore_index=True)
    whole["imputed"] = whole["imputed"].eq(True)
    filled = whole.fillna({"fold": NO_FOLD, "group": -1})
    return filled.astype({"target": "int8", "fold": "int16", "group": "int64"})


def _part(rows: pd.DataFrame, logits: dict[str, np.ndarray]) -> pd.DataFrame:
    kept = rows.reindex(columns=["id", "split", "relpath", "target", "fold", "group", "imputed"])
    return kept.assign(**logits, **{BLEND: rows.get(BLEND, np.nan)})


def _inputs_now(recipe: Recipe, competition: Competition, places: Workspace) -> str:
    """Return the digest of the inputs as they are on disk now."""
    manifest = manifests.read(places)
    folds = checksum.read_table(places.folds(recipe.folds.scheme))
    jobs = plan(recipe, competition, manifest, folds, Path(), places)
    members: dict[str, dict[str, Any]] = {}
    for job in sorted(jobs, key=lambda job: (job.member.name, str(job.fold))):
        files = checksum.read_json(job.folder.done)["files"] if job.folder.done.exists() else {}
        member = members.setdefault(job.member.name, {"name": job.member.name, "spec": job.spec, "files": {}})
        member["files"] |= {f"fold{job.fold}/{name}": digest for name, digest in sorted(files.items())}
    return inputs(
        {**made_from(recipe, manifests.digest(manifest), digest_of(folds)), "members": list(members.values())}
    )
