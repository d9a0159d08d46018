from collections.abc import Iterator

import pytest

from tests.fixtures.cluster import SmallCluster, running


@pytest.fixture(scope="session")
def cluster() -> Iterator[SmallCluster]:
    """Two nodes of one CPU, for all tests of this folder."""
    with running(nodes=2) as found:
        yield found
