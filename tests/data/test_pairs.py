import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffdi.data import pairs
from ffdi.data.groups import components
from ffdi.data.pairs import near_pairs


def all_pairs(hashes: np.ndarray, distance: int) -> np.ndarray:
    """By the definition."""
    apart = np.bitwise_count(hashes[:, None] ^ hashes)
    return np.stack(np.nonzero(np.triu(apart <= distance, 1)), axis=1)


def hashes_with_copies(count: int, seed: int, flips: int = 10) -> np.ndarray:
    """Half of them random, half copies of those with up to `flips` bits flipped; no two equal."""
    draw = np.random.default_rng(seed)
    originals = draw.integers(0, 2**64, count // 2, dtype=np.uint64)
    copies = originals.copy()
    for _ in range(flips):
        bits = np.uint64(1) << draw.integers(0, 64, len(copies), dtype=np.uint64)
        copies ^= np.where(draw.random(len(copies)) < 0.7, bits, np.uint64(0))
    mixed = np.unique(np.concatenate([originals, copies]))
    return draw.permutation(mixed)


@pytest.mark.parametrize("distance", [0, 1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 16])
def test_exactly_the_near_pairs_are_found(distance: int) -> None:
    hashes = hashes_with_copies(600, seed=distance)
    np.testing.assert_array_equal(near_pairs(hashes, distance), all_pairs(hashes, distance))


@given(
    values=st.lists(st.integers(0, 2**64 - 1), min_size=0, max_size=40),
    masks=st.lists(st.sampled_from([0, 1, 3, 0xFF, 1 << 63, (1 << 16) | 1, 0xF0F0]), min_size=0, max_size=40),
    distance=st.sampled_from([0, 1, 2, 3, 4, 5, 8]),
)
@settings(max_examples=60, deadline=None)
def test_the_pairs_connect_what_all_pairs_connect(values: list[int], masks: list[int], distance: int) -> None:
    near = [value ^ mask for value, mask in zip(values, masks, strict=False)]
    hashes = np.array(values + near, np.uint64)
    expected = components(all_pairs(hashes, distance), len(hashes))
    found = near_pairs(hashes, distance)
    assert (found[:, 0] < found[:, 1]).all()
    np.testing.assert_array_equal(components(found, len(hashes)), expected)


def test_the_second_look_must_agree() -> None:
    hashes = hashes_with_copies(400, seed=5, flips=4)
    looks = np.random.default_rng(1).integers(0, 2**64, (len(hashes), 4), dtype=np.uint64)
    every = all_pairs(hashes, 4)
    bits = np.bitwise_count(looks[every[:, 0]] ^ looks[every[:, 1]]).sum(axis=1)
    middle = int(np.median(bits))
    expected = every[bits <= middle]
    assert 0 < len(expected) < len(every)
    np.testing.assert_array_equal(near_pairs(hashes, 4, looks, middle), expected)


def test_equal_rows_form_a_chain_not_a_square() -> None:
    hashes = np.random.default_rng(0).permutation(np.repeat(np.array([5, 1 << 40, 7], np.uint64), 50_000))
    found = near_pairs(hashes, 1)
    assert len(found) == len(hashes) - 3 + 1  # three chains, and 5 is one bit from 7
    assert components(found, len(hashes)).max() < 1000


def test_beyond_the_limit_the_pairs_still_connect_what_all_would(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = np.arange(4096, dtype=np.uint64)
    whole = near_pairs(hashes, 4)
    monkeypatch.setattr(pairs, "LIMIT", 100)
    found = near_pairs(hashes, 4)
    assert len(found) < len(whole) / 4
    np.testing.assert_array_equal(components(found, len(hashes)), components(whole, len(hashes)))


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_to_pair(count: int) -> None:
    assert near_pairs(np.zeros(count, np.uint64), 4).shape == (0, 2)
