"""Which method blends, why, and what each would be worth: the recipe's wish held against the honest table."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ffdi.blending.evidence import Evidence, gather
from ffdi.blending.features import Array
from ffdi.blending.honest import AUTO, YARDSTICK, Honest, honest
from ffdi.blending.members import Team
from ffdi.blending.methods import METHODS, Method
from ffdi.blending.weights import Target, shares
from ffdi.config.recipe import Blend

GIVEN = "given_weights"  # the row of the recipe's own weights
UNSEEN = "every member was fitted on all rows, so no held-out row tells methods apart."


@dataclass(frozen=True)
class Choice:
    """`why`: a sentence. `found` is None where no held-out row can tell methods apart. `row`: what the blend is worth
    stands there; for "auto" that is the row of the choice itself, which flatters nobody."""

    method: Method
    why: str
    found: Honest | None
    row: str

    @property
    def nested_N(self) -> Array | None:
        """Honest scores of the blend on the rows of the canonical team, if there are any."""
        return None if self.found is None else self.found.scores.get(self.row)


def decide(wish: Blend, team: Team) -> Choice:
    """Weights in the recipe win, then its method; "auto" takes equal ranks, or what beats them beyond noise."""
    method = METHODS[YARDSTICK if wish.method == AUTO else wish.method]
    if all(member.oof_N is None for member in team.members):
        return Choice(method, f"{method.name}: {UNSEEN}", None, method.name)
    known = gather(team, wish.weight_splits)
    blind = _blind(known)
    if blind:
        return Choice(method, f"{method.name}: {blind}", None, method.name)
    given = None if method.races else method
    if wish.weights:
        given = _given(wish.weights, method, known.held.names)
    found = honest(team, given=given, fit=wish.weight_splits, drawn=wish.interval == "bootstrap")
    if wish.weights:
        return Choice(method, f"The recipe gives the weights; without them {_verdict(found)}", found, GIVEN)
    if wish.method == AUTO:
        return Choice(METHODS[found.choice], f"auto: {_verdict(found)}", found, AUTO)
    return Choice(method, f"The recipe names {method.name}; left to itself {_verdict(found)}", found, method.name)


def _blind(known: Evidence) -> str:
    """Why the table cannot be made, as the end of a sentence; empty if it can."""
    if len(known.held.names) == 1:
        return "one member alone held rows out, so there is nothing to weigh."
    for part in np.unique(known.part_N[: known.oof]).tolist():
        if min(np.bincount(known.target_N[known.learns_N & (known.part_N != part)], minlength=2)) < 2:
            return f"the rows but those of part {part} lack a class, so weights cannot be learned there."
    return ""


def _given(weights: Mapping[str, float], method: Method, names: list[str]) -> Method | None:
    """The recipe's weights as a method that looks at no target; None if they leave no held-out member any weight."""
    weights_M = np.array([weights.get(name, 0.0) for name in names])
    if weights_M.sum() <= 0:
        return None

    def weigh(features_MN: Array, target_N: Target) -> Array:
        return shares(weights_M)

    return Method(GIVEN, method.features, weigh, method.squash)


def _verdict(found: Honest) -> str:
    if found.choice == YARDSTICK:
        return f"{YARDSTICK} is taken, since no other method beats it beyond noise."
    gain = found.estimates[found.choice].gain
    return (
        f"{found.choice} is taken, the simplest that beats {YARDSTICK} beyond noise; nested it gains {gain.value:+.4f} "
        f"over {YARDSTICK} ({gain.low:+.4f} to {gain.high:+.4f})."
    )
