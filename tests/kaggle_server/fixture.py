"""The fixture `kaggle_server`: an imitation of Kaggle, and a world in which the client can reach nothing else."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ffdi.submission import kaggle
from ffdi.submission.patience import Patience
from tests.kaggle_server.server import Server
from tests.kaggle_server.state import Competition

CANARY = "canary-key-0123456789abcdef"
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture
def kaggle_server(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running `Server` with a competition "toy" (two submissions a day), and the environment that leads there: the
    client in this process and in children signs in as tester with KAGGLE_USERNAME and KAGGLE_KEY, retries without
    waiting (`sign_in()` without arguments), and finds no file in HOME or KAGGLE_CONFIG_DIR.

    At the end: no call went to the real host, storage saw no credential, and every call was one the imitation knows.
    """
    home = tmp_path_factory.mktemp("home")
    with Server(key=CANARY) as server:
        server.state.competitions["toy"] = Competition("Toy contest", files={"train/a.csv": b"id,y\n1,0\n"})
        _lead_to(server, home, monkeypatch)
        monkeypatch.setattr(kaggle, "PATIENCE", quick())
        yield server
    assert [one.target for one in server.seen if one.name == "CONNECT"] == [], "a call to the real host"
    assert [one.target for one in server.seen if one.name == "UNKNOWN"] == []
    assert [one.target for one in server.seen if one.name in ("GET", "PUT") and one.authorization] == []


def quick(tries: int = 3, call: float = 20.0, stall: float = 20.0) -> Patience:
    """Patience that never sleeps."""
    return Patience(tries=tries, wait=0.0, call=call, stall=stall, sleep=lambda seconds: None)


def _lead_to(server: Server, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("KAGGLE_") or name.lower() in PROXIES:
            monkeypatch.delenv(name)
    settings = {
        "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
        "http_proxy": server.address,
        "https_proxy": server.address,  # the guard: the real host is https, and CONNECT is refused
        "no_proxy": "",
        "KAGGLE_USERNAME": server.user,
        "KAGGLE_KEY": server.key,
        "KAGGLE_CONFIG_DIR": str(home / "config"),
        "HOME": str(home),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
