from collections.abc import Callable
from pathlib import Path

import pytest

from ffdi.config.load import load_recipe
from ffdi.config.recipe import Recipe
from ffdi.core.errors import UserError


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Recipe]:
    """`load(text, *overrides)`: the recipe of a file x.toml."""

    def load(text: str, *overrides: str) -> Recipe:
        (tmp_path / "x.toml").write_text(text)
        return load_recipe(tmp_path / "x.toml", overrides)

    return load


@pytest.fixture
def refused(load: Callable[..., Recipe]) -> Callable[..., str]:
    """`refused(text, *overrides)`: the one sentence with which it is refused."""

    def refused(text: str, *overrides: str) -> str:
        with pytest.raises(UserError) as caught:
            load(text, *overrides)
        told = str(caught.value)
        assert "x.toml" in told
        assert "\n" not in told
        return told

    return refused
