"""The blend on disk: `blend.parquet` and `card.json`, written once by `ffdi blend` and read by everything after it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ffdi.blending.apply import BLEND, Blended
from ffdi.blending.card import inputs, made_from
from ffdi.blending.oof import Team
from ffdi.config.competition import Competition
from ffdi.config.recipe import Recipe
from ffdi.core import checksum
from ffdi.core.errors import UserError
from ffdi.core.layout import Workspace
from ffdi.data import manifest as manifests
from ffdi.training.job import digest_of, plan

if TYPE_CHECKING:
    from ffdi.blending.result import BlendResult

NO_FOLD = -1


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


def save(result: "BlendResult", places: Workspace) -> Path:
    """Write table and card of a blend, the card last; return their folder."""
    name = result.card["recipe"]["name"]
    table, card = places.blend_table(name), places.blend_card(name)
    made = inputs(result.card)
    checksum.write_table(table, result.table, {"inputs": made})
    checksum.write_json(card, {**result.card, "inputs": made})
    return table.parent


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
