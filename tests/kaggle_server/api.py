"""The calls of Kaggle's API that the kit and its client make, over a State. Facts: research page, section 4."""

from collections.abc import Callable, Mapping
from typing import Any

from tests.kaggle_server.state import Dataset, Json, Outcome, Run, State, Submission

STORAGE = "http://storage.example"
SIGNATURE = "X-Goog-Signature=signaturesignature"


class Refusal(Exception):
    """An HTTP error with Kaggle's own text."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class Redirect(Exception):
    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


class Api:
    """`call(name, body)` does one call and gives its answer, a dict, or raises Refusal or Redirect."""

    def __init__(self, state: State) -> None:
        self.state = state

    def call(self, name: str, body: Json) -> Json:
        method: Callable[[Json], Json] | None = getattr(self, "do_" + name, None)
        if method is None:
            raise Refusal(501, f"the imitation does not know {name}")
        return method(body)

    def _competition(self, body: Json, entered: bool = True) -> Any:
        found = self.state.competitions.get(body["competitionName"])
        if found is None:
            raise Refusal(403, "Permission 'competitions.get' was denied")
        if entered and not found.entered:
            raise Refusal(
                403, "You must accept this competition's rules before you'll be able to download or submit files."
            )
        return found

    def _page(self, rows: list[Json], body: Json, name: str) -> Json:
        size = min(int(body.get("pageSize") or 20), self.state.page)
        start = int(body["pageToken"]) if body.get("pageToken") else (int(body.get("page") or 1) - 1) * size
        more = {"nextPageToken": str(start + size)} if start + size < len(rows) else {}
        return {name: rows[start : start + size], **more}

    # Competitions

    def do_ListCompetitions(self, body: Json) -> Json:
        rows = [
            {
                "ref": f"https://www.kaggle.com/competitions/{slug}",
                "title": one.title,
                "deadline": one.deadline,
                "maxDailySubmissions": one.per_day,
                "isKernelsSubmissionsOnly": one.code_only,
                "userHasEntered": one.entered,
                "submissionsDisabled": one.disabled,
            }
            for slug, one in self.state.competitions.items()
            if body.get("search", "") in slug
        ]
        return self._page(rows, body, "competitions")

    def do_GetSubmissionLimits(self, body: Json) -> Json:
        slug, found = body["competitionName"], self._competition(body, entered=False)
        today = self.state.today(slug)
        total = sum(one.competition == slug for one in self.state.submissions)
        if not found.entered:
            return {}
        counts = {"numToday": today, "numTotal": total, "numAllowedNow": max(0, found.per_day - today)}
        return {name: value for name, value in counts.items() if value}

    def do_ListSubmissions(self, body: Json) -> Json:
        self._competition(body)
        rows = []
        for one in reversed(self.state.submissions):
            if one.competition == body["competitionName"]:
                if one.hidden:
                    one.hidden -= 1
                else:
                    rows.append(one)
        page = self._page([{"at": n} for n in range(len(rows))], body, "submissions")
        return {**page, "submissions": [rows[row["at"]].row() for row in page["submissions"]]}

    def do_StartSubmissionUpload(self, body: Json) -> Json:
        self._competition(body)
        return self._blob(body["fileName"])

    def do_CreateSubmission(self, body: Json) -> Json:
        name, data = self.state.blobs[body["blobFileTokens"]]
        return self._submit(body, name, data=data)

    def do_CreateCodeSubmission(self, body: Json) -> Json:
        kernel = f"{body['kernelOwner']}/{body['kernelSlug']}"
        runs = self.state.kernels.get(kernel, [])
        version = body.get("kernelVersion", 0)
        if not 0 < version <= len(runs):
            raise Refusal(404, "Kernel not found")
        run = runs[version - 1]
        if run.states[0] != "COMPLETE" or body.get("fileName") not in run.output:
            reason = "Notebook is still running. Did not find provided Notebook Output File."
            raise Refusal(400, f"Submission not allowed: {reason}")
        return self._submit(body, body["fileName"], run.output[body["fileName"]], f"{kernel}/{version}", code=True)

    def _submit(self, body: Json, name: str, data: bytes, kernel: str = "", code: bool = False) -> Json:
        slug, found = body["competitionName"], self._competition(body)
        reason = ""
        if found.disabled:
            reason = "Submissions have been disabled for this competition."
        elif found.code_only and not code:
            reason = "This competition only accepts Submissions from Notebooks"
        elif self.state.today(slug) >= found.per_day:
            reason = (
                f"Your team has used its daily Submission allowance ({found.per_day}) today, "
                "please try again tomorrow UTC."
            )
        if reason:
            raise Refusal(400, f"Submission not allowed: {reason}")
        outcome = self.state.outcomes.popleft() if self.state.outcomes else Outcome()
        date = self.state.clock().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        text = body.get("submissionDescription", "")
        ref = next(self.state.numbers)
        self.state.submissions.append(
            Submission(ref, slug, text, name, date, outcome, data, kernel, hidden=self.state.hide)
        )
        return {"message": f"Successfully submitted to {found.title}", "ref": ref}

    def do_DownloadDataFiles(self, body: Json) -> Json:
        self._competition(body)
        raise Redirect(f"{STORAGE}/archives/{body['competitionName']}.zip?{SIGNATURE}")

    # Blobs and datasets

    def _blob(self, name: str) -> Json:
        token = f"blob-{next(self.state.numbers)}"
        self.state.blobs[token] = (name, b"")
        return {"token": token, "createUrl": f"{STORAGE}/upload/{token}?{SIGNATURE}"}

    def do_StartBlobUpload(self, body: Json) -> Json:
        return self._blob(body["name"])

    def _dataset(self, body: Json) -> Dataset:
        found = self.state.datasets.get(f"{body['ownerSlug']}/{body['datasetSlug']}")
        if found is None:
            raise Refusal(404, "Dataset not found")
        return found

    def do_GetDatasetStatus(self, body: Json) -> Json:
        found = self._dataset(body)
        found.polls += 1
        if found.polls > self.state.ready_after:
            return {"status": found.state}
        return {"status": "BLOBS_RECEIVED"} if found.polls > 1 else {}

    def do_GetDataset(self, body: Json) -> Json:
        return {"title": self._dataset(body).title, "currentVersionNumber": len(self._dataset(body).versions)}

    def do_ListDatasetFiles(self, body: Json) -> Json:
        newest = self._dataset(body).versions[-1]
        rows = [{"name": name, "totalBytes": len(data)} for name, data in sorted(newest.items())]
        return self._page(rows, body, "datasetFiles")

    def do_CreateDataset(self, body: Json) -> Json:
        name = f"{body['ownerSlug']}/{body['slug']}"
        if name in self.state.datasets:
            text = f'The requested title "{body["title"]}" is already in use by a dataset.'
            return {"status": "error", "error": text}
        self.state.datasets[name] = Dataset(body["title"])
        return self._version(name, body, body, "")

    def do_CreateDatasetVersion(self, body: Json) -> Json:
        self._dataset(body)
        notes = body["body"].get("versionNotes", "")
        return self._version(f"{body['ownerSlug']}/{body['datasetSlug']}", body, body["body"], notes)

    def _version(self, name: str, request: Json, body: Json, notes: str) -> Json:
        files = dict(self.state.blobs[file["token"]] for file in body.get("files", []))
        found = self.state.datasets[name]
        found.versions.append({key: data for key, data in files.items() if key not in self.state.drop})
        found.notes.append(notes)
        found.requests.append(request)
        found.polls = 0
        return {"status": "ok", "ref": name, "url": f"https://www.kaggle.com/datasets/{name}"}

    # Kernels

    def do_SaveKernel(self, body: Json) -> Json:
        name, state = body["slug"], self.state
        bad = {
            "invalidDatasetSources": [
                one for one in body.get("datasetDataSources", []) if self._lacks(one, state.datasets)
            ],
            "invalidCompetitionSources": [
                one for one in body.get("competitionDataSources", []) if one not in state.competitions
            ],
            "invalidKernelSources": [
                one for one in body.get("kernelDataSources", []) if self._lacks(one, state.kernels)
            ],
        }
        runs = state.kernels.setdefault(name, [])
        runs.append(Run(body, list(state.kernel_states), state.run(body), state.log, state.kernel_failure))
        url = f"https://www.kaggle.com/code/{name}"
        return {"ref": name, "url": url, "versionNumber": len(runs), **{key: rows for key, rows in bad.items() if rows}}

    def _lacks(self, source: str, known: Mapping[str, Any]) -> bool:
        """Whether there is no "owner/slug" of that name, or no such version of "owner/slug/version"."""
        owner, slug, *version = source.split("/")
        found = known.get(f"{owner}/{slug}", [])
        versions = found.versions if isinstance(found, Dataset) else found
        return len(versions) < int(version[0] if version else 1)

    def _run(self, body: Json) -> Run:
        runs = self.state.kernels.get(f"{body['userName']}/{body['kernelSlug']}")
        label = body.get("versionLabel", "").removeprefix("v")
        if not runs or (label and int(label) > len(runs)):
            raise Refusal(403, "Permission 'kernels.get' was denied")
        return runs[int(label) - 1 if label else -1]

    def do_GetKernel(self, body: Json) -> Json:
        name = f"{body['userName']}/{body['kernelSlug']}"
        source = self._run(body).request.get("text", "")
        about = {"ref": name, "currentVersionNumber": len(self.state.kernels[name])}
        return {"metadata": about, "blob": {"source": source}}

    def do_GetKernelSessionStatus(self, body: Json) -> Json:
        run = self._run(body)
        state = run.look()
        answer = {"status": state} if state != "QUEUED" else {}
        return answer | ({"failureMessage": run.failure} if state == "ERROR" and run.failure else {})

    def do_ListKernelSessionOutput(self, body: Json) -> Json:
        run = self._run(body)
        where = f"{STORAGE}/output/{body['userName']}/{body['kernelSlug']}"
        label = body.get("versionLabel", "v0")
        rows = [{"url": f"{where}/{label}/{n}?{SIGNATURE}", "fileName": name} for n, name in enumerate(run.output)]
        return {**self._page(rows, body, "files"), "log": run.log}

    def do_GetAcceleratorQuotaStatistics(self, body: Json) -> Json:
        quota = {"timeUsed": "7200s", "totalTimeAllowed": "108000s"}
        return {"quotaRefreshTime": "2026-11-28T00:00:00Z", "gpuQuota": quota}

    # Signing in

    def do_IntrospectToken(self, body: Json) -> Json:
        return {"active": True, "username": self.state.user}

    # Storage

    def stored(self, path: str) -> tuple[bytes, str | None]:
        """(content, ETag) of an address that a call above gave."""
        kind, *parts = path.strip("/").split("/")
        if kind == "archives":
            found = self.state.competitions[parts[0].removesuffix(".zip")]
            return found.packed(), found.etag
        if kind == "output":
            runs = self.state.kernels["/".join(parts[:2])]
            number = int(parts[2].removeprefix("v"))
            return list(runs[number - 1 if number else -1].output.values())[int(parts[3])], '"output"'
        raise Refusal(404, "no such object")
