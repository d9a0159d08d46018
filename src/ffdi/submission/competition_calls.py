"""What the kit asks of a competition on Kaggle."""

from pathlib import Path
from typing import Any

from ffdi.submission import transfer
from ffdi.submission.answers import Contest, Limits, Sent, known
from ffdi.submission.calls import Calls
from ffdi.submission.fields import date_of, number_of, rows_of, score_of, text_of
from ffdi.submission.patience import repeated
from ffdi.submission.refusals import refusal


class Competitions(Calls):
    """Competitions and submissions."""

    def competition(self, slug: str) -> Contest:
        """What Kaggle says of a competition, to this user."""
        doing = f"show the competition {slug}"
        fields = {"search": slug, "group": "COMPETITION_LIST_TAB_EVERYTHING"}
        for body in self._pages(doing, "competitions", "ListCompetitions", "competitions", fields, slug):
            for row in rows_of(body, "competitions"):
                if text_of(row, "ref").rstrip("/").rpartition("/")[2] == slug:
                    return Contest(
                        slug=slug,
                        title=text_of(row, "title"),
                        deadline=date_of(row, "deadline"),
                        per_day=number_of(row, "maxDailySubmissions"),
                        code_only=row.get("isKernelsSubmissionsOnly") is True,
                        entered=row.get("userHasEntered") is True,
                    )
        raise refusal(doing, 404, "there is none of that name", slug)

    def limits(self, slug: str) -> Limits:
        """Submissions made and left. All are zero while the user is in no team."""
        doing = f"say how many submissions to {slug} are left"
        body = self._read(doing, "competitions", "GetSubmissionLimits", {"competitionName": slug}, slug)
        return Limits(number_of(body, "numToday"), number_of(body, "numTotal"), number_of(body, "numAllowedNow"))

    def submissions(self, slug: str) -> list[Sent]:
        """Every submission of the team, the newest first."""
        doing, fields = f"list the submissions to {slug}", {"competitionName": slug}
        return [
            Sent(
                ref=number_of(row, "ref"),
                date=date_of(row, "date"),
                status=known(text_of(row, "status") or "pending", "pending", "complete", "error"),
                public=score_of(row, "publicScore"),
                private=score_of(row, "privateScore"),
                error=text_of(row, "errorDescription"),
                message=text_of(row, "description"),
                file_name=text_of(row, "fileName"),
            )
            for row in self._rows(doing, "competitions", "ListSubmissions", "submissions", fields, slug)
        ]

    def submit_file(self, slug: str, path: Path, message: str) -> int:
        """Upload a file and submit it; Kaggle's number for it, or 0 if the answer named none.

        After Refused and Unreachable nothing was submitted; after LostReply perhaps it was.
        """
        doing, where = f"submit {path.name} to {slug}", {"competitionName": slug}
        named = {**where, "fileName": path.name}
        token = self._upload(doing, path, "competitions", "StartSubmissionUpload", named, slug)
        fields = {**where, "blobFileTokens": token, "submissionDescription": message}
        return number_of(self._write(doing, "competitions", "CreateSubmission", fields, slug), "ref")

    def submit_kernel(self, slug: str, owner: str, kernel: str, version: int, file_name: str, message: str) -> int:
        """Submit the output `file_name` of a version that is complete; as `submit_file`."""
        fields = {
            "competitionName": slug,
            "kernelOwner": owner,
            "kernelSlug": kernel,
            "kernelVersion": version,
            "fileName": file_name,
            "submissionDescription": message,
        }
        doing = f"submit version {version} of {owner}/{kernel} to {slug}"
        return number_of(self._write(doing, "competitions", "CreateCodeSubmission", fields, slug), "ref")

    def fetch_archive(self, slug: str, path: Path, label: str = "") -> None:
        """All files of a competition as one zip under `path`; goes on with the part that an earlier run left.

        With a `label`, progress is shown. Nothing is known of the content: the server may have sent a page.
        """
        doing, fields = f"download the files of {slug}", {"competitionName": slug}

        def once() -> Any:
            return self._once(doing, "competitions", "DownloadDataFiles", fields, slug, stream=True)

        transfer.fetch(lambda: repeated(once, self.patience), path, self.patience, label)
