"""What the kit asks of a dataset on Kaggle. Every version is whole, and private."""

from collections.abc import Mapping
from pathlib import Path

from ffdi.submission import metadata
from ffdi.submission.answers import TAKING_IN, DatasetState, known
from ffdi.submission.calls import Calls
from ffdi.submission.fields import Body, number_of, text_of
from ffdi.submission.refusals import LostReply, Refused, refusal


class Datasets(Calls):
    """Datasets and their versions."""

    def dataset_status(self, owner: str, slug: str) -> DatasetState:
        """How far Kaggle is with the newest version; "missing" if there is none that this user may see."""
        doing, place = f"show the dataset {owner}/{slug}", {"ownerSlug": owner, "datasetSlug": slug}
        body = self._unless_missing(doing, "GetDatasetStatus", place)
        if body is None:
            return DatasetState("missing", 0)
        state = known(text_of(body, "status") or "not_yet_persisted", "ready", "failed", "deleted", *TAKING_IN)
        about = self._unless_missing(doing, "GetDataset", place)  # a new one is missing here for some seconds
        return DatasetState(state, number_of(about or {}, "currentVersionNumber"))

    def dataset_files(self, owner: str, slug: str) -> dict[str, int]:
        """The files of the newest version: bytes by name."""
        doing, place = f"list the files of the dataset {owner}/{slug}", {"ownerSlug": owner, "datasetSlug": slug}
        rows = self._rows(doing, "datasets", "ListDatasetFiles", "datasetFiles", place)
        return {text_of(row, "name"): number_of(row, "totalBytes") for row in rows}

    def create_dataset(self, folder: Path) -> None:
        """Make a private dataset of the files in `folder`, as the dataset-metadata.json there says."""
        about, files = metadata.read_dataset(folder), metadata.dataset_files(folder)
        doing = f"make the dataset {about.id}"
        if self.dataset_status(about.owner, about.slug).state not in ("missing", "deleted"):
            raise Refused(f"The dataset {about.id} exists already; make a new version of it.")
        fields = {
            "ownerSlug": about.owner,
            "slug": about.slug,
            "title": about.title,
            "licenseName": about.licenses[0].name,
            "description": about.description,
            "isPrivate": True,
            "files": self._blobs(doing, files),
        }
        _check(self._write(doing, "datasets", "CreateDataset", fields), doing)

    def dataset_version(self, folder: Path, notes: str) -> None:
        """Make the files in `folder` the next version: what is not in the folder is not in the version."""
        about, files = metadata.read_dataset(folder), metadata.dataset_files(folder)
        doing = f"make a version of the dataset {about.id}"
        body = {"versionNotes": notes, "description": about.description, "files": self._blobs(doing, files)}
        fields = {"ownerSlug": about.owner, "datasetSlug": about.slug, "body": body}
        _check(self._write(doing, "datasets", "CreateDatasetVersion", fields), doing)

    def _unless_missing(self, doing: str, method: str, place: Mapping[str, str]) -> Body | None:
        try:
            return self._read(doing, "datasets", method, place)
        except Refused as error:
            if error.status in (403, 404):  # 403: a private one of somebody else, or none
                return None
            raise

    def _blobs(self, doing: str, files: list[Path]) -> list[dict[str, str]]:
        named = [{"type": "DATASET", "name": path.name} for path in files]
        return [
            {"token": self._upload(doing, path, "blobs", "StartBlobUpload", fields)}
            for path, fields in zip(files, named, strict=True)
        ]


def _check(body: Body, doing: str) -> None:
    """Kaggle says "no" to these with HTTP 200 and a status."""
    status, reason = text_of(body, "status").lower(), text_of(body, "error")
    if reason or status == "error":
        raise refusal(doing, 200, reason or "it gives no reason")
    if status != "ok":
        raise LostReply(f"Kaggle's answer, asked to {doing}, says neither yes nor no; look there before trying again.")
