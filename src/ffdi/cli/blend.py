"""`ffdi blend`: what the members are worth together, and the submission."""

import math
from pathlib import Path

import pandas as pd

from ffdi.base import console, seal
from ffdi.blend.card import inputs
from ffdi.blend.result import BlendResult, blend
from ffdi.cli.desk import Desk
from ffdi.submit.folder import Published, publish


def run(desk: Desk) -> None:
    result = blend(desk.recipe, desk.competition, desk.places)
    for warning in result.warnings:
        console.warn(warning)
    _show(result.members)
    done = publish(
        result.submission,
        result.card,
        inputs(result.card),
        desk.competition,
        desk.places.submissions,
        desk.recipe.name,
        result.reference,
    )
    seal.write_json(desk.recipe_path.with_suffix(".card.json"), done.card)
    console.say(f"submission: {done.csv}" + (" (there already: same inputs, same bytes)" if done.reused else ""))
    _page(desk, result, done)


def _show(members: pd.DataFrame) -> None:
    tprs = [name for name in members.columns if name.startswith("tpr_")]
    columns = ["member", "weight", "OOF AUC (95 %)", "folds, mean ± sd", "raw pooled", "val AUC"]
    columns += [f"TPR at {name.removeprefix('tpr_')}" for name in tprs]
    rows = [
        [
            row["name"],
            _number(row["weight"], "{:.3f}"),
            f"{_number(row['auc'])} ({_number(row['low'])}-{_number(row['high'])})",
            f"{_number(row['mean'])} ± {_number(row['sd'])}",
            _number(row["auc_raw"]),
            _number(row["val_auc"]),
            *[_number(row[name], "{:.3f}") for name in tprs],
        ]
        for row in members.to_dict("records")
    ]
    console.table("blend: ranks made inside each fold, then averaged", columns, rows)


def _number(value: float, form: str = "{:.4f}") -> str:
    return "-" if value is None or math.isnan(value) else form.format(value)


def _page(desk: Desk, result: BlendResult, done: Published) -> None:
    from ffdi.report import blend as report
    from ffdi.report import page
    from ffdi.report.provenance import provenance

    digests = {
        "recipe": result.card["recipe"]["digest"],
        "manifest": result.card["manifest"],
        "folds": result.card["folds"]["digest"],
    }
    submission = {"file": str(done.csv), "sha256": done.card["submission"]["sha256"], "date": done.card["date"]}
    shown = report.page(
        result.members,
        result.folds,
        result.blended.oof,
        submission,
        _folder_with_images(desk.images, result),
        provenance("ffdi blend", digests),
    )
    path = desk.places.report("blend")
    page.write(path, shown)
    console.say(f"page: {path}")


def _folder_with_images(images: Path, result: BlendResult) -> Path | None:
    """Blending needs no images: on a laptop without them the page goes without its contact sheet."""
    first = result.blended.oof["relpath"].iloc[0] if len(result.blended.oof) else ""
    return images if first and (images / first).is_file() else None
