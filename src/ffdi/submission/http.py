"""The only module that meets Kaggle's official SDK: its URLs, request types and session, with our time limits.

What the SDK gets wrong is replaced here: it sets no timeout, it prefers any token that it finds to the key that it was
given, it takes some refusals for success, and it hides the reason of others.
"""

import importlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import requests
from kagglesdk.common.types.http_redirect import HttpRedirect
from kagglesdk.kaggle_http_client import KaggleHttpClient

from ffdi.submission import transfer
from ffdi.submission.answers import Body, objects_of, text_of
from ffdi.submission.credentials import Credential
from ffdi.submission.errors import Unreachable, error_in, explain
from ffdi.submission.retry import RetryPolicy, retry

PAGE = 100  # rows that are asked for at a time
MAX_PAGES = 10_000  # a server that repeats itself must not hold us
# The services that we call: their names in the SDK and on the wire.
_SERVICES = {
    "competitions": ("competitions.types.competition_api_service", "competitions.CompetitionApiService"),
    "datasets": ("datasets.types.dataset_api_service", "datasets.DatasetApiService"),
    "kernels": ("kernels.types.kernels_api_service", "kernels.KernelsApiService"),
    "blobs": ("blobs.types.blob_api_service", "blobs.BlobApiService"),
    "security": ("security.types.oauth_service", "security.OAuthService"),
}


@dataclass(frozen=True)
class Call:
    """One call, with method and fields as they are named on the wire.

    `doing` completes "Kaggle refuses to …", and `slug` is the competition that the call is about.
    """

    doing: str
    service: str
    method: str
    fields: Mapping[str, Any]
    slug: str = ""

    def with_fields(self, **fields: Any) -> "Call":
        return replace(self, fields={**self.fields, **fields})


class HttpClient:
    """Calls Kaggle: reads are repeated, writes never, and every error is one of `ffdi.submission.errors`."""

    def __init__(self, credential: Credential, policy: RetryPolicy) -> None:
        self.policy = policy
        self._credential = credential

    def read(self, call: Call) -> Body:
        """Return the answer of a call that changes nothing."""
        return retry(lambda: self._once(call), self.policy)

    def write(self, call: Call) -> Body:
        """Return the answer of a call that changes something. Raise LostReply if the answer does not come."""
        return self._once(call, write=True)

    def pages(self, call: Call) -> Iterator[Body]:
        """Yield every page of a list."""
        turn = call.with_fields(pageSize=PAGE)
        for _ in range(MAX_PAGES):
            body = self.read(turn)
            yield body
            token = text_of(body, "nextPageToken")
            if not token:
                return
            turn = turn.with_fields(pageToken=token)

    def rows(self, call: Call, rows: str) -> list[Body]:
        """Return the rows of all pages of a list."""
        return [row for body in self.pages(call) for row in objects_of(body, rows)]

    def upload(self, call: Call, path: Path) -> str:
        """Put a file into Kaggle's storage and return its token.

        Repeated like a read: a stored file changes nothing before its token is used.
        """
        facts = path.stat()
        sized = call.with_fields(contentLength=facts.st_size, lastModifiedEpochSeconds=int(facts.st_mtime))

        def once() -> str:
            begun = self._once(sized)
            token, url = text_of(begun, "token"), text_of(begun, "createUrl")
            if not token or not url.startswith(("http://", "https://")):
                raise Unreachable(f"Kaggle's answer holds no URL to upload {path.name} to; run again.")
            taking = Call(f"take the upload of {path.name}", "", "", {})
            self._explained(lambda: transfer.put(url, path, self.policy.timeout), taking)
            return token

        return retry(once, self.policy)

    def fetch(self, call: Call, path: Path) -> None:
        """Write the file that a call leads to to `path`; go on from the part that an earlier run left."""
        transfer.fetch(lambda: self._once(call, stream=True), path, self.policy)

    def fetch_url(self, doing: str, url: str, path: Path) -> None:
        """Write what a signed URL leads to.

        Args:
            doing: Named in messages.
            url: A signed one.
            path: The file.
        """
        call, timeout = Call(doing, "", "", {}), self.policy.timeout
        transfer.fetch(lambda: self._explained(lambda: transfer.get(url, timeout), call), path, self.policy)

    def _once(self, call: Call, write: bool = False, stream: bool = False) -> Any:
        return self._explained(lambda: self.post(call, stream), call, write)

    def _explained(self, act: Callable[[], Any], call: Call, write: bool = False) -> Any:
        """Return what `act` returns. Raise one of our errors, which says what `call` asked for."""
        try:
            return act()
        except Exception as raised:
            error = explain(raised, call.doing, call.slug, write)
        raise error  # outside of the handler: its context would hold headers, and with them the credential

    def post(self, call: Call, stream: bool) -> Any:
        """Return the answer as a dict, or the open response of a stream. Raise what the SDK raises."""
        types, wire = _SERVICES[call.service]
        name = f"{'' if call.service == 'security' else 'Api'}{call.method}Request"
        request = getattr(importlib.import_module(f"kagglesdk.{types}"), name).from_dict(call.fields)
        http = _Http(self._credential, (transfer.CONNECT_TIMEOUT, self.policy.timeout))
        if stream:  # for this type the SDK leaves the body unread
            return http.call(wire, call.method, request, HttpRedirect)
        with http:
            return http.call(wire, call.method, request, None)


class _Http(KaggleHttpClient):
    """The SDK's HTTP client with a timeout, the given credential, and answers as they are."""

    def __init__(self, credential: Credential, timeout: tuple[float, float]) -> None:
        super().__init__()
        self._credential, self._timeout = credential, timeout

    def _init_session(self) -> None:
        if self._session is None:
            super()._init_session()
            session: Any = self._session
            session.send = partial(session.send, timeout=self._timeout)

    def _try_fill_auth(self) -> None:
        if self._credential.kind == "token":
            self._session.auth = self.BearerAuth(self._credential.secret)
        else:
            self._session.auth = (self._credential.user, self._credential.secret)

    def _prepare_response(self, response_type: Any, http_response: requests.Response) -> Any:
        if http_response.status_code >= 400:
            _ = http_response.content  # read here, while the session is open
            raise requests.HTTPError(f"HTTP {http_response.status_code}", response=http_response)
        if response_type is HttpRedirect:
            return http_response
        body = json.loads(http_response.text)
        if not isinstance(body, dict):
            raise ValueError("an answer that is no JSON object")
        if error_in(body):
            raise requests.HTTPError("an error with a status of success", response=http_response)
        return body
