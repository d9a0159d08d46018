import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffdi.core.errors import UserError
from ffdi.data.order import Order, epoch_length, epoch_order, in_sequence

SEEDS = st.integers(0, 2**31)
EPOCHS = st.integers(0, 50)


@st.composite
def both_classes(draw: st.DrawFn) -> np.ndarray:
    targets = [0, 1, *draw(st.lists(st.integers(0, 1), max_size=60))]
    return np.array(draw(st.permutations(targets)), np.int8)


@given(st.integers(1, 200), SEEDS, EPOCHS)
def test_a_plain_epoch_is_a_permutation(n: int, seed: int, epoch: int) -> None:
    order = epoch_order(np.zeros(n), seed, epoch)
    assert order.dtype == np.int64
    assert sorted(order) == list(range(n)) == list(range(epoch_length(np.zeros(n))))


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    targets = np.arange(40) % 2
    for balance in (False, True):
        orders = {epoch_order(targets, seed, epoch, balance).tobytes() for seed in range(5) for epoch in range(5)}
        assert len(orders) == 25


@given(both_classes(), SEEDS, EPOCHS)
def test_a_balanced_epoch_is_half_and_half_with_the_whole_rarer_class(
    targets: np.ndarray, seed: int, epoch: int
) -> None:
    order = epoch_order(targets, seed, epoch, balance=True)
    rarer = min(np.bincount(targets))
    assert len(order) == epoch_length(targets, balance=True) == 2 * rarer
    assert len(set(order)) == len(order)
    assert targets[order].sum() == rarer
    few = int(np.bincount(targets).argmin())
    assert set(np.flatnonzero(targets == few)) <= set(order) or (targets == few).sum() > rarer


@given(both_classes(), SEEDS, st.integers(0, 5))
def test_the_commoner_class_has_its_turn_before_anything_repeats(targets: np.ndarray, seed: int, cycle: int) -> None:
    counts = np.bincount(targets)
    epochs = max(counts) // min(counts)
    many = int(counts.argmax())
    seen = [
        row
        for epoch in range(cycle * epochs, (cycle + 1) * epochs)
        for row in epoch_order(targets, seed, epoch, balance=True)
        if targets[row] == many
    ]
    assert len(seen) == len(set(seen)) == epochs * min(counts)


@pytest.mark.parametrize(
    ("targets", "told"),
    [([0, 0, 0], "needs both classes"), ([1, 1], "needs both classes"), ([], "no image to train on")],
)
def test_rows_that_cannot_be_balanced_or_trained_on(targets: list[int], told: str) -> None:
    with pytest.raises(UserError, match=told):
        Order(np.array(targets), 2, 0, balance=True).steps_per_epoch  # noqa: B018


@given(both_classes(), st.integers(1, 9), SEEDS, st.booleans(), st.integers(0, 30))
def test_a_run_can_begin_at_any_step(targets: np.ndarray, batch: int, seed: int, balance: bool, begin: int) -> None:
    order = Order(targets, batch, seed, balance)
    whole, resumed = ([(epoch, rows.tolist()) for epoch, rows in order.batches(first, 40)] for first in (0, begin))
    assert whole[begin:] == resumed


@given(both_classes(), st.integers(1, 9), SEEDS)
def test_the_batches_of_an_epoch_are_its_order_cut_up(targets: np.ndarray, batch: int, seed: int) -> None:
    order = Order(targets, batch, seed)
    steps = order.steps_per_epoch
    assert steps == max(1, len(targets) // batch)
    for epoch in range(3):
        cut = list(order.batches(epoch * steps, (epoch + 1) * steps))
        assert {number for number, _ in cut} == {epoch}
        rows = np.concatenate([rows for _, rows in cut])
        assert rows.tolist() == epoch_order(targets, seed, epoch)[: len(rows)].tolist()
        assert len(rows) == min(len(targets), steps * batch)


def test_in_sequence_is_every_row_once() -> None:
    assert list(in_sequence(5, 2)) == [[(0, 0), (1, 0)], [(2, 0), (3, 0)], [(4, 0)]]
    assert list(in_sequence(0, 2)) == []
