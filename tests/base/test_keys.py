from hypothesis import given
from hypothesis import strategies as st

from ffdi.base import keys

PARTS = st.lists(st.one_of(st.integers(-(2**40), 2**40), st.text(st.characters(exclude_characters="\x1f"))), max_size=4)


@given(PARTS, PARTS)
def test_different_parts_have_different_keys(one: list[int | str], other: list[int | str]) -> None:
    assert (keys.key(*one) == keys.key(*other)) == (one == other)


def test_a_number_is_not_its_text() -> None:
    assert keys.key(1) != keys.key("1")


def test_keys_are_the_same_on_every_machine() -> None:
    """A changed value would make every resumed run draw other numbers."""
    assert keys.key("augment", 3, "a.jpg") == 1051072878371702336
    assert keys.rng("augment", 3).integers(1 << 30) == 566797958
