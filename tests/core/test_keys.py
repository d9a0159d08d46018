import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from ffdi.core import keys

PARTS = st.lists(
    st.one_of(
        st.integers(-(2**40), 2**40), st.text(st.characters(exclude_characters="\x1f", exclude_categories=["Cs"]))
    ),
    max_size=4,
)


@given(PARTS, PARTS)
@example([1], ["1"])
def test_different_parts_have_different_keys(one: list[int | str], other: list[int | str]) -> None:
    assert (keys.key(*one) == keys.key(*other)) == (one == other)


def test_keys_and_draws_are_the_same_on_every_machine() -> None:
    """A changed value would make every resumed run draw other numbers."""
    assert keys.key("augment", 3, "a.jpg") == 1051072878371702336
    assert keys.rng("augment", 3).integers(1 << 30) == 566797958
    draws = keys.Draws(5, "jpeg")
    assert [draws.integer(0, 999) for _ in range(10)] == [821, 834, 26, 73, 402, 240, 107, 278, 432, 415]


@given(st.integers(0, 2**63 - 1), st.text(max_size=8))
def test_draws_are_a_function_of_key_and_name(key: int, name: str) -> None:
    one, other = keys.Draws(key, name), keys.Draws(key, name)
    numbers = [one.unit() for _ in range(30)]
    assert numbers == [other.unit() for _ in range(30)]
    assert len(set(numbers)) == 30
    assert numbers[0] != keys.Draws(key, name + "x").unit()
    assert numbers[0] != keys.Draws(key ^ 1, name).unit()


def test_draws_are_uniform_over_keys_and_along_a_stream() -> None:
    across = np.array([keys.Draws(key, "a").unit() for key in range(4000)])
    stream = keys.Draws(7, "a")
    along = np.array([stream.unit() for _ in range(4000)])
    for numbers in (across, along):
        assert 0 <= numbers.min() <= numbers.max() < 1
        assert np.abs(np.histogram(numbers, 10, (0, 1))[0] - 400).max() < 100  # 5 sd
        assert abs(np.corrcoef(numbers[1:], numbers[:-1])[0, 1]) < 0.08


def test_draws_reach_both_ends() -> None:
    draws = keys.Draws(1, "")
    assert {draws.integer(2, 4) for _ in range(100)} == {2, 3, 4}
    assert {draws.pick("ab") for _ in range(50)} == {"a", "b"}
    assert all(-3 <= draws.uniform(-3, 5) < 5 for _ in range(100))
