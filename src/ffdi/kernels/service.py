"""P(fake) of images over HTTP, each by its path below one folder.

Every error is {"error": one sentence}: 400 for a path that may not be opened, 413 for too large a file, 422 for what is
no image or no such request. Nothing outside the folder is opened; no answer holds a traceback or a path of this
machine.
"""

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

MAX_IMAGE_BYTES = 32_000_000  # a PNG of 4000 x 2500 pixels of noise


class ScoreRequest(Frozen):
    path: str


def service(score: Callable[[np.ndarray], float], pack: str, root: Path) -> FastAPI:
    """Return the application.

    Args:
        score: uint8 RGB pixels [H, W, C] to P(fake).
        pack: digest of the packed team, which `/health` shows.
        root: the folder whose images may be named by path.
    """
    app = FastAPI(title="ffdi", docs_url=None, redoc_url=None, openapi_url=None)
    lock = Lock()  # one image at a time: nets switch to evaluation for each, and one image keeps the cores busy

    def scored(path: str) -> dict[str, float]:
        with lock:
            return {"score": score(_pixels(root, path))}

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok", "pack": pack}

    @app.post("/score")
    async def score_path(request: Request) -> dict[str, float]:
        try:
            path = ScoreRequest.model_validate_json(await request.body()).path
        except ValidationError as error:
            raise HTTPException(422, 'The body must be JSON such as {"path": "a.jpg"}.') from error
        return await run_in_threadpool(scored, path)

    def answer(status: int, sentence: str) -> JSONResponse:
        return JSONResponse({"error": sentence if sentence.endswith(".") else f"{sentence}."}, status)

    app.exception_handler(HTTPException)(lambda _, error: answer(error.status_code, error.detail))
    app.exception_handler(Exception)(lambda _, __: answer(500, "The image could not be scored; the log says why."))
    return app


def _pixels(root: Path, relative: str) -> np.ndarray:
    try:
        path = inside(root, relative)
        if not path.is_file():
            raise OSError("a folder, a pipe or nothing")
        if path.stat().st_size > MAX_IMAGE_BYTES:
            raise HTTPException(413, f"The file is larger than {MAX_IMAGE_BYTES:,} bytes.")
        data = path.read_bytes()
    except (OSError, RuntimeError, ValueError, UserError) as error:
        raise HTTPException(400, "The path names no readable file below the folder that is served.") from error
    try:
        return decode(data).image_HWC
    except Defect as defect:
        raise HTTPException(422, f"The image cannot be scored: {defect.name}.") from defect
