"""Choose the method that blends: the recipe's own, or by the one-standard-error rule on nested scores.

The rule (Breiman and others, 1984): take the simplest method within one standard error of the best. Nested scores of
the same rows are paired, so the standard error of a difference is small. Simple is to leave the members' weights equal,
also after dropping members.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ffdi.blending.methods import CANDIDATES, METHODS, Array, Method
from ffdi.blending.nested import AUTO, BASELINE, NestedTable, OofRows, gather, nested_table
from ffdi.blending.oof import Team
from ffdi.config.recipe import Blend
from ffdi.metrics.delong import Placements, gain_interval

SINGLE = "best_single"


@dataclass(frozen=True)
class Choice:
    """`why`: one sentence. `found`: None if no held-out row tells methods apart. `row`: the row of the table that says
    what the blend is worth; for "auto" that of the choice itself, which does not profit from choosing; "" where the
    recipe gives the weights, which are fitted to nothing."""

    method: Method
    why: str
    found: NestedTable | None
    row: str

    @property
    def nested_N(self) -> Array | None:
        """Return the nested scores of the blend on the out-of-fold rows of the canonical team, if there are any."""
        return None if self.found is None else self.found.scores.get(self.row)


def choose(placed: Mapping[str, Placements]) -> str:
    """Return the first candidate within one paired standard error of the best and not beaten by the best single member.

    `placed` has the placements of nested scores by method, from the simplest on. A method is beaten by "best_single" if
    the 95 % interval of the difference lies below 0.
    """
    names = [name for name in placed if name in CANDIDATES]
    best = max(names, key=lambda name: placed[name].value)
    for name in names:
        short = placed[best] - placed[name]
        beaten = SINGLE in placed and gain_interval(placed[SINGLE] - placed[name]).low > 0
        if short.value <= short.se() and not beaten:
            return name
    return best


def decide(config: Blend, team: Team) -> Choice:
    """Return the method for a team. Weights in the recipe win, then its method, then the rule."""
    method = METHODS[BASELINE if config.method == AUTO else config.method]
    if not team.members_with_oof:
        why = f"{method.name}: every member was trained on all rows, so no held-out row tells methods apart."
        return Choice(method, why, None, method.name)
    rows = gather(team)
    obstacle = _obstacle(rows)
    if obstacle:
        fitted = method.fits != "nothing" and not config.weights and len(rows.names) > 1
        method = METHODS[BASELINE] if fitted else method  # fitted weights would be scored on their own rows
        return Choice(method, f"{method.name}: {obstacle}", None, method.name)
    found = nested_table(rows, choose)
    if config.weights:
        return Choice(method, f"The recipe gives the weights; without them {_verdict(found)}", found, "")
    if config.method == AUTO:
        return Choice(METHODS[found.choice], f"auto: {_verdict(found)}", found, AUTO)
    return Choice(method, f"The recipe names {method.name}; auto says: {_verdict(found)}", found, method.name)


def _obstacle(rows: OofRows) -> str:
    """Return why the table cannot be made, as the end of a sentence; empty if it can."""
    if len(rows.names) == 1:
        return "only one member held rows out, so there is nothing to weigh."
    for part in np.unique(rows.part_N).tolist():
        if rows.lacks_class(part):
            return f"the rows outside part {part} lack a class, so weights cannot be fitted there."
    return ""


def _verdict(found: NestedTable) -> str:
    """Return one sentence: the choice, the best, and how far apart they are."""
    mine = found.placements[found.choice].value
    best = max(CANDIDATES, key=lambda name: found.placements[name].value)
    if best == found.choice:
        return f"{best} is taken; its nested AUC of {mine:.4f} is the highest, and no simpler method does as well."
    short = found.placements[best] - found.placements[found.choice]
    return (
        f"{found.choice} is taken (nested AUC {mine:.4f}), the simplest method within one standard error of the best, "
        f"{best} ({short.value:+.4f} ± {short.se():.4f})."
    )
