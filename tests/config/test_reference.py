from pathlib import Path

from ffdi.config.reference import reference

PAGE = Path(__file__).parents[2] / "ensembles" / "README.md"


def test_the_page_of_all_keys_is_current() -> None:
    assert PAGE.read_text() == reference(), "run: python -m ffdi.config.reference > ensembles/README.md"
    assert "| `lr` | number | `0.0003` |" in reference()
