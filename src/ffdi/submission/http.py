"""Calls to Kaggle: `requests` at the addresses of the official SDK, with our time limits and our credential.

The SDK's own session sets no timeout, prefers any token that it finds to the key that it was given, takes some refusals
for success, and hides the reason of others.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import requests
from kagglesdk.kaggle_http_client import KaggleHttpClient

from ffdi.submission import transfer
from ffdi.submission.answers import Body, text_of
from ffdi.submission.credentials import Credential
from ffdi.submission.errors import Unreachable, error_in, explained
from ffdi.submission.retry import RetryPolicy, retry

PAGE = 100  # rows that are asked for at a time


@dataclass(frozen=True)
class Call:
    """One call, with service, method and fields as they are named on the wire.

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
    """Calls Kaggle: reads are repeated, writes never, and every error is one of `ffdi.submission.errors`.

    `owner` is the user who is signed in. `source` says which credential was found, never its value.
    """

    def __init__(self, credential: Credential, policy: RetryPolicy) -> None:
        self.policy, self._credential = policy, credential
        self.owner, self.source = credential.user, credential.source

    def read(self, call: Call) -> Body:
        """Return the answer of a call that changes nothing."""
        return retry(lambda: self._once(call), self.policy)

    def write(self, call: Call) -> Body:
        """Return the answer of a call that changes something. Raise LostReply if the answer does not come."""
        return self._once(call, write=True)

    def pages(self, call: Call) -> Iterator[Body]:
        """Yield every page of a list."""
        body = self.read(call.with_fields(pageSize=PAGE))
        yield body
        while token := text_of(body, "nextPageToken"):
            body = self.read(call.with_fields(pageSize=PAGE, pageToken=token))
            yield body

    def rows(self, call: Call, name: str) -> list[Body]:
        """Return the rows of all pages of a list."""
        return [row for body in self.pages(call) for row in body.get(name) or []]

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
            explained(lambda: transfer.put(url, path, self.policy.timeout), f"take the upload of {path.name}")
            return token

        return retry(once, self.policy)

    def _once(self, call: Call, write: bool = False, stream: bool = False) -> Any:
        return explained(lambda: self.post(call, stream), call.doing, call.slug, write)

    def post(self, call: Call, stream: bool) -> Any:
        """Return the answer as a dict, or the open response of a stream. Raise what requests raises."""
        sdk, user, secret = KaggleHttpClient(), self._credential.user, self._credential.secret
        response = requests.post(
            sdk._get_request_url(call.service, call.method),
            json=call.fields,
            auth=(user, secret) if user else sdk.BearerAuth(secret),
            headers={"User-Agent": sdk._user_agent, "Accept-Encoding": "identity"},  # a download's length must be known
            timeout=(transfer.CONNECT_TIMEOUT, self.policy.timeout),
            stream=stream,
        )
        if response.status_code >= 400:
            _ = response.content  # read here, where a broken connection is explained
            raise requests.HTTPError(f"HTTP {response.status_code}", response=response)
        if stream:
            return response
        body = json.loads(response.text)
        if not isinstance(body, dict):
            raise ValueError("an answer that is no JSON object")
        if error_in(body):
            raise requests.HTTPError("an error with a status of success", response=response)
        return body
