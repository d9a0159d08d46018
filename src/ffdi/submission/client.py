"""Kaggle as the kit uses it: what each call asks, and what its answer means.

Every method raises Refused (Kaggle said no), Unreachable (nothing was changed) or, where it writes, LostReply.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ffdi.core.layout import SUBMISSION_CSV, inside
from ffdi.submission import answers, credentials, transfer
from ffdi.submission.answers import Body, Listed, text_of
from ffdi.submission.errors import LostReply, Refused, explained, refusal
from ffdi.submission.http import Call, HttpClient
from ffdi.submission.retry import RetryPolicy

if TYPE_CHECKING:
    from ffdi.submission.kernel import KernelMetadata

Answer = TypeVar("Answer")
POLICY = RetryPolicy()  # of clients that are not given one
COMPETITIONS, DATASETS = "competitions.CompetitionApiService", "datasets.DatasetApiService"
KERNELS, BLOBS = "kernels.KernelsApiService", "blobs.BlobApiService"


def sign_in(policy: RetryPolicy | None = None) -> "KaggleClient":
    """Return a client of the user whose credential is found. Raise Refused if the credential is not valid any more."""
    credential = credentials.find()
    client = KaggleClient(credential, policy or POLICY)
    if not credential.user:
        body = client.read(Call("sign in", "security.OAuthService", "IntrospectToken", {"token": credential.secret}))
        client.owner = text_of(body, "username")
        if body.get("active") is not True or not client.owner:
            raise refusal("sign in", 401, f"the token of {credential.source} is not valid any more")
    return client


class KaggleClient(HttpClient):
    """Ask Kaggle as the user who signed in."""

    def limits(self, slug: str) -> answers.Limits:
        """Return how many submissions were made and are left; all zero while the user is in no team."""
        doing = f"say how many submissions to {slug} are left"
        return answers.Limits.model_validate(self.read(_of_competition(doing, "GetSubmissionLimits", slug)))

    def submissions(self, slug: str) -> list[Listed]:
        """Return every submission of the team, the newest first."""
        call = _of_competition(f"list the submissions to {slug}", "ListSubmissions", slug)
        return [Listed.model_validate(row) for row in self.rows(call, "submissions")]

    def submit_file(self, slug: str, path: Path, message: str) -> int:
        """Upload a file and submit it. Return Kaggle's number for it.

        Args:
            slug: The competition.
            path: The CSV; Kaggle gets it as submission.csv, the only name that some competitions take.
            message: Shown beside the submission.
        """
        doing = f"submit {path.name} to {slug}"
        token = self.upload(_of_competition(doing, "StartSubmissionUpload", slug, fileName=SUBMISSION_CSV), path)
        fields = {"blobFileTokens": token, "submissionDescription": message}
        return self._submit(_of_competition(doing, "CreateSubmission", slug, **fields))

    def submit_kernel(self, slug: str, kernel: str, version: int, message: str) -> int:
        """Submit the output of a kernel. Return as `submit_file`.

        Args:
            slug: The competition.
            kernel: "owner/slug".
            version: A complete one.
            message: Shown beside the submission.
        """
        owner, _, name = kernel.partition("/")
        fields = {
            "kernelOwner": owner,
            "kernelSlug": name,
            "kernelVersion": version,
            "fileName": SUBMISSION_CSV,
            "submissionDescription": message,
        }
        doing = f"submit version {version} of {kernel} to {slug}"
        return self._submit(_of_competition(doing, "CreateCodeSubmission", slug, **fields))

    def _submit(self, call: Call) -> int:
        """Return the number of the submission that a call made. An answer that names none confirms nothing."""
        made = self.write(call)
        if ref := Listed.model_validate(made).ref:
            return ref
        said = text_of(made, "message") or "without a reason"
        raise LostReply(f"Kaggle, asked to {call.doing}, names no submission ({said}); look there before trying again.")

    def fetch_archive(self, slug: str, path: Path) -> None:
        """Write all files of a competition to `path` as one zip, with progress; go on with an earlier run's part.

        What was sent may be something else than a zip, such as a web page.
        """
        call = _of_competition(f"download the files of {slug}", "DownloadDataFiles", slug)
        transfer.fetch(lambda: self._once(call, stream=True), path, self.policy)

    def dataset_status(self, dataset: str) -> answers.DatasetState:
        """Return how far Kaggle is with the newest version of "owner/slug"; "missing" where there is no dataset."""
        doing = f"show the dataset {dataset}"
        status = _unless_missing(lambda: self.read(_of_dataset(doing, "GetDatasetStatus", dataset)))
        if status is None:
            return answers.DatasetState.model_validate({"status": "missing"})
        # A new dataset is missing in this call for some seconds.
        about = _unless_missing(lambda: self.read(_of_dataset(doing, "GetDataset", dataset))) or {}
        return answers.DatasetState.model_validate({**about, "status": status.get("status")})

    def dataset_files(self, dataset: str) -> dict[str, int]:
        """Return the files of the newest version: bytes by name; none for some seconds after it was made."""
        call = _of_dataset(f"list the files of the dataset {dataset}", "ListDatasetFiles", dataset)
        rows = _unless_missing(lambda: self.rows(call, "datasetFiles")) or []
        return {text_of(row, "name"): int(row.get("totalBytes", 0)) for row in rows}

    def save_dataset(self, dataset: str, files: Mapping[str, Path], notes: str, new: bool) -> None:
        """Make a private dataset, or a version of it. Kaggle refuses with HTTP 200 and a status.

        Args:
            dataset: "owner/slug".
            files: By name; the version holds no other.
            notes: Shown beside a version.
            new: Whether it is the first one.
        """
        doing, (owner, slug) = f"make {'' if new else 'a version of '}the dataset {dataset}", dataset.split("/")
        begin = [Call(doing, BLOBS, "StartBlobUpload", {"type": "DATASET", "name": name}) for name in files]
        tokens = [{"token": self.upload(*one)} for one in zip(begin, files.values(), strict=True)]
        first = {"ownerSlug": owner, "slug": slug, "title": slug.replace("-", " "), "licenseName": "other"}
        call = Call(doing, DATASETS, "CreateDataset", {**first, "isPrivate": True, "files": tokens})
        if not new:
            body = {"versionNotes": notes, "files": tokens}
            call = _of_dataset(doing, "CreateDatasetVersion", dataset).with_fields(body=body)
        saved = self.write(call)
        status, reason = text_of(saved, "status").lower(), text_of(saved, "error")
        if reason or status == "error":
            raise refusal(doing, 200, reason or "it gives no reason")
        if status != "ok":
            raise LostReply(f"Kaggle's answer, asked to {doing}, says neither yes nor no; look there, then try again.")

    def push_kernel(self, about: "KernelMetadata", text: str) -> tuple[int, str]:
        """Make a version of a kernel with the script `text`, which runs at once. Return version and URL."""
        doing = f"push the kernel {about.id}"
        pushed = self.write(Call(doing, KERNELS, "SaveKernel", {**about.request(), "text": text}))
        return _checked_version(pushed, doing), text_of(pushed, "url")

    def kernel_status(self, kernel: str, version: int) -> answers.KernelState:
        """Return the state of a version of "owner/slug"."""
        call = _of_kernel(f"show the kernel {kernel}", "GetKernelSessionStatus", kernel, version)
        return answers.KernelState.model_validate(self.read(call))

    def newest_kernel(self, kernel: str) -> tuple[int, str]:
        """Return the newest version of "owner/slug", 0 if there is none, and its text."""
        call = _of_kernel(f"show the kernel {kernel}", "GetKernel", kernel)
        body = _unless_missing(lambda: self.read(call)) or {}
        version = (body.get("metadata") or {}).get("currentVersionNumber")
        return int(version or 0), text_of(body.get("blob") or {}, "source")

    def kernel_output(self, kernel: str, folder: Path, version: int) -> None:
        """Fetch what a run left, and its log as `<slug>.log`.

        Args:
            kernel: "owner/slug".
            folder: An empty one.
            version: Of the kernel.
        """
        call = _of_kernel(f"send the output of {kernel}", "ListKernelSessionOutput", kernel, version)
        bodies = list(self.pages(call))
        files = [file for body in bodies for file in body.get("files") or []]
        places = [inside(folder, text_of(file, "fileName")) for file in files]  # all, before the first is written
        for file, place in zip(files, places, strict=True):
            get = partial(transfer.get, text_of(file, "url"), self.policy.timeout)
            transfer.fetch(partial(explained, get, f"{call.doing} ({place.name})"), place, self.policy)
        log = next((text for body in bodies if (text := text_of(body, "log"))), "")
        log_path = folder / f"{kernel.rpartition('/')[2]}.log"
        if log and not log_path.exists():
            log_path.write_text(log, encoding="utf-8")


def _unless_missing(read: Callable[[], Answer]) -> Answer | None:
    """Return what `read` returns; None where there is no such thing."""
    try:
        return read()
    except Refused as error:
        if error.missing:
            return None
        raise


def _of_competition(doing: str, method: str, slug: str, **fields: object) -> Call:
    return Call(doing, COMPETITIONS, method, {"competitionName": slug, **fields}, slug)


def _of_dataset(doing: str, method: str, dataset: str) -> Call:
    owner, slug = dataset.split("/")
    return Call(doing, DATASETS, method, {"ownerSlug": owner, "datasetSlug": slug})


def _of_kernel(doing: str, method: str, kernel: str, version: int = 0) -> Call:
    owner, slug = kernel.split("/")
    place = {"userName": owner, "kernelSlug": slug}
    return Call(doing, KERNELS, method, place | ({"versionLabel": f"v{version}"} if version else {}))


def _checked_version(pushed: Body, doing: str) -> int:
    """Return the version that a push made. Raise Refused for one that failed: Kaggle answers that with HTTP 200 too."""
    version, faults = int(pushed.get("versionNumber", 0)), [text for text in [text_of(pushed, "error")] if text]
    for kind in ("Dataset", "Competition", "Kernel"):
        if names := pushed.get(f"invalid{kind}Sources"):
            faults.append(f"no such {kind.lower()}s: {', '.join(names)}")
    competitions = pushed.get("invalidCompetitionSources")
    if competitions:
        faults.append("to attach a competition, accept its rules")
    if faults and version:
        faults.append(f"version {version} was made all the same; stop it before you push again")
    if faults or not version:
        reason = "; ".join(faults) or "the answer names no version"
        raise refusal(doing, 200, reason, competitions[0] if competitions else "")
    return version
