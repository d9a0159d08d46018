"""Kaggle as the kit uses it: what each call asks, and what its answer means.

Every method raises Refused (Kaggle said no), Unreachable (nothing was changed) or, where it writes, LostReply.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ffdi.core.errors import UserError
from ffdi.submission import answers, credentials, transfer
from ffdi.submission.answers import Body, DatasetState, KernelState, Limits, Listed, Quota, number_of, text_of
from ffdi.submission.errors import LostReply, Refused, refusal
from ffdi.submission.http import HttpClient
from ffdi.submission.metadata import KernelMetadata
from ffdi.submission.paths import check_collisions, safe_path
from ffdi.submission.retry import RetryPolicy

POLICY = RetryPolicy()  # of clients that are not given one
INVALID = {
    "invalidTags": "tags",
    "invalidDatasetSources": "datasets",
    "invalidCompetitionSources": "competitions",
    "invalidKernelSources": "kernels",
    "invalidModelSources": "models",
}


def sign_in(policy: RetryPolicy | None = None) -> "KaggleClient":
    """Return a client of the user whose credential is found. Raise Refused if the credential is not valid any more."""
    if os.environ.get("KAGGLE_API_ENVIRONMENT") not in (None, "PROD", "LOCALHOST"):
        raise UserError("KAGGLE_API_ENVIRONMENT names an environment of Kaggle's staff; unset it.")
    credential = credentials.find()
    client = KaggleClient(credential, policy or POLICY)
    if credential.kind == "token":
        body = client.read("sign in", "security", "IntrospectToken", {"token": credential.secret})
        client.owner = text_of(body, "username")
        if body.get("active") is not True or not client.owner:
            raise refusal("sign in", 401, f"the token of {credential.source} is not valid any more")
    return client


class KaggleClient(HttpClient):
    """A signed-in user, `owner`. `source` says which credential was found, never its value."""

    def __init__(self, credential: credentials.Credential, policy: RetryPolicy) -> None:
        super().__init__(credential, policy)
        self.owner, self.source = credential.user, credential.source

    def limits(self, slug: str) -> Limits:
        """Return how many submissions were made and are left; all zero while the user is in no team."""
        doing = f"say how many submissions to {slug} are left"
        body = self.read(doing, "competitions", "GetSubmissionLimits", {"competitionName": slug}, slug)
        return Limits(
            number_of(body, "numToday"),
            number_of(body, "numTotal"),
            number_of(body, "numAllowedNow"),
        )

    def submissions(self, slug: str) -> list[Listed]:
        """Return every submission of the team, the newest first."""
        doing, fields = f"list the submissions to {slug}", {"competitionName": slug}
        return [
            Listed(
                ref=number_of(row, "ref"),
                date=answers.date_of(row, "date"),
                status=answers.state_of(row, answers.SUBMISSION_STATES, "pending"),
                public=answers.score_of(row, "publicScore"),
                private=answers.score_of(row, "privateScore"),
                error=text_of(row, "errorDescription"),
                message=text_of(row, "description"),
            )
            for row in self.rows(doing, "competitions", "ListSubmissions", "submissions", fields, slug)
        ]

    def submit_file(self, slug: str, path: Path, message: str) -> int:
        """Upload a file and submit it. Return Kaggle's number for it, or 0 if the answer names none."""
        doing, where = f"submit {path.name} to {slug}", {"competitionName": slug}
        named = {**where, "fileName": path.name}
        token = self.upload(doing, path, "competitions", "StartSubmissionUpload", named, slug)
        fields = {**where, "blobFileTokens": token, "submissionDescription": message}
        return number_of(self.write(doing, "competitions", "CreateSubmission", fields, slug), "ref")

    def submit_kernel(self, slug: str, kernel: str, version: int, file_name: str, message: str) -> int:
        """Submit the output `file_name` of a complete version of `kernel` ("owner/slug"). Return as `submit_file`."""
        owner, _, name = kernel.partition("/")
        fields = {
            "competitionName": slug,
            "kernelOwner": owner,
            "kernelSlug": name,
            "kernelVersion": version,
            "fileName": file_name,
            "submissionDescription": message,
        }
        doing = f"submit version {version} of {kernel} to {slug}"
        return number_of(self.write(doing, "competitions", "CreateCodeSubmission", fields, slug), "ref")

    def fetch_archive(self, slug: str, path: Path) -> None:
        """Write all files of a competition to `path` as one zip, with progress; go on with an earlier run's part.

        What was sent may be something else than a zip, such as a web page.
        """
        doing, fields = f"download the files of {slug}", {"competitionName": slug}
        transfer.fetch(
            lambda: self.open_stream(doing, "competitions", "DownloadDataFiles", fields, slug),
            path,
            self.policy,
            f"download {slug}",
        )

    def dataset_status(self, dataset: str) -> DatasetState:
        """Return how far Kaggle is with the newest version of "owner/slug"."""
        doing = f"show the dataset {dataset}"
        body = self._unless_missing(doing, "datasets", "GetDatasetStatus", _dataset_fields(dataset))
        if body is None:
            return DatasetState("missing", 0)
        # A new dataset is missing in this call for some seconds.
        about = self._unless_missing(doing, "datasets", "GetDataset", _dataset_fields(dataset)) or {}
        return DatasetState(
            answers.state_of(body, answers.DATASET_STATES, "not_yet_persisted"),
            number_of(about, "currentVersionNumber"),
        )

    def dataset_files(self, dataset: str) -> dict[str, int]:
        """Return the files of the newest version: bytes by name."""
        doing = f"list the files of the dataset {dataset}"
        rows = self.rows(doing, "datasets", "ListDatasetFiles", "datasetFiles", _dataset_fields(dataset))
        return {text_of(row, "name"): number_of(row, "totalBytes") for row in rows}

    def create_dataset(self, dataset: str, files: Mapping[str, Path]) -> None:
        """Make a private dataset of files by name."""
        doing, (owner, slug) = f"make the dataset {dataset}", dataset.split("/")
        fields = {
            "ownerSlug": owner,
            "slug": slug,
            "title": slug.replace("-", " "),
            "licenseName": "other",
            "isPrivate": True,
            "files": self._upload_all(doing, files),
        }
        _check_saved(self.write(doing, "datasets", "CreateDataset", fields), doing)

    def create_version(self, dataset: str, files: Mapping[str, Path], notes: str) -> None:
        """Make a version of a dataset that holds these files and no other."""
        doing = f"make a version of the dataset {dataset}"
        body = {"versionNotes": notes, "files": self._upload_all(doing, files)}
        fields = {**_dataset_fields(dataset), "body": body}
        _check_saved(self.write(doing, "datasets", "CreateDatasetVersion", fields), doing)

    def push_kernel(self, about: KernelMetadata, text: str, limit: int) -> tuple[int, str]:
        """Make a version of a kernel that runs at once, for at most `limit` seconds. Return version and URL."""
        doing = f"push the kernel {about.id}"
        fields = {**about.request(), "text": text, "sessionTimeoutSeconds": limit}
        return _pushed(self.write(doing, "kernels", "SaveKernel", fields), doing)

    def kernel_status(self, kernel: str, version: int) -> KernelState:
        """Return the state of a version of "owner/slug"."""
        doing, place = f"show the kernel {kernel}", _kernel_fields(kernel, version)
        body = self.read(doing, "kernels", "GetKernelSessionStatus", place)
        return KernelState(answers.state_of(body, answers.KERNEL_STATES, "queued"), text_of(body, "failureMessage"))

    def newest_kernel(self, kernel: str) -> tuple[int, str]:
        """Return the newest version of "owner/slug", 0 if there is none, and its text."""
        body = self._unless_missing(f"show the kernel {kernel}", "kernels", "GetKernel", _kernel_fields(kernel)) or {}
        return number_of(body.get("metadata") or {}, "currentVersionNumber"), text_of(body.get("blob") or {}, "source")

    def kernel_output(self, kernel: str, folder: Path, version: int) -> None:
        """Fetch what a run left, and its log as `<slug>.log`, into `folder`, which is empty."""
        doing, source = f"send the output of {kernel}", f"The output of {kernel}"
        place = _kernel_fields(kernel, version)
        bodies = list(self.pages(doing, "kernels", "ListKernelSessionOutput", "files", place))
        rows = [row for body in bodies for row in answers.rows_of(body, "files")]
        paths = [safe_path(text_of(row, "fileName"), source) for row in rows]
        check_collisions(paths, source)
        for path, row in zip(paths, rows, strict=True):
            self.download(f"{doing} ({path.name})", text_of(row, "url"), folder / path)
        log = next((text for body in bodies if (text := text_of(body, "log"))), "")
        log_path = folder / f"{kernel.rpartition('/')[2]}.log"
        if log and not log_path.exists():
            log_path.write_text(log, encoding="utf-8")

    def gpu_quota(self) -> Quota:
        """Return the hours of GPU of this week."""
        body = self.read("show the GPU quota", "kernels", "GetAcceleratorQuotaStatistics", {})
        used, allowed = (
            (answers.score_of(body.get("gpuQuota") or {}, name) or 0) / 3600
            for name in ("timeUsed", "totalTimeAllowed")
        )
        return Quota(used, allowed, answers.date_of(body, "quotaRefreshTime"))

    def _unless_missing(self, doing: str, service: str, method: str, fields: Mapping[str, Any]) -> Body | None:
        try:
            return self.read(doing, service, method, fields)
        except Refused as error:
            if error.missing:
                return None
            raise

    def _upload_all(self, doing: str, files: Mapping[str, Path]) -> list[dict[str, str]]:
        return [
            {"token": self.upload(doing, path, "blobs", "StartBlobUpload", {"type": "DATASET", "name": name})}
            for name, path in files.items()
        ]


