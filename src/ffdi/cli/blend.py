"""`ffdi blend`: what the members are worth together, and the submission."""

import math
from collections.abc import Sequence

import pandas as pd

from ffdi.blending.budget import Budget
from ffdi.blending.card import inputs
from ffdi.blending.choice import Choice
from ffdi.blending.cost import MEMBERS, MINUTES
from ffdi.blending.forecast import Forecast, sentences
from ffdi.blending.honest import table
from ffdi.blending.result import BlendResult, blend
from ffdi.blending.views import MemberViews
from ffdi.cli.desk import Desk
from ffdi.core import checksum, console
from ffdi.core.errors import UserError
from ffdi.report.page import Page, write_safely
from ffdi.submission.folder import Published, publish

SHOWN = 10  # sizes of a blend on the console; the page has them all


def run(desk: Desk) -> None:
    result = blend(desk.recipe, desk.competition, desk.places)
    for warning in result.warnings:
        console.warn(warning)
    _show(result.members, result.choice.method.name)
    _show_honest(result.choice)
    if result.outlook is not None:
        _show_forecast(result.outlook)
    if result.views:
        _show_views(result.views)
    if result.budget is not None:
        _show_budget(result.budget)
    done = publish(
        result.submission,
        result.card,
        inputs(result.card),
        desk.competition,
        desk.places.submissions,
        desk.recipe.name,
        result.reference,
    )
    if desk.own_data:
        _keep_beside_recipe(desk, done)
    console.say(f"submission: {done.csv}" + (" (there already: same inputs, same bytes)" if done.reused else ""))
    write_safely(desk.places.report("blend"), lambda: _page(desk, result, done))


def _keep_beside_recipe(desk: Desk, done: Published) -> None:
    """What the recipe came to, for the next reader; its folder may be read-only, as Kaggle's inputs are."""
    path = desk.recipe_path.with_suffix(".card.json")
    try:
        checksum.write_json(path, done.card)
    except UserError as error:
        console.warn(f"The card stays in {done.folder} alone: {error}")


def _show(members: pd.DataFrame, method: str) -> None:
    tprs = [name for name in members.columns if name.startswith("tpr_")]
    columns = ["member", "weight", "held-out AUC (95 %)", "folds, mean ± sd", "raw pooled", "val AUC"]
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
    console.table(f"blend: {method}; held-out ranks made inside each fold, those of the blend nested", columns, rows)


def _show_honest(choice: Choice) -> None:
    if choice.found is not None:
        columns = ["method", "in-sample AUC", "nested AUC (95 %)", "optimism", "nested gain over rank_mean (95 %)"]
        rows = [
            [
                f"{row['method']} *" if row["method"] == choice.row else row["method"],
                _number(row["in_sample"]),
                f"{_number(row['nested'])} ({_number(row['low'])}-{_number(row['high'])})",
                _number(row["optimism"], "{:+.4f}"),
                f"{row['gain']:+.4f} ({row['gain_low']:+.4f} to {row['gain_high']:+.4f})",
            ]
            for row in table(choice.found).to_dict("records")
        ]
        console.table("what each method is worth: weights learned on the other folds (* blends)", columns, rows)
    console.say(choice.why)


def _show_forecast(outlook: Forecast) -> None:
    rows = [
        [
            f"{name} *" if name == outlook.best else name,
            f"{one.public.value:.4f} ({one.public.low:.4f}-{one.public.high:.4f})",
            f"{one.private.value:.4f} ({one.private.low:.4f}-{one.private.high:.4f})",
            "-" if name == outlook.best else f"{one.chance:.0%}",
            f"{one.likeness:.3f}",
        ]
        for name, one in outlook.outlooks.items()
    ]
    columns = ["candidate", "public AUC (90 %)", "private AUC (90 %)", "beats * on private", "rank correlation with *"]
    if outlook.gap.lost:
        columns.append("private, unseen kinds: from")
        for row, one in zip(rows, outlook.outlooks.values(), strict=True):
            row.append(f"{one.lowest['private']:.4f}")
    public, private = outlook.board.public_rows, outlook.board.private_rows
    title = f"the board: {public:,} public, {private:,} private images, if of the kinds seen; from nested scores"
    console.table(title, columns, rows)
    for sentence in sentences(outlook):
        console.say(sentence)


def _show_views(members: Sequence[MemberViews]) -> None:
    rows = [
        [
            one.member,
            f"{one.base_auc:.4f}",
            f"{one.all_gain.value:+.4f} ({one.all_gain.low:+.4f} to {one.all_gain.high:+.4f})",
            f"{one.cost([view.name for view in one.views]):.3g}",
            ", ".join(one.chosen),
            f"{one.nested_gain.value:+.4f} ({one.nested_gain.low:+.4f} to {one.nested_gain.high:+.4f})",
            f"{one.cost(one.chosen):.3g}",
        ]
        for one in members
    ]
    columns = ["member", "plain AUC", "all views gain (95 %)", "cost", "picked", "nested gain (95 %)", "cost"]
    console.table("what test-time views buy; cost in plain views", columns, rows)


def _show_budget(found: Budget) -> None:
    units = [cost.unit for cost in found.costs if cost.unit != MEMBERS]
    rows = [
        [
            len(one.members),
            *[f"{one.costs[unit]:,.2f}" if unit == MINUTES else f"{one.costs[unit]:,.0f}" for unit in units],
            f"{one.nested.value:.4f} ({one.nested.low:.4f}-{one.nested.high:.4f})",
            ", ".join(one.members),
        ]
        for one in found.grown[:SHOWN]
    ]
    limits = "".join(f"; limit {cost.limit:,.10g} {cost.unit}" for cost in found.costs if cost.limit is not None)
    title = f"members by what they add, equal weights{limits}"
    console.table(title, ["members", *units, "nested AUC (95 %)", "who"], rows)


def _number(value: float, form: str = "{:.4f}") -> str:
    return "-" if value is None or math.isnan(value) else form.format(value)


def _page(desk: Desk, result: BlendResult, done: Published) -> Page:
    from ffdi.report import blend as report

    return report.page(done.card, result.blended.oof, str(done.csv), desk.images)
