"""The one module that meets Kaggle: its client is imported here alone, late, and with its mouth shut.

Of the client its session, its requests and its way to push are used. Answers are read by the kit, because the client's
own reading stops at a state it does not know, takes some refusals for success, and hides the reason of others.
"""

import contextlib
import importlib
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ffdi.core.errors import FfdiError, UserError
from ffdi.submission.answers import Contest, DatasetState, KernelState, Limits, Pushed, Quota, Sent
from ffdi.submission.competition_calls import Competitions
from ffdi.submission.credentials import Credential, find, redact
from ffdi.submission.dataset_calls import Datasets
from ffdi.submission.fields import Body, text_of
from ffdi.submission.kernel_calls import Kernels
from ffdi.submission.patience import Patience, within
from ffdi.submission.refusals import LostReply, Refused, Unreachable, envelope, explain, refusal
from ffdi.submission.transfer import CONNECT

__all__ = [
    "Contest", "DatasetState", "Kaggle", "KernelState", "Limits", "LostReply", "Patience", "Pushed", "Quota", "Refused",
    "Sent", "Unreachable", "sign_in",
]  # fmt: skip

# Where the client keeps the requests of a service, and what the service is called on the wire.
_SERVICES = {
    "competitions": ("kagglesdk.competitions.types.competition_api_service", "competitions.CompetitionApiService"),
    "datasets": ("kagglesdk.datasets.types.dataset_api_service", "datasets.DatasetApiService"),
    "kernels": ("kagglesdk.kernels.types.kernels_api_service", "kernels.KernelsApiService"),
    "blobs": ("kagglesdk.blobs.types.blob_api_service", "blobs.BlobApiService"),
    "security": ("kagglesdk.security.types.oauth_service", "security.OAuthService"),
}
_ENVIRONMENTS = (None, "PROD", "LOCALHOST")  # of KAGGLE_API_ENVIRONMENT; with others parts of the client go elsewhere
PATIENCE = Patience()  # of every session that does not bring its own


def sign_in(patience: Patience | None = None) -> "Kaggle":
    """The client of whoever's credential is found. UserError: there is none; Refused: it is no longer good."""
    if os.environ.get("KAGGLE_API_ENVIRONMENT") not in _ENVIRONMENTS:
        raise UserError("KAGGLE_API_ENVIRONMENT names an environment of Kaggle's staff; unset it.")
    credential = find()
    kaggle = Kaggle(credential, patience or PATIENCE)
    if credential.kind == "token":
        body = kaggle._read("sign in", "security", "IntrospectToken", {"token": credential.secret})
        kaggle.owner = text_of(body, "username")
        if body.get("active") is not True or not kaggle.owner:
            raise refusal("sign in", 401, f"the token of {credential.source} is not valid any more")
    return kaggle


class Kaggle(Competitions, Datasets, Kernels):
    """A signed-in client. `owner` is the user's name; `source` says which credential was found, never its value."""

    def __init__(self, credential: Credential, patience: Patience) -> None:
        super().__init__(credential.source, credential.user, patience)
        self._credential = credential

    def _post(self, service: str, method: str, fields: Mapping[str, Any], stream: bool = False) -> Any:
        types, wire = _SERVICES[service]
        prefix = "" if service == "security" else "Api"
        request = getattr(importlib.import_module(types), f"{prefix}{method}Request").from_dict(fields)
        http = self._client().http_client()
        if stream:  # this type makes the client leave the body unread
            redirect = importlib.import_module("kagglesdk.common.types.http_redirect").HttpRedirect
            return http.call(wire, method, request, redirect)
        with http:
            return http.call(wire, method, request, _Answer)

    def _client(self, left: list[bool] | None = None) -> Any:
        """A fresh client, so that a call which was given up shares nothing with the next; `left` notes what went out.

        The credential is set by hand: the client prefers any token that it finds to the key that it was given.
        """
        sdk = importlib.import_module("kagglesdk.kaggle_client")
        client = sdk.KaggleClient(username=self._credential.user, password=self._credential.secret)
        http = client.http_client()
        http._init_session()
        session = http._session
        if self._credential.kind == "token":
            session.auth = sdk.KaggleHttpClient.BearerAuth(self._credential.secret)
        else:
            session.auth = (self._credential.user, self._credential.secret)
        adapter = _adapter((CONNECT, self.patience.stall), left if left is not None else [])
        for scheme in ("http://", "https://"):
            session.mount(scheme, adapter)
        return client

    def _push(self, folder: Path, timeout_seconds: int, doing: str) -> Body:
        left: list[bool] = []

        def push() -> Any:
            return self._package(left).kernels_push(str(folder), timeout=str(timeout_seconds)).to_dict()

        with contextlib.redirect_stdout(io.StringIO()):  # here, not in the thread: a late thread must not keep it
            answer, error = within(2 * self.patience.call, push)
        if answer is not None:
            return answer
        if error is None or left or isinstance(error, FfdiError | TimeoutError):
            raise explain(error or ValueError("no answer"), doing, write=bool(left))
        raise UserError(redact(f"{folder}: {error}; nothing was pushed."))  # the client's checks of the metadata

    def _package(self, left: list[bool]) -> Any:
        """The client's own face. Its import signs in, prints, and leaves by SystemExit: only behind `within`."""
        try:
            from kaggle.api.kaggle_api_extended import KaggleApi
        except (Exception, SystemExit) as error:
            raise UserError(
                f"Kaggle's client cannot be loaded ({redact(str(error))}); if that is a matter of its folder, name one "
                "that can be written to in KAGGLE_CONFIG_DIR."
            ) from error
        ours = self._client

        class Api(KaggleApi):
            def build_kaggle_client(self) -> Any:
                return ours(left)

        api = Api()
        api.config_values = {"username": self.owner}
        return api


class _Answer:
    """Takes the place of the client's types: the body as it is, an error in it raised whatever the status says."""

    @staticmethod
    def prepare_from(response: Any) -> Body:
        import requests

        body = json.loads(response.text)
        if not isinstance(body, dict):
            raise ValueError("an answer that is no JSON object")
        if envelope(body):
            raise requests.HTTPError("refused with success", response=response)
        return body


def _adapter(timeout: tuple[float, float], left: list[bool]) -> Any:
    """The client sets no timeout, and loses the status of an error whose body is not the JSON it claims to be."""
    from requests import HTTPError
    from requests.adapters import HTTPAdapter

    class Timed(HTTPAdapter):
        def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
            left.append(True)
            response = super().send(request, *args, **{**kwargs, "timeout": timeout})
            if response.status_code >= 400:
                _ = response.content  # read here, under the deadline
                raise HTTPError(f"HTTP {response.status_code}", response=response)
            return response

    return Timed()
