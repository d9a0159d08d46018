"""What the kit asks of a dataset on Kaggle. Every version is whole, and private."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ffdi.base.errors import UserError
from ffdi.submit.answers import TAKING_IN, DatasetState, known
from ffdi.submit.calls import Calls
from ffdi.submit.fields import Body, number_of, text_of
from ffdi.submit.refusals import LostReply, Refused, refusal

METADATA = "dataset-metadata.json"
MOST_FILES = 50  # that Kaggle shows at the top of a dataset
LENGTHS = range(6, 51)  # of slug and title


@dataclass(frozen=True)
class Metadata:
    owner: str
    slug: str
    title: str
    license: str
    description: str

    @property
    def name(self) -> str:
        return f"{self.owner}/{self.slug}"

    @property
    def place(self) -> dict[str, str]:
        return {"ownerSlug": self.owner, "datasetSlug": self.slug}


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
        meta, files = read_metadata(folder), files_of(folder)
        doing = f"make the dataset {meta.name}"
        if self.dataset_status(meta.owner, meta.slug).state not in ("missing", "deleted"):
            raise Refused(f"The dataset {meta.name} exists already; make a new version of it.")
        fields = {
            "ownerSlug": meta.owner,
            "slug": meta.slug,
            "title": meta.title,
            "licenseName": meta.license,
            "description": meta.description,
            "isPrivate": True,
            "files": self._blobs(doing, files),
        }
        _check(self._write(doing, "datasets", "CreateDataset", fields), doing)

    def dataset_version(self, folder: Path, notes: str) -> None:
        """Make the files in `folder` the next version: what is not in the folder is not in the version."""
        meta, files = read_metadata(folder), files_of(folder)
        doing = f"make a version of the dataset {meta.name}"
        body = {"versionNotes": notes, "description": meta.description, "files": self._blobs(doing, files)}
        _check(self._write(doing, "datasets", "CreateDatasetVersion", {**meta.place, "body": body}), doing)

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


def read_metadata(folder: Path) -> Metadata:
    """The dataset-metadata.json of a folder, with what Kaggle would refuse refused before anything is sent."""
    path = folder / METADATA
    meta = read_json(path)
    owner, _, slug = str(meta.get("id", "")).partition("/")
    title, licenses = str(meta.get("title", "")), meta.get("licenses")
    if not owner or "/" in slug or len(slug) not in LENGTHS:
        raise UserError(f'{path}: "id" is "owner/slug" with a slug of 6 to 50 characters, not {meta.get("id")!r}.')
    if len(title) not in LENGTHS:
        raise UserError(f'{path}: "title" has 6 to 50 characters, not {len(title)}.')
    if not (isinstance(licenses, list) and len(licenses) == 1 and isinstance(licenses[0], dict)):
        raise UserError(f'{path}: "licenses" names exactly one, such as [{{"name": "CC0-1.0"}}].')
    return Metadata(owner, slug, title, str(licenses[0].get("name", "")), str(meta.get("description", "")))


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file. Raises UserError."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"Cannot read {path}: {error}; write it as the kit does.") from error
    if not isinstance(value, dict):
        raise UserError(f"{path} holds no JSON object; write it as the kit does.")
    return value


def files_of(folder: Path) -> list[Path]:
    """The files that a version of this folder holds, by name. Raises UserError for what Kaggle would drop or unpack."""
    found = sorted(path for path in folder.iterdir() if path.name != METADATA)
    odd = [path.name for path in found if not path.is_file() or path.is_symlink()]
    if odd:
        raise UserError(f"{folder} holds {odd[0]!r}, which is no plain file; a dataset is flat.")
    if not found or len(found) > MOST_FILES:
        raise UserError(f"{folder} holds {len(found)} files; a dataset has 1 to {MOST_FILES}.")
    return found


def _check(body: Body, doing: str) -> None:
    """Kaggle says "no" to these with HTTP 200 and a status."""
    status, reason = text_of(body, "status").lower(), text_of(body, "error")
    if reason or status == "error":
        raise refusal(doing, 200, reason or "it gives no reason")
    if status != "ok":
        raise LostReply(f"Kaggle's answer, asked to {doing}, says neither yes nor no; look there before trying again.")
