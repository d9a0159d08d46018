"""`ffdi blend`: blend the members, show what the blend is worth, write it and its submission."""

import math
from dataclasses import asdict

import pandas as pd

from ffdi.blending import saved
from ffdi.blending.advice import sentences
from ffdi.blending.card import inputs
from ffdi.blending.choose import Choice
from ffdi.blending.forecast import BOARDS, Forecast
from ffdi.blending.nested import honest_table
from ffdi.blending.result import BlendResult, blend
from ffdi.cli.project import Project
from ffdi.core import checksum, console
from ffdi.core.errors import UserError
from ffdi.core.layout import CARD
from ffdi.metrics.delong import Interval
from ffdi.report.page import Page, write_safely
from ffdi.submission.folder import Published, publish


def run(project: Project) -> None:
    """Blend, show, write `blend.parquet` and `card.json`, then the submission and the page."""
    result = blend(project.recipe, project.competition, project.places, project.images)
    for warning in result.warnings:
        console.warn(warning)
    _show_members(result.members, result.choice.method.name)
    _show_methods(result.choice)
    if result.forecast is not None:
        _show_forecast(result.forecast)
    console.say(f"blend: {saved.save(result, project.places)}")
    made, name = inputs(result.card), project.recipe.name
    folder = project.places.submissions
    done = publish(result.submission, result.card, made, project.competition, folder, name, result.reference)
    if project.own_data:
        _keep_beside_recipe(project, done)
    console.say(f"submission: {done.csv}" + (" (there already: same inputs, same bytes)" if done.reused else ""))
    write_safely(project.places.report("blend"), lambda: _page(project, result, done))


def _keep_beside_recipe(project: Project, done: Published) -> None:
    """Write the card beside the recipe; its folder may be read-only, as Kaggle's inputs are."""
    path = project.recipe_path.with_suffix(f".{CARD}")
    try:
        checksum.write_json(path, done.card)
    except UserError as error:
        console.warn(f"The card stays in {done.folder} alone: {error}")


def _show_members(members: pd.DataFrame, method: str) -> None:
    tprs = [name for name in members.columns if name.startswith("tpr_")]
    columns = ["member", "weight", "OOF AUC (95 %)", "folds, mean ± sd", "val AUC"]
    columns += [f"TPR at {name.removeprefix('tpr_')}" for name in tprs]
    rows = [
        [
            row["name"],
            _number(row["weight"], ".3f"),
            f"{_number(row['auc'])} ({_number(row['low'])}-{_number(row['high'])})",
            f"{_number(row['mean'])} ± {_number(row['sd'])}",
            _number(row["val_auc"]),
            *[_number(row[name], ".3f") for name in tprs],
        ]
        for row in members.to_dict("records")
    ]
    console.table(f"blend: {method}; OOF ranks made inside each fold, those of the blend nested", columns, rows)


def _show_methods(choice: Choice) -> None:
    if choice.found is not None:
        columns = ["method", "in-sample AUC", "nested AUC (95 %)", "optimism", "nested gain over rank_mean (95 %)"]
        rows = [
            [
                f"{row['method']} *" if row["method"] == choice.row else row["method"],
                _number(row["in_sample"]),
                f"{_number(row['nested'])} ({_number(row['low'])}-{_number(row['high'])})",
                _number(row["optimism"], "+.4f"),
                f"{row['gain']:+.4f} ({row['gain_low']:+.4f} to {row['gain_high']:+.4f})",
            ]
            for row in honest_table(choice.found).to_dict("records")
        ]
        console.table("the honest table: weights fitted to the other folds (* blends)", columns, rows)
    console.say(choice.why)


def _show_forecast(found: Forecast) -> None:
    kinds = "unseen" if found.leads == "unseen" else "seen"
    spans = [] if found.leads == "none" else list(BOARDS)
    rows = [
        [
            f"{name} *" if name == found.best else name,
            *(_span(getattr(one, kinds)[board]) for board in spans),
            "-" if name == found.best else f"{one.chance:.0%}",
            f"{one.correlation:.3f}",
        ]
        for name, one in found.candidates.items()
    ]
    columns = [
        "candidate",
        *(f"{board} AUC (90 %)" for board in spans),
        "beats * on private",
        "rank correlation with *",
    ]
    public, private = found.board.public_rows, found.board.private_rows
    console.table(f"the board: {public:,} public, {private:,} private images; kinds of forgery {kinds}", columns, rows)
    for sentence in sentences(asdict(found) | {"board": found.board.model_dump()}):
        console.say(sentence)


def _span(span: Interval) -> str:
    return f"{span.value:.4f} ({span.low:.4f}-{span.high:.4f})"


def _number(value: float, form: str = ".4f") -> str:
    return "-" if value is None or math.isnan(value) else f"{value:{form}}"


def _page(project: Project, result: BlendResult, done: Published) -> Page:
    from ffdi.report import blend as report

    return report.page(done.card, result.blended.oof, str(done.csv), project.images)
