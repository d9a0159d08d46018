"""An imitation of Kaggle on loopback: the client is unmodified and comes through it as its HTTP proxy.

    kaggle_server.state.competitions["toy"] = Competition("Toy", files={"a.csv": b"…"})
    kaggle_server.script("CreateSubmission", lose())          # the next call of that name: done, answer lost
    kaggle_server.script("ListSubmissions", refuse(503), refuse(429, retry_after="1"))   # the next two
    kaggle_server.script("PUT", stop(10))                     # an upload; "GET" is a download from storage
    kaggle_server.bodies("CreateSubmission")                  # what was asked, call by call
    kaggle_server.state.submissions, .datasets, .kernels      # what came of it

A name is the API's own (CreateSubmission, SaveKernel, CreateDatasetVersion …), "PUT" or "GET" for storage. See `faults`
for what can be scripted and `state` for what can be set: page sizes, polls until ready, outcomes, hidden submissions.
A call to the real host arrives as CONNECT: refused, and the fixture fails the test.
"""

import base64
import json
import re
import threading
from collections import defaultdict, deque
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

from tests.kaggle_server.api import Api, Redirect, Refusal
from tests.kaggle_server.faults import Fault
from tests.kaggle_server.state import State

API = re.compile(r"/(?:api/)?v1/([\w.]+)/(\w+)")


@dataclass(frozen=True)
class Seen:
    """One request. `name`: the API's, or PUT, GET, CONNECT."""

    name: str
    target: str
    authorization: str
    body: Any
    headers: dict[str, str] = field(default_factory=dict)


class Server:
    """`with Server() as server:`; `address` is where it listens."""

    def __init__(self, user: str = "tester", key: str = "canary-key-0123456789abcdef", token: str = "") -> None:
        self.state = State(user=user)
        self.api = Api(self.state)
        self.user, self.key, self.token = user, key, token
        self.seen: list[Seen] = []
        self.ended = threading.Event()
        self.lock = threading.RLock()
        self._scripts: dict[str, deque[Fault]] = defaultdict(deque)
        handler = type("Handler", (_Handler,), {"kaggle": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self._http.block_on_close = False
        self.address = f"http://127.0.0.1:{self._http.server_port}"

    def script(self, name: str, *faults: Fault) -> None:
        """Play these, one a call of `name`; after them all is well again."""
        self._scripts[name].extend(faults)

    def next_fault(self, name: str) -> Fault | None:
        with self.lock:
            return self._scripts[name].popleft() if self._scripts[name] else None

    def bodies(self, name: str) -> list[Any]:
        return [one.body for one in self.seen if one.name == name]

    def count(self, name: str) -> int:
        return len(self.bodies(name))

    def allows(self, authorization: str) -> bool:
        basic = "Basic " + base64.b64encode(f"{self.user}:{self.key}".encode()).decode()
        return authorization == basic or (bool(self.token) and authorization == f"Bearer {self.token}")

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self._http.shutdown()
        self._http.server_close()


class _Cut(Exception):
    """The connection ends here."""


class _Handler(BaseHTTPRequestHandler):
    kaggle: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_CONNECT(self) -> None:
        self._note("CONNECT", None)
        self._send(403, b"", {})

    def do_POST(self) -> None:
        data = self._body()
        match = API.fullmatch(urlsplit(self.path).path)
        body = json.loads(data or b"{}")
        name = match[2] if match else "UNKNOWN"
        self._note(name, body)
        self._play(name, lambda: self._call(name, body))

    def do_GET(self) -> None:
        self._note("GET", None)
        self._play("GET", self._download)

    def do_PUT(self) -> None:
        fault = self.kaggle.next_fault("PUT")
        if fault and fault.kind == "stop":
            self.rfile.read(fault.count)
            self._note("PUT", None)
            self._hang_up()
            return
        data = self._body()
        self._note("PUT", len(data))
        self._play("PUT", lambda: self._store(data), fault)

    def _note(self, name: str, body: Any) -> None:
        self.close_connection = True
        with self.kaggle.lock:
            self.kaggle.seen.append(
                Seen(name, self.path, self.headers.get("Authorization", ""), body, dict(self.headers.items()))
            )

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            data = b""
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return data
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _play(self, name: str, work: Any, fault: Fault | None = None) -> None:
        """Do the work, with the next fault scripted for this name."""
        fault = fault or self.kaggle.next_fault(name)
        with suppress(BrokenPipeError, ConnectionResetError):
            if fault is None:
                self._send(*work())
                return
            if fault.kind in ("slow", "hang"):
                self.kaggle.ended.wait(fault.seconds or None)
            if fault.kind in ("hang", "cut"):
                return self._hang_up()
            if fault.kind == "answer":
                return self._send(fault.status, fault.body, fault.headers)
            status, data, headers = work()
            if fault.kind == "lose":
                return self._send(fault.status, b"", {}) if fault.status else self._hang_up()
            if fault.kind == "drip":
                return self._drip(data, headers, fault.seconds)
            self._send(status, data, headers, data[: fault.count] if fault.kind == "stop" else None)

    def _call(self, name: str, body: Any) -> tuple[int, bytes, dict[str, str]]:
        json_type = {"Content-Type": "application/json; charset=utf-8"}
        try:
            # The token's own check is how a client signs in: it comes without a header.
            if name != "IntrospectToken" and not self.kaggle.allows(self.headers.get("Authorization", "")):
                raise Refusal(401, "Unauthenticated")
            with self.kaggle.lock:
                return 200, json.dumps(self.kaggle.api.call(name, body)).encode(), json_type
        except Redirect as redirect:
            return 302, b"", {"Location": redirect.url}
        except Refusal as refusal:
            error = {"code": refusal.status, "message": refusal.message, "status": "STATUS"}
            return refusal.status, json.dumps({"error": error}).encode(), json_type

    def _store(self, data: bytes) -> tuple[int, bytes, dict[str, str]]:
        token = urlsplit(self.path).path.rpartition("/")[2]
        with self.kaggle.lock:
            name, _ = self.kaggle.state.blobs[token]
            self.kaggle.state.blobs[token] = (name, data)
        return 201, b"", {}

    def _download(self) -> tuple[int, bytes, dict[str, str]]:
        try:
            data, etag = self.kaggle.api.stored(urlsplit(self.path).path)
        except (Refusal, KeyError, IndexError):
            return 404, b"gone", {"Content-Type": "text/html"}
        headers = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"}
        headers |= {"ETag": etag} if etag else {}
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if match and self.headers.get("If-Range", etag) == etag:
            start = int(match[1])
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            return 206, data[start:], headers
        return 200, data, headers

    def _send(self, status: int, data: bytes, headers: dict[str, str], sent: bytes | None = None) -> None:
        """`sent`: less than what the headers promise; then the connection ends."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data if sent is None else sent)
        self.wfile.flush()

    def _drip(self, data: bytes, headers: dict[str, str], seconds: float) -> None:
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        for byte in f"HTTP/1.1 200 OK\r\n{head}Content-Length: {len(data)}\r\n\r\n".encode() + data:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            if self.kaggle.ended.wait(seconds):
                return

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()
