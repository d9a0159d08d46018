"""Which method blends, why, and what each would be worth: the recipe's wish held against the honest table."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ffdi.blend.apply import held_out
from ffdi.blend.features import Array
from ffdi.blend.honest import YARDSTICK, Honest, honest
from ffdi.blend.members import Team, canonical
from ffdi.blend.methods import METHODS, Method
from ffdi.blend.weights import Target, shares
from ffdi.spec.recipe import Blend

AUTO = "auto"
GIVEN = "given_weights"  # the row of the recipe's own weights


@dataclass(frozen=True)
class Choice:
    """`why`: a sentence. `found` is None where no held-out row can tell methods apart. `row`: of the method in it."""

    method: Method
    why: str
    found: Honest | None
    row: str

    @property
    def nested_N(self) -> Array | None:
        """Honest scores of the blend on the rows of the canonical team, if there are any."""
        return None if self.found is None else self.found.scores.get(self.row)


def decide(wish: Blend, team: Team) -> Choice:
    """Weights in the recipe win, then its method; "auto" takes the simplest method that is not beaten beyond noise."""
    method = METHODS[YARDSTICK if wish.method == AUTO else wish.method]
    blind = _blind(team)
    if blind:
        return Choice(method, f"{method.name}: {blind}", None, method.name)
    given = _given(wish.weights, method, held_out(canonical(team)).names)
    found = honest(team, given=given)
    if wish.weights:
        return Choice(method, f"The recipe gives the weights; without them {_verdict(found)}", found, GIVEN)
    if wish.method == AUTO:
        return Choice(METHODS[found.choice], f"auto: {_verdict(found)}", found, found.choice)
    return Choice(method, f"The recipe names {method.name}; left to itself {_verdict(found)}", found, method.name)


def _blind(team: Team) -> str:
    """Why the table cannot be made, as the end of a sentence; empty if it can."""
    held = [member for member in team.members if member.oof_N is not None]
    if not held:
        return "every member was fitted on all rows, so no held-out row tells methods apart."
    if len(held) == 1:
        return "one member alone held rows out, so there is nothing to weigh."
    folds_N, target_N = team.oof["fold"].to_numpy(), team.oof["target"].to_numpy()
    for fold in np.unique(folds_N):
        if min(np.bincount(target_N[folds_N != fold], minlength=2)) < 2:
            return f"the folds but {fold} lack a class, so weights cannot be learned there."
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
        f"{found.choice} is taken, the simplest method that none beats beyond noise; nested it gains {gain.value:+.4f} "
        f"over {YARDSTICK} ({gain.low:+.4f} to {gain.high:+.4f})."
    )
