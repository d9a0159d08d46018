"""A private Kaggle dataset of a folder's files: uploaded whole, waited for, checked, and not uploaded twice.

Kaggle lists names and sizes, no hashes. So one more file is uploaded, whose name holds the digest of all others: a
version with that name and the right sizes holds exactly these files.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from ffdi.core import atomic, checksum, console, digest
from ffdi.core.errors import CorruptError, Paused, UserError
from ffdi.core.layout import TEAM
from ffdi.submission.answers import DatasetState
from ffdi.submission.client import KaggleClient
from ffdi.submission.errors import LostReply
from ffdi.submission.kernel import KernelSession
from ffdi.submission.retry import FIRST_PAUSE, LOOKS_AFTER_LOST_REPLY, poll

MAX_FILES = 50  # of a Kaggle dataset


@dataclass(frozen=True)
class DatasetFolder:
    """A checked folder that becomes the dataset `owner/<name of the folder>`. `sums`: sha256 by path in the folder."""

    folder: Path
    owner: str
    sums: dict[str, str]

    @property
    def id(self) -> str:
        return f"{self.owner}/{self.folder.resolve().name.lower().replace('_', '-')}"

    @property
    def digest(self) -> str:
        return digest.of_json(self.sums)

    @property
    def marker(self) -> str:
        return f"pack-{self.digest[:16]}.txt"

    @property
    def files(self) -> dict[str, Path]:
        """Return the files by name. A dataset is flat: a wheel in `wheels/` loses its folder."""
        return {Path(name).name: self.folder / name for name in self.sums}

    @property
    def sizes(self) -> dict[str, int]:
        """Return the bytes by name that Kaggle must list."""
        sizes = {name: path.stat().st_size for name, path in self.files.items()}
        return {**sizes, self.marker: len(self.digest) + 1}


def read_folder(folder: Path, owner: str) -> DatasetFolder:
    """Return the files that team.json of a packed folder names; whatever else lies there is not uploaded.

    Raises:
        UserError: if it is no packed folder, or its name cannot be that of a dataset.
        CorruptError: if a file is not the one that team.json names.
    """
    sums = checksum.read_json(folder / TEAM)["files"]
    for name, sha256 in sums.items():
        if not (folder / name).is_file() or digest.of_file(folder / name) != sha256:
            raise CorruptError(f"{folder / name} is not the file that {TEAM} names; pack again.")
    made = DatasetFolder(folder, owner, {**sums, TEAM: digest.of_file(folder / TEAM)})
    if not re.fullmatch("[a-z0-9-]{6,50}", slug := made.id.partition("/")[2]):
        raise UserError(f"{folder}: {slug!r} cannot be a dataset's name; use 6 to 50 letters, digits and dashes.")
    return made


def publish(session: KernelSession, folder: DatasetFolder) -> tuple[int, bool]:
    """Make these files the newest version of the dataset, ready to be attached to the kernel of the session.

    Returns:
        The version, and whether it was uploaded: it is not where Kaggle has exactly these files.

    Raises:
        UserError: if Kaggle cannot process the files, or lost one.
        Paused: if the time is up; calling again goes on.
    """
    state = _settled_state(session, folder)
    if state.status == "ready" and not differences(session.kaggle, folder):
        return state.version, False
    state = _upload(session, folder, state)
    if wrong := differences(session.kaggle, folder):
        session.clock.sleep(FIRST_PAUSE)  # the list may be behind for some seconds (kaggle-cli #890)
        wrong = differences(session.kaggle, folder)
    if wrong:
        raise UserError(
            f"Version {state.version} of {folder.id} is not what was sent: {wrong[0]} is missing, too much or of "
            "another size; run the same command again."
        )
    return state.version, True


def differences(kaggle: KaggleClient, folder: DatasetFolder) -> list[str]:
    """Return the names of the files that are there or here only, or have another size there."""
    return sorted({name for name, _ in kaggle.dataset_files(folder.id).items() ^ folder.sizes.items()})


def _settled_state(session: KernelSession, folder: DatasetFolder) -> DatasetState:
    """Return the state once Kaggle processes nothing: an interrupted upload may still be on its way."""

    def look(_number: int) -> DatasetState | None:
        now = session.kaggle.dataset_status(folder.id)
        if now.status == "deleted":  # said before hours of upload
            raise UserError(f"{folder.id} was deleted, and Kaggle fails on a name used again; rename the folder.")
        return None if now.busy else now

    return poll(f"Kaggle is still processing an upload to {folder.id}", look, session.until, session.clock)


def _upload(session: KernelSession, folder: DatasetFolder, before: DatasetState) -> DatasetState:
    """Upload one version and return its state once it is ready. After a lost reply look for it, never upload again."""
    sizes = folder.sizes
    console.say(f"uploading {len(sizes)} files, {sum(sizes.values()) / 1e6:,.1f} MB, to {folder.id} …")
    marker, lost = session.folder / folder.marker, False
    atomic.write_text(marker, folder.digest + "\n")
    files = {**folder.files, folder.marker: marker}
    try:
        session.kaggle.save_dataset(folder.id, files, f"pack {folder.digest[:16]}", new=before.status == "missing")
    except LostReply:
        lost = True
        console.warn(f"the answer to the upload to {folder.id} was lost; looking whether it arrived.")

    def look(number: int) -> DatasetState | None:
        now = session.kaggle.dataset_status(folder.id)
        arrived = now.version > before.version or now.status != before.status
        if now.status == "failed" and arrived:
            raise UserError(f"Kaggle could not process the upload to {folder.id}; see its page, then run again.")
        if lost and not arrived and number + 1 >= LOOKS_AFTER_LOST_REPLY:
            raise Paused(f"The upload to {folder.id} did not arrive; run the same command again to upload.")
        return now if now.status == "ready" and now.version > before.version else None

    return poll(f"Kaggle is still processing the upload to {folder.id}", look, session.until, session.clock)
