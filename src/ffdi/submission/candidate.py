"""The candidate to be sent: the file of a submission, or a version of a kernel that writes one at Kaggle's."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ffdi.core import digest
from ffdi.core.errors import CorruptError, UserError
from ffdi.core.layout import CARD, SUBMISSION_CSV
from ffdi.submission.folder import estimates, finished, number_of
from ffdi.submission.ledger import Row


@dataclass(frozen=True)
class SubmissionCandidate:
    """A file or a kernel's version to be sent, and its card."""

    name: str  # of its folder, of its file, or of the kernel
    card: Mapping[str, Any]  # what is known of it
    csv: Path | None = None  # the file here; None for a kernel
    sha256: str = ""  # of the file
    kernel: str = ""  # "owner/slug"; "" for a file
    version: int = 0  # of the kernel

    def row(self, slug: str, attempt: int, date: str) -> Row:
        """Return the row of the ledger for sending it.

        Its tag depends only on what is sent, so that another machine, or one that lost its ledger, finds it.

        Args:
            slug: The competition.
            attempt: Counts from 1.
            date: When it is sent.
        """
        made = Row(
            tag="",
            date=date,
            competition=slug,
            submission=self.name,
            status="pending",
            sha256=self.sha256,
            kernel=self.kernel,
            version=self.version,
            **estimates(self.card),
        )
        return replace(made, tag=f"ffdi-{digest.of_json([slug, made.content])[:12]}-{attempt}")


def candidate_of_file(given: str | None, root: Path) -> SubmissionCandidate:
    """Return the submission that is meant.

    Args:
        given: a submission's folder, its number, or a CSV; None for the newest submission.
        root: the submissions folder.

    Raises:
        UserError: if there is none.
        CorruptError: if its file is not the one that its card names.
    """
    found = _candidate(given, root)
    path = found.csv or Path()
    if not path.is_file():
        raise UserError(f"{path} is not here: the big files are not in git; run `ffdi blend` to have it written again.")
    if digest.of_file(path) != found.sha256:
        raise CorruptError(f"{path} is not the file that its card names; delete it and run `ffdi blend` again.")
    return found


def candidate_of_kernel(kernel: str, version: int, given: str | None, root: Path) -> SubmissionCandidate:
    """Return a kernel's version, with the card of the submission that it repeats.

    Args:
        kernel: "owner/slug".
        version: Of the kernel.
        given: The submission that it repeats, a folder or its number; None: none.
        root: Folder of submissions.

    Raises:
        UserError: A name or number is not valid.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w-]*/[A-Za-z0-9][\w-]*", kernel, re.ASCII):
        raise UserError(
            f"--version belongs to --kernel OWNER/SLUG, as in the kernel's address, which {kernel!r} is not."
        )
    if version < 1:
        raise UserError(f"--kernel {kernel} needs --version N, the number that its push gave.")
    repeated = SubmissionCandidate(kernel.rpartition("/")[2], {}) if given is None else _candidate(given, root)
    return replace(repeated, csv=None, sha256="", kernel=kernel, version=version)


def _candidate(given: str | None, root: Path) -> SubmissionCandidate:
    """Return the submission that is meant, whether its file is here or not."""
    known = {folder.name: card for folder, card in finished(root)}
    name = _find(given, root, known)
    if name is None:
        return _loose_file(Path(given or ""), known)
    return SubmissionCandidate(name, known[name], root / name / SUBMISSION_CSV, known[name]["submission"]["sha256"])


def _find(given: str | None, root: Path, known: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Return the name of a finished folder; None if `given` is a CSV that lies in none."""
    if given is None or given.isdecimal():
        found = [name for name in known if given is None or number_of(name) == int(given)]
        if not found:
            remedy = f"name one of {', '.join(known)}" if given and known else "run `ffdi blend` first"
            number = f" {given}" if given else ""
            raise UserError(f"There is no finished submission{number} in {root}; {remedy}.")
        return max(found, key=number_of)
    path = Path(given)
    if path.name in known and (given == path.name or path.resolve() == (root / path.name).resolve()):
        return path.name
    if not path.is_file():
        raise UserError(
            f"There is no submission {given!r}; name a folder of {root} that has a {CARD}, its number, or a CSV."
        )
    return None


def _loose_file(path: Path, known: Mapping[str, Mapping[str, Any]]) -> SubmissionCandidate:
    """Return a CSV from elsewhere; the submission here with the same bytes, if there is one."""
    sha256 = digest.of_file(path)
    for name, card in known.items():
        if card["submission"]["sha256"] == sha256:
            return SubmissionCandidate(name, card, path, sha256)
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", path.stem).strip("-") or "file"
    return SubmissionCandidate(name[:60], {}, path, sha256)
