import pytest

pytest_plugins = [
    "tests.fixtures.training",
    "tests.fixtures.kaggle.fixture",
    "tests.fixtures.pushing",
    "tests.fixtures.sending",
]


@pytest.fixture(autouse=True)
def _no_user_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests see no proxy, hub token or Kaggle credential of the person who runs them."""
    for name in ("HF_TOKEN", "KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name, raising=False)