def _dataset_fields(dataset: str) -> dict[str, str]:
    owner, slug = dataset.split("/")
    return {"ownerSlug": owner, "datasetSlug": slug}


def _kernel_fields(kernel: str, version: int = 0) -> dict[str, str]:
    owner, slug = kernel.split("/")
    return {"userName": owner, "kernelSlug": slug} | ({"versionLabel": f"v{version}"} if version else {})


def _check_saved(body: Body, doing: str) -> None:
    """Raise what a dataset's answer says: Kaggle refuses with HTTP 200 and a status."""
    status, reason = text_of(body, "status").lower(), text_of(body, "error")
    if reason or status == "error":
        raise refusal(doing, 200, reason or "it gives no reason")
    if status != "ok":
        raise LostReply(f"Kaggle's answer, asked to {doing}, says neither yes nor no; look there before trying again.")


def _pushed(body: Body, doing: str) -> tuple[int, str]:
    """Return version and URL of a push. Kaggle answers one that failed with HTTP 200 too."""
    faults = [f"no such {kind}: {', '.join(map(str, body[name]))}" for name, kind in INVALID.items() if body.get(name)]
    competitions = [str(one) for one in body.get("invalidCompetitionSources") or []]
    if competitions:
        faults.append("to attach a competition, accept its rules")
    if reason := text_of(body, "error"):
        faults.insert(0, reason)
    version = number_of(body, "versionNumber")
    if faults and version:
        faults.append(f"version {version} was made all the same; stop it on its page before you push again")
    if faults or not version:
        slug = competitions[0] if competitions else ""
        raise refusal(doing, 200, "; ".join(faults) or "the answer names no version", slug)
    return version, text_of(body, "url")
