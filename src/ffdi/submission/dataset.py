"""A private Kaggle dataset of weights: uploaded whole, waited for, checked file by file, and not uploaded twice."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ffdi.core import console
from ffdi.core.errors import Paused, UserError
from ffdi.submission.answers import DatasetState
from ffdi.submission.metadata import DatasetMetadata
from ffdi.submission.refusals import LostReply, Refused
from ffdi.submission.staging import Pack, stage
from ffdi.submission.watch import Watch

# At 0, 30, 75 and 142 s after a lost reply: a version that was made shows up within seconds (kaggle-cli #890).
LOST_LOOKS = 4


class Datasets(Protocol):
    """The part of `submit.kaggle.Kaggle` that this needs."""

    def dataset_status(self, owner: str, slug: str) -> DatasetState: ...
    def dataset_files(self, owner: str, slug: str) -> Mapping[str, int]: ...
    def create_dataset(self, folder: Path) -> object: ...
    def dataset_version(self, folder: Path, notes: str) -> object: ...


@dataclass(frozen=True)
class Published:
    """`uploads`: how many versions this call made; 0 when the newest held exactly these files."""

    version: int
    uploads: int


def publish(kaggle: Datasets, pack: Pack, about: DatasetMetadata, room: Path, watch: Watch) -> Published:
    """Bring Kaggle to hold exactly the files of `pack` as the newest version of the dataset, ready to be mounted.

    `room`: a scratch folder, made anew. A version that lacks a file is followed by one whole one. Raises UserError when
    Kaggle cannot process the files or loses one twice, Paused when the time is up; calling again goes on.
    """
    state = _settled(kaggle, about, watch)
    if state.state == "ready" and not faults(kaggle, pack, about):
        return Published(state.version, uploads=0)
    stage(pack, about, room)
    try:
        for uploads in (1, 2):
            state = _upload(kaggle, pack, about, room, state, watch)
            wrong = _faults_that_stay(kaggle, pack, about, watch)
            if not wrong:
                return Published(state.version, uploads)
            console.warn(f"version {state.version} of {about.id} is not what was sent: {'; '.join(wrong[:3])}.")
    finally:
        shutil.rmtree(room, ignore_errors=True)
    raise UserError(f"Kaggle lost a file of {about.id} twice ({wrong[0]}); run the same command later to upload again.")


def faults(kaggle: Datasets, pack: Pack, about: DatasetMetadata) -> list[str]:
    """What Kaggle lists otherwise than we have it, a phrase each."""
    found = kaggle.dataset_files(about.owner, about.slug)
    wrong = [f"{name} is missing" for name in pack.expected if name not in found]
    wrong += [f"{name} should not be there" for name in found if name not in pack.expected]
    return wrong + [
        f"{name} has {found[name]:,} bytes, not {size:,}"
        for name, size in pack.expected.items()
        if found.get(name, size) != size
    ]


def _faults_that_stay(kaggle: Datasets, pack: Pack, about: DatasetMetadata, watch: Watch) -> list[str]:
    """Looked for twice: the list may lag behind the state, or not be there for some seconds (kaggle-cli #890)."""

    def look(number: int) -> list[str] | None:
        try:
            wrong = faults(kaggle, pack, about)
        except Refused as error:
            if number or error.status not in (403, 404):
                raise
            return None
        return None if wrong and number == 0 else wrong

    return watch.wait(f"The files of {about.id} are being checked", look)


def _settled(kaggle: Datasets, about: DatasetMetadata, watch: Watch) -> DatasetState:
    """The dataset once nothing is being taken in: an upload that was interrupted may still be on its way."""

    def look(_number: int) -> DatasetState | None:
        now = kaggle.dataset_status(about.owner, about.slug)
        if now.state == "deleted":
            raise UserError(f"{about.id} was deleted, and Kaggle fails on a name used again; choose another name.")
        return None if now.taking_in else now

    return watch.wait(f"Kaggle is still processing an upload to {about.id}", look)


def _upload(
    kaggle: Datasets, pack: Pack, about: DatasetMetadata, room: Path, before: DatasetState, watch: Watch
) -> DatasetState:
    """Send one whole version and wait until it is ready. A lost reply makes us look, never send again."""
    console.say(f"uploading {len(pack.expected)} files, {sum(pack.expected.values()) / 1e6:,.1f} MB, to {about.id} …")
    lost = False
    try:
        if before.state == "missing":
            kaggle.create_dataset(room)
        else:
            kaggle.dataset_version(room, f"pack {pack.digest[:16]}")
    except LostReply:
        lost = True
        console.warn(f"the answer to the upload to {about.id} was lost; looking whether it arrived.")

    def look(number: int) -> DatasetState | None:
        now = kaggle.dataset_status(about.owner, about.slug)
        arrived = now.version > before.version or now.state != before.state
        if now.state == "failed" and arrived:
            raise UserError(f"Kaggle could not process the upload to {about.id}; see its page, then run again.")
        if lost and not arrived and number + 1 >= LOST_LOOKS:
            raise Paused(f"The upload to {about.id} did not arrive; run the same command again to upload.")
        return now if now.state == "ready" and now.version > before.version else None

    return watch.wait(f"Kaggle is still processing the upload to {about.id}", look)
