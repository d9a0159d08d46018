"""`ffdi serve`: answer requests for P(fake) over HTTP on this machine."""

import socket
from contextlib import suppress
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
    import uvicorn  # imported here: a wrong folder is told at once

    from ffdi.kernels.scorer import load_team
    from ffdi.kernels.service import service

    with _listener(host, port) as listener, suppress(KeyboardInterrupt):
        port = listener.getsockname()[1]
        if host not in LOOPBACK:
            console.warn(f"whoever reaches {host}:{port} may ask for the score of every image below {root}")
        app = service(load_team(pack).score_pixels, digest, root)
        console.say(f"listening on {host}:{port}, Ctrl-C ends it; images by path: those below {root}")
        config = uvicorn.Config(app, limit_concurrency=CONNECTIONS, log_level="warning", server_header=False)
        uvicorn.Server(config).run(sockets=[listener])


def _listener(host: str, port: int) -> socket.socket:
    """Return a socket that listens; 0: any free port. Raise UserError where the address cannot be had."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address, family=family)
    except OSError as error:
        raise UserError(
            f"Cannot listen on {host}:{port} ({error.strerror}); name another with --port or --host."
        ) from error
