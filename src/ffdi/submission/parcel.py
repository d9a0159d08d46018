"""What is to be sent: a submission's file, or a version of a kernel that writes one at Kaggle's."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ffdi.core import digest
from ffdi.core.errors import CorruptError, UserError
from ffdi.submission import tag
from ffdi.submission.folder import CARD, CSV, NUMBERED, finished, keep
from ffdi.submission.row import Row, plain


@dataclass(frozen=True)
class Parcel:
    """`folder`: of the submission whose card tells of it; None for what has none yet (`keep_card` makes one).

    A file has `csv` and its sha256; a kernel has neither, but a `kernel` (owner/slug), its version and `file`, the name
    of the output that is to be scored.
    """

    folder: Path | None
    name: str
    card: Mapping[str, Any]
    file: str
    csv: Path | None = None
    sha256: str = ""
    kernel: str = ""
    version: int | None = None

    @property
    def content(self) -> str:
        return self.sha256 or f"{self.kernel}/{self.version}/{self.file}"

    @property
    def inputs(self) -> str:
        return plain(str(self.card.get("inputs", "")))

    def stem(self, slug: str) -> str:
        """What the tags of all its sends to a competition share."""
        return tag.stem(slug, self.inputs, self.content)

    def row(self, slug: str, attempt: int, date: str) -> Row:
        """Of a send that is about to begin. Raises UserError before `keep_card`."""
        if self.folder is None:
            raise UserError(f"{self.name} has no folder yet; keep its card first.")
        return Row(
            tag=tag.tag(self.stem(slug), attempt),
            date=date,
            competition=slug,
            submission=self.folder.name,
            sha256=self.sha256,
            inputs=self.inputs,
            kind="kernel" if self.kernel else "file",
            kernel=self.kernel,
            version=self.version,
            file=self.file,
            status="pending",
            **worth(self.card),
        )


def of_file(given: str | None, root: Path) -> Parcel:
    """The submission that is meant: a folder, its number, a CSV; with None the newest finished folder below `root`.

    Raises UserError if there is none, CorruptError if its file is not the one that its card names.
    """
    known = {folder.name: card for folder, card in finished(root)}
    name = _meant(given, root, known)
    if name is None:
        return _loose(Path(given or ""), root, known)
    sha256 = known[name]["submission"]["sha256"]
    path = root / name / CSV
    if not sha256:
        raise UserError(f"{root / name} is the card of a kernel; name it with --kernel and --version.")
    if not path.is_file():
        raise UserError(f"{path} is not here: the big files are not in git; run `ffdi blend` to have it written again.")
    if digest.of_file(path) != sha256:
        raise CorruptError(f"{path} is not the file that its card names; delete it and run `ffdi blend` again.")
    return Parcel(root / name, name, known[name], CSV, path, sha256)


def of_kernel(kernel: str, version: int, file: str, given: str | None, root: Path) -> Parcel:
    """A kernel's version; the card is that of the submission `given`, else one of its own. Raises UserError."""
    if not re.fullmatch(r"[A-Za-z0-9][\w-]*/[A-Za-z0-9][\w-]*", kernel, re.ASCII):
        raise UserError(f"--kernel {kernel!r} is not OWNER/SLUG, as in the address of the kernel; no version in it.")
    if not file or file != plain(file) or "/" in file:
        raise UserError(f"--file {file!r} is not the name of an output file; write one such as {CSV}.")
    if given is not None:
        return replace(of_file(given, root), csv=None, sha256="", kernel=kernel, version=version, file=file)
    inputs = digest.of_json(["kernel", kernel, version, file])
    return Parcel(None, kernel.rpartition("/")[2], {"inputs": inputs}, file, kernel=kernel, version=version)


def keep_card(parcel: Parcel, competition: str, root: Path) -> Parcel:
    """Give a parcel without a folder the next one, so that its sends are on a card like all others."""
    if parcel.folder is not None:
        return parcel
    card = {"recipe": {"name": parcel.name}, "competition": competition}
    data = None if parcel.csv is None else parcel.csv.read_bytes()
    if data is not None and digest.of_bytes(data) != parcel.sha256:
        raise UserError(f"{parcel.csv} changed while it was checked; run the same command again.")
    made = keep(data, parcel.file, card, parcel.inputs, root, parcel.name)
    return replace(parcel, folder=made.folder, csv=None if data is None else made.csv, card=made.card)


def worth(card: Mapping[str, Any]) -> dict[str, Any]:
    """What a card says of its submission, by the ledger's columns; a card without a blend says nothing."""
    honest = next((row for row in card.get("honest") or [] if row["chosen"]), None)
    outlook = card.get("forecast")
    told: dict[str, Any] = {"method": plain(card.get("method", ""))}
    if (card.get("blend") or {}).get("auc"):
        told["oof"] = card["blend"]["auc"]["value"]
    if honest is not None:
        told |= {"nested": honest["nested"], "nested_low": honest["low"], "nested_high": honest["high"]}
    if outlook is not None:
        public, noise = outlook["outlooks"][outlook["best"]]["public"], outlook["smallest"]
        told |= {"forecast_low": public["low"], "forecast_high": public["high"]}
        if noise:
            # An order seen in held-out rows and another on the public ones: both are uncertain.
            told["noise"] = (noise["held_out"] ** 2 + noise["public"] ** 2) ** 0.5
    return told


def _meant(given: str | None, root: Path, known: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The name of a finished folder; None if `given` is a CSV that lies in none."""
    if given is None:
        files = [name for name, card in known.items() if card["submission"]["sha256"]]
        if not files:
            raise UserError(f"There is no finished submission in {root}; run `ffdi blend` (make blend) first.")
        return max(files, key=_number)
    if given.isdecimal():
        found = [name for name in known if _number(name) == int(given)]
        if len(found) != 1:
            raise UserError(f"{len(found)} finished submissions in {root} have the number {given}; name the folder.")
        return found[0]
    path = root / given if given in known else Path(given)
    folder = path.parent if path.name == CSV else path
    if folder.name in known and folder.resolve() == (root / folder.name).resolve():
        return folder.name
    if (folder / CARD).is_file():
        raise UserError(f"{folder} is a submission, but not one below {root}; name its place with --submissions.")
    if path.is_dir():
        raise UserError(f"{path} has no {CARD}: it is no finished submission; run `ffdi blend` again.")
    if not path.is_file():
        raise UserError(f"There is no submission {given!r}; give a folder of {root}, its number, or a CSV.")
    return None


def _loose(path: Path, root: Path, known: Mapping[str, Mapping[str, Any]]) -> Parcel:
    """A CSV from elsewhere: that of a submission here if the bytes are the same."""
    sha256 = digest.of_file(path)
    for name, card in known.items():
        if card["submission"]["sha256"] == sha256:
            return Parcel(root / name, name, card, CSV, path, sha256)
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", path.stem).strip("-") or "file"
    return Parcel(None, name[:60], {"inputs": ""}, CSV, path, sha256)


def _number(name: str) -> int:
    match = NUMBERED.fullmatch(name)
    return int(match[1]) if match else 0
