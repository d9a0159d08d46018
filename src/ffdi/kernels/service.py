"""P(fake) of images over HTTP: a path below one folder, or the bytes themselves.

Every refusal is {"error": one sentence}: 400 a path that may not be opened, 413 too many bytes, 422 no image or no such
question. Nothing outside the root is opened, and neither a traceback nor a path of this machine is told.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from threading import Lock

import numpy as np
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from ffdi.config.competition import Frozen
from ffdi.core.errors import UserError
from ffdi.core.layout import inside
from ffdi.data.decode import Defect, decode

MOST = 32_000_000  # bytes of an image; a PNG of 4000 x 2500 pixels of noise
MOST_ASKED = 16_384  # bytes of a question that names a path


class Asked(Frozen):
    path: str


class Scored(Frozen):
    score: float


class Health(Frozen):
    status: str
    pack: str


class Refused(Exception):
    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


def service(score: Callable[[np.ndarray], float], pack: str, root: Path) -> FastAPI:
    """The application. `score`: uint8 RGB pixels -> P(fake); `pack`: the digest of the weights behind it."""
    app = FastAPI(title="ffdi", docs_url=None, redoc_url=None, openapi_url=None)
    turn = Lock()  # nets change their mode for a while, and the cores are busy with one image

    def scored(read: Callable[[], bytes]) -> Scored:
        with turn:
            return Scored(score=score(_pixels(read())))

    @app.get("/health")
    def health() -> Health:
        return Health(status="ok", pack=pack)

    @app.post("/score")
    async def score_path(request: Request) -> Scored:
        asked = _asked(await _body(request, MOST_ASKED))
        return await run_in_threadpool(scored, lambda: _read(root, asked.path))

    @app.post("/score/image")
    async def score_image(request: Request) -> Scored:
        data = await _body(request, MOST)
        return await run_in_threadpool(scored, lambda: data)

    _refuse_in_one_sentence(app)
    return app


def _refuse_in_one_sentence(app: FastAPI) -> None:
    def told(status: int, sentence: str) -> JSONResponse:
        return JSONResponse({"error": sentence}, status)

    app.exception_handler(Refused)(lambda _, refused: told(refused.status, refused.sentence))
    app.exception_handler(HTTPException)(lambda _, refused: told(refused.status_code, f"{refused.detail}."))
    app.exception_handler(Exception)(lambda _, __: told(500, "The image could not be scored; the log says why."))


async def _body(request: Request, most: int) -> bytes:
    """Read until it is too much: what the header says of its length may be missing or wrong."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise Refused(413, f"The body is larger than {most:,} bytes.")
    return bytes(body)


def _asked(body: bytes) -> Asked:
    try:
        return Asked.model_validate_json(body)
    except ValidationError as error:
        raise Refused(422, 'The body must be JSON such as {"path": "a.jpg"}.') from error


def _read(root: Path, relative: str) -> bytes:
    try:
        with open(inside(root, relative), "rb", opener=_open) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError("a pipe or a device")
            data = file.read(MOST + 1)
    except (OSError, RuntimeError, ValueError, UserError) as error:
        raise Refused(400, "The path names no readable file below the folder that is served.") from error
    if len(data) > MOST:
        raise Refused(413, f"The file is larger than {MOST:,} bytes.")
    return data


def _open(path: str, flags: int) -> int:
    """Links were resolved: one that takes the file's place after that is not followed. Nor is a pipe waited for."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _pixels(data: bytes) -> np.ndarray:
    try:
        return decode(data).image_HWC
    except Defect as defect:
        raise Refused(422, f"The image cannot be scored: {defect.name}.") from defect
