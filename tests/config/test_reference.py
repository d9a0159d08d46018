import re
import tomllib
from pathlib import Path

import pytest

from ffdi.config.reference import MEASURED, reference, toml

PAGE = Path(__file__).parents[2] / "ensembles" / "README.md"
MAX_KEYS = 90


def test_the_page_of_all_keys_is_current() -> None:
    assert PAGE.read_text().partition(MEASURED)[0] == reference(), "run: python -m ffdi.config.reference"
    assert "| `lr` | number | `0.0003` |" in reference()


def test_there_are_no_more_keys_than_a_person_can_read() -> None:
    assert 60 < len(re.findall(r"^\| `\w+` \| (?!table \|)", reference(), re.M)) <= MAX_KEYS


@pytest.mark.parametrize("folder", ["data/\N{GRINNING FACE}", 'my "best" faces', "C:\\new", "a\tb", "Grüße"])
def test_a_text_is_written_so_that_toml_reads_the_same(folder: str) -> None:
    assert tomllib.loads(f"folder = {toml(folder)}") == {"folder": folder}
