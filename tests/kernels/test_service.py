"""The service over a real socket of this machine."""

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest
import uvicorn
from PIL import Image

from ffdi.cli import serve
from ffdi.core.errors import UserError
from ffdi.kernels import service
from ffdi.kernels.scorer import load_team
from tests.kernels.conftest import TEST, Home

REFUSED_PATH = "The path names no readable file below the folder that is served."


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """The address of `app` while it runs in a thread."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def ask(url: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
    try:
        with urlopen(Request(url, body, headers), timeout=30) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def ask_path(url: str, path: str) -> tuple[int, Any]:
    return ask(f"{url}/score", json.dumps({"path": path}).encode())


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to serve, beside something that is nobody's business."""
    folder = tmp_path_factory.mktemp("served")
    root = folder / "root"
    (root / "sub").mkdir(parents=True)
    for name, grey in (("../secret.png", 250), ("sub/good.png", 51), ("raises.png", 13)):
        Image.fromarray(np.full((20, 20, 3), grey, np.uint8)).save(root / name)
    (root / "broken.jpg").write_bytes(b"this is no image")
    (root / "link.png").symlink_to(folder / "secret.png")
    (root / "round.png").symlink_to(root / "round.png")
    (root / "near.png").symlink_to(root / "sub" / "good.png")
    with (root / "huge.png").open("wb") as file:
        file.truncate(service.MAX_IMAGE_BYTES + 1)
    os.mkfifo(root / "pipe.png")
    return root


def grey(image_HWC: np.ndarray) -> float:
    if image_HWC[0, 0, 0] == 13:
        raise RuntimeError(f"{__file__} is a path of this machine")
    return float(image_HWC.mean() / 255)


@pytest.fixture(scope="module")
def url(root: Path) -> Iterator[str]:
    with serving(service.service(grey, "d1ge57", root)) as address:
        yield address


def test_an_image_is_scored_by_its_path(url: str, root: Path) -> None:
    for path in ("sub/good.png", "near.png", str(root / "sub" / "good.png")):
        assert ask_path(url, path) == (200, {"score": pytest.approx(0.2)})
    assert ask(f"{url}/health") == (200, {"status": "ok", "pack": "d1ge57"})


@pytest.mark.parametrize(
    "path",
    ["../secret.png", "link.png", "sub/../../secret.png", "/etc/hostname", "", ".", "sub", "none.png", "pipe.png",
     "round.png", "a\0b", "\ud800", "x" * 5000, "broken.jpg/x", "~/x.png"],
)  # fmt: skip
def test_what_is_not_a_file_below_the_root_is_refused_in_one_sentence(url: str, path: str) -> None:
    status, told = ask_path(url, path)
    assert status in (400, 422)  # half a surrogate pair is no JSON text
    assert list(told) == ["error"]
    assert status == 422 or told["error"] == REFUSED_PATH


def test_what_is_no_image_is_named(url: str) -> None:
    assert ask_path(url, "broken.jpg") == (422, {"error": "The image cannot be scored: not_image."})


def test_too_many_bytes_are_refused(url: str) -> None:
    assert ask_path(url, "huge.png") == (413, {"error": f"The file is larger than {service.MAX_IMAGE_BYTES:,} bytes."})


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"path": 3}', b'{"path": "a", "more": 1}', b"\xff\xfe"])
def test_another_question_is_not_understood(url: str, body: bytes) -> None:
    assert ask(f"{url}/score", body) == (422, {"error": 'The body must be JSON such as {"path": "a.jpg"}.'})


def test_errors_tell_no_traceback_and_no_place(url: str) -> None:
    status, told = ask_path(url, "raises.png")
    assert (status, told) == (500, {"error": "The image could not be scored; the log says why."})
    for other in ("/nowhere", "/docs", "/openapi.json", "/score"):
        status, told = ask(url + other)
        assert status in (404, 405)
        assert list(told) == ["error"]


def test_the_team_itself_answers(home: Home) -> None:
    scorer, digest = load_team(home.pack), home.team.digest
    image = home.result.blended.test.query("~imputed")["id"].iloc[0]
    with serving(service.service(scorer.score_pixels, digest, home.images)) as address:
        status, told = ask_path(address, f"{TEST}/{image}")
        assert (status, told["score"]) == (200, scorer.score(home.images / TEST / image))
        assert ask(f"{address}/health")[1]["pack"] == digest


def test_the_verb_wants_weights_and_a_folder(home: Home, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        for pack, root, at, message in (
            (tmp_path, tmp_path, 0, r"has no team\.json"),
            (home.pack, tmp_path / "none", 0, "is no folder"),
            (home.pack, tmp_path, port, f"Cannot listen on 127.0.0.1:{port} .*name another with --port or --host"),
        ):
            with pytest.raises(UserError, match=message):
                serve.run(pack, root, "127.0.0.1", at)
