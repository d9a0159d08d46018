"""What each test-time view buys, and what it costs."""

from collections.abc import Sequence

import pandas as pd

from ffdi.blending.views import MemberViews
from ffdi.report.page import Section
from ffdi.report.table import Table, interval, table

CAPTION = (
    "Gains are over the plain view alone, or the best one where it is not there. Picked: greedily, on all held-out "
    "rows; its gain is nested, picked on the other folds. Cost: predictions at the member's own size."
)
FORMATS = {"plain_AUC": ".4f", "all_gain": "+.4f", "picked_gain": "+.4f", "alone": ".4f", "buys": "+.4f"}
HEADINGS = {"picked_gain": "gain", "picked_interval": "95% interval", "picked_cost": "cost"}


def sections(members: Sequence[MemberViews]) -> tuple[Section, ...]:
    """None where no member has several views."""
    return (Section("Views", (_members(members), _views(members))),) if members else ()


def _members(members: Sequence[MemberViews]) -> Table:
    rows = [
        {
            "member": one.member,
            "plain_AUC": one.base_auc,
            "all_gain": one.all_gain.value,
            "95% interval": interval(one.all_gain.low, one.all_gain.high, "+.4f"),
            "cost": one.cost([view.name for view in one.views]),
            "picked": ", ".join(one.chosen),
            "picked_gain": one.nested_gain.value,
            "picked_interval": interval(one.nested_gain.low, one.nested_gain.high, "+.4f"),
            "picked_cost": one.cost(one.chosen),
        }
        for one in members
    ]
    return table(pd.DataFrame(rows), "What views buy each member", CAPTION, FORMATS, HEADINGS, most=100)


def _views(members: Sequence[MemberViews]) -> Table:
    rows = [
        {
            "member": one.member,
            "view": view.name,
            "alone": view.alone,
            "buys": view.buys.value,
            "95% interval": interval(view.buys.low, view.buys.high, "+.4f"),
            "cost": view.cost,
        }
        for one in members
        for view in one.views
    ]
    caption = "Buys: AUC of all views less that of all the others. An interval across 0 is noise."
    return table(pd.DataFrame(rows), "Each view", caption, FORMATS, {"alone": "AUC alone"}, most=200)
