"""`ffdi serve`: answer requests for P(fake) over HTTP on this machine."""

from pathlib import Path

from ffdi.core import console
from ffdi.core.errors import UserError
from ffdi.kernels import team

LOOPBACK = ("127.0.0.1", "::1", "localhost")
CONNECTIONS = 32  # at once; beyond them 503: each may hold a whole image


def run(pack: Path, root: Path, host: str, port: int) -> None:
    """Answer requests for P(fake) until Ctrl-C.

    Args:
        pack: A packed team.
        root: Only images below it may be asked for by path.
        host: The address to listen on.
        port: The port.
    """
    digest = team.read(pack).digest
    if not root.is_dir():
        raise UserError(f"{root} is no folder; --root names the one whose images may be asked for by path.")
    try:
        import uvicorn

        from ffdi.kernels.service import service
    except ImportError as error:
        raise UserError(f"The service needs {error.name}, which is not installed; run `make setup`.") from error
    from ffdi.kernels.scorer import load_team

    if host not in LOOPBACK:
        console.warn(f"whoever reaches {host}:{port} may ask for the score of every image below {root}")
    app = service(load_team(pack).score_pixels, digest, root)
    console.say(f"listening on {host}:{port}, Ctrl-C ends it; images by path: those below {root}")
    uvicorn.run(app, host=host, port=port, limit_concurrency=CONNECTIONS, log_level="warning", server_header=False)
