"""What can go wrong between a client and Kaggle, as values that `Server.script` plays back, one a call."""

import json
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Fault:
    """`kind`: answer, cut, lose, slow, hang, drip, stop. Made by the functions below."""

    kind: str
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    count: int = 0


def refuse(status: int, message: str = "", form: str = "nested", retry_after: str = "") -> Fault:
    """An HTTP error in one of the bodies Kaggle uses ("nested", "flat"), or none ("empty", "broken", "page")."""
    bodies = {
        "nested": json.dumps({"error": {"code": status, "message": message, "status": "STATUS"}}),
        "flat": json.dumps({"code": status, "message": message}),
        "empty": "",
        "broken": '{"code": ',
        "page": f"<html><body>{message}</body></html>",
    }
    headers = {"Content-Type": "text/html" if form == "page" else "application/json"}
    if retry_after:
        headers["Retry-After"] = retry_after
    return Fault("answer", status, bodies[form].encode(), headers)


def answer(body: object, content_type: str = "application/json", status: int = 200) -> Fault:
    """This body instead of the work: another content, a state nobody knows, a refusal with HTTP 200."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Fault("answer", status, data, {"Content-Type": content_type})


def cut() -> Fault:
    """The connection ends before anything is done."""
    return Fault("cut")


def lose(status: int = 0) -> Fault:
    """The work is done, and then the connection ends (or `status` is answered): a lost reply."""
    return Fault("lose", status)


def slow(seconds: float) -> Fault:
    """The answer comes, late."""
    return Fault("slow", seconds=seconds)


def hang() -> Fault:
    """No answer until the server ends."""
    return Fault("hang")


def drip(seconds: float) -> Fault:
    """One byte every so often: no socket timeout sees it."""
    return Fault("drip", seconds=seconds)


def stop(count: int) -> Fault:
    """A transfer that ends after `count` bytes of the body; the headers promise all of it."""
    return Fault("stop", count=count)
