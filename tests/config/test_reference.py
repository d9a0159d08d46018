import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from ffdi.config.load import model_in
from ffdi.config.recipe import Recipe
from ffdi.config.reference import MEASURED, reference, toml

PAGE = Path(__file__).parents[2] / "ensembles" / "README.md"
MAX_KEYS = 90


def keys(model: type[BaseModel]) -> set[tuple[str, str]]:
    """Return (table, key) of every key below a model. A key that holds a table with fixed keys counts as those."""
    found = {(model.__name__, name) for name in getattr(model, "ALSO", ())}
    for name, field in model.model_fields.items():
        below = model_in(field.annotation)
        found |= keys(below) if below else set()
        if below is None or below.__name__ in ("Operation", "Dimension"):  # tables under names of their own
            found.add((model.__name__, name))
    return found


def test_the_page_of_all_keys_is_current() -> None:
    assert PAGE.read_text().partition(MEASURED)[0] == reference(), "run: python -m ffdi.config.reference"
    assert "| `lr` | number | `0.0003` |" in reference()


def test_there_are_no_more_keys_than_a_person_can_read() -> None:
    assert 60 < len(keys(Recipe)) <= MAX_KEYS


@pytest.mark.parametrize("folder", ["data/\N{GRINNING FACE}", 'my "best" faces', "C:\\new", "a\tb", "Grüße"])
def test_a_text_is_written_so_that_toml_reads_the_same(folder: str) -> None:
    assert tomllib.loads(f"folder = {toml(folder)}") == {"folder": folder}
