"""The application of the service, as its clients see it."""

import json
import os
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from ffdi.cli import serve
from ffdi.core.errors import UserError
from ffdi.kernels import service
from ffdi.kernels.scorer import load_team
from tests.kernels.conftest import TEST, Home

REFUSED_PATH = "The path names no readable file below the folder that is served."


def ask(client: TestClient, path: str) -> tuple[int, Any]:
    answer = client.post("/score", content=json.dumps({"path": path}))
    return answer.status_code, answer.json()


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
def client(root: Path) -> TestClient:
    return TestClient(service.service(grey, "d1ge57", root), raise_server_exceptions=False)


def test_an_image_is_scored_by_its_path(client: TestClient, root: Path) -> None:
    for path in ("sub/good.png", "near.png", str(root / "sub" / "good.png")):
        assert ask(client, path) == (200, {"score": pytest.approx(0.2)})
    assert client.get("/health").json() == {"status": "ok", "pack": "d1ge57"}


@pytest.mark.parametrize(
    "path",
    ["../secret.png", "link.png", "sub/../../secret.png", "/etc/hostname", "", ".", "sub", "none.png", "pipe.png",
     "round.png", "a\0b", "\ud800", "x" * 5000, "broken.jpg/x", "~/x.png"],
)  # fmt: skip
def test_what_is_not_a_file_below_the_root_is_refused_in_one_sentence(client: TestClient, path: str) -> None:
    status, told = ask(client, path)
    assert status in (400, 422)  # half a surrogate pair is no JSON text
    assert list(told) == ["error"]
    assert status == 422 or told["error"] == REFUSED_PATH


def test_what_is_no_image_or_too_large_is_refused(client: TestClient) -> None:
    assert ask(client, "broken.jpg") == (422, {"error": "The image cannot be scored: not_image."})
    assert ask(client, "huge.png") == (413, {"error": f"The file is larger than {service.MAX_IMAGE_BYTES:,} bytes."})


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"path": 3}', b'{"path": "a", "more": 1}', b"\xff\xfe"])
def test_another_question_is_not_understood(client: TestClient, body: bytes) -> None:
    answer = client.post("/score", content=body)
    assert answer.status_code == 422
    assert answer.json() == {"error": 'The body must be JSON such as {"path": "a.jpg"}.'}


def test_errors_tell_no_traceback_and_no_place(client: TestClient) -> None:
    status, told = ask(client, "raises.png")
    assert (status, told) == (500, {"error": "The image could not be scored; the log says why."})
    for other in ("/nowhere", "/docs", "/openapi.json", "/score"):
        answer = client.get(other)
        assert answer.status_code in (404, 405)
        assert list(answer.json()) == ["error"]


def test_the_team_itself_answers(home: Home) -> None:
    scorer, digest = load_team(home.pack), home.team.digest
    image = home.result.blended.test.query("~imputed")["id"].iloc[0]
    client = TestClient(service.service(scorer.score_pixels, digest, home.images))
    assert ask(client, f"{TEST}/{image}") == (200, {"score": scorer.score(home.images / TEST / image)})


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
