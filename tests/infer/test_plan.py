"""What is dropped before a deadline, and in which order."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffdi.core.stop import Stop
from ffdi.infer.nets import flops
from ffdi.infer.plan import MARGIN, WINDOW, Pass, Plan, drop_order
from tests.fixtures.members import member

PASSES = [Pass(name, fold, view) for name in "abc" for fold in (0, 1) for view in ("hflip", "identity")]


def test_views_go_first_then_folds_then_members() -> None:
    assert [what for what, _ in drop_order(PASSES)] == [
        *(f"view hflip of {name}" for name in "cba"),
        *(f"fold 1 of {name}" for name in "cba"),
        *(f"member {name}" for name in "cb"),
    ]


@settings(max_examples=50)
@given(
    costs=st.lists(st.floats(0.1, 10), min_size=len(PASSES), max_size=len(PASSES)),
    rate=st.floats(0.01, 100),
    devices=st.integers(1, 3),
    split=st.integers(0, len(PASSES)),
    share=st.floats(0, 1.5),
)
def test_at_least_one_plain_net_sees_every_row_in_time(
    costs: list[float], rate: float, devices: int, split: int, share: float
) -> None:
    """Whatever the passes cost, in two groups one after the other: if one can be done, it is, and no batch is late.

    The least time that can be kept: all passes until the speed is known, then the dearest alone, and the margin.
    """
    cost = dict(zip(PASSES, costs, strict=True))
    batches, size = 40, 4
    whole = rate * batches * size * sum(costs)
    start = rate * size * 2 * WINDOW * devices * sum(costs)
    seconds = start + MARGIN * rate * batches * size * max(costs) + share * whole
    now = 0.0
    plan = Plan(cost, batches * size, devices, Stop(seconds, clock=lambda: now))
    for group in (PASSES[:split], PASSES[split:]):
        plan.restart_clock()
        for _ in range(batches):
            kept = [one for one in group if one in plan.kept]
            if not kept:
                break
            now += rate * size * sum(cost[one] for one in kept)
            plan.done(kept, size)
    assert not plan.unfinished
    assert PASSES[1] in plan.kept
    assert now <= seconds
    assert share < MARGIN or plan.dropped == []


def test_flops_are_those_of_the_paper() -> None:
    """ResNet-18 has 1.8e9 multiply-adds at 224 px (He et al. 2015, table 1); four times the pixels, four times that."""
    one = member("resnet18", image_size=224)
    assert flops(one) / 2 == pytest.approx(1.8e9, rel=0.02)
    assert flops(one, "scale:2") / flops(one) == pytest.approx(4, rel=0.01)
