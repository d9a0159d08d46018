"""kernel-metadata.json and dataset-metadata.json as typed values that refuse what Kaggle refuses, or takes and garbles.

The client passes most keys through unchecked: a made-up machine or competition is found out minutes later, and a kernel
without `enable_internet` gets the internet. So every rule is held here, before any request.
"""

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StrictBool, field_validator, model_validator

from ffdi.config.competition import Frozen
from ffdi.config.load import validate
from ffdi.core import atomic
from ffdi.core.errors import UserError

KERNEL, DATASET = "kernel-metadata.json", "dataset-metadata.json"
NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*"
T4 = "NvidiaTeslaT4"  # two of them: Kaggle has no machine with one

MAX_FILES, MAX_BYTES = 50, 200 * 10**9  # Kaggle's, for top-level files and for one dataset
# Kaggle unpacks these, so that neither name nor size would be found again. Wheels stay as they are.
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst")
# The client leaves these out without a word.
SKIPPED = (KERNEL, "datapackage.json", "model-metadata.json", "model-instance-metadata.json")


def _is_ref(value: str) -> str:
    if not re.fullmatch(f"{NAME}/{NAME}", value):
        raise ValueError('write "owner/slug", the last parts of its address')
    return value


def checked_source(value: str) -> str:
    """`value` if it can name a source. Raises ValueError."""
    if not re.fullmatch(f"{NAME}/{NAME}(/[1-9][0-9]*)?", value):
        raise ValueError('write "owner/slug" or "owner/slug/version", the last parts of its address')
    return value


Ref = Annotated[str, AfterValidator(_is_ref)]
Source = Annotated[str, AfterValidator(checked_source)]  # a dataset or a kernel's output; without a version the newest


class KernelMetadata(Frozen):
    """A private script without internet. `machine_shape`: the two T4s, or None for a machine without GPU."""

    id: Ref
    title: str = Field(min_length=5, max_length=50)
    code_file: str = Field(pattern=rf"^{NAME}\.py$")
    language: Literal["python"]
    kernel_type: Literal["script"]
    is_private: Literal[True]
    enable_internet: Literal[False]
    enable_gpu: StrictBool
    enable_tpu: Literal[False] = False
    machine_shape: Literal["NvidiaTeslaT4"] | None = None
    dataset_sources: list[Source] = []
    competition_sources: list[Annotated[str, Field(pattern=rf"^{NAME}$")]] = []
    kernel_sources: list[Source] = []
    model_sources: list[Annotated[str, Field(pattern=rf"^({NAME}/){{2}}[^/]+/[^/]+/[0-9]+$")]] = []
    docker_image: Annotated[str, Field(pattern=r"^[a-z0-9./_-]+@sha256:[0-9a-f]{64}$")] | None = None
    docker_image_pinning_type: Literal["original", "latest"] | None = None
    keywords: list[str] = []

    @field_validator("language", "kernel_type", "is_private", "enable_internet", "enable_tpu", mode="before")
    @classmethod
    def _is_no_number(cls, value: object) -> object:
        # 1 equals True for a Literal, and the client raises TypeError for it.
        if isinstance(value, int) and not isinstance(value, bool):
            raise ValueError("write true or false")
        return value

    @field_validator("machine_shape", mode="before")
    @classmethod
    def _none_may_be_empty(cls, value: object) -> object:
        return value or None

    @model_validator(mode="after")
    def _agrees(self) -> "KernelMetadata":
        slug = self.id.partition("/")[2]
        if len(slug) < 5:
            raise ValueError(f"id: the slug {slug!r} has fewer than 5 characters")
        if slugged(self.title) != slug:
            raise ValueError(f"title: {self.title!r} becomes the slug {slugged(self.title)!r}, not {slug!r} as in id")
        if self.enable_gpu != (self.machine_shape is not None):
            raise ValueError(f'machine_shape: write "{T4}" with enable_gpu true, and leave it out with false')
        return self

    @property
    def owner(self) -> str:
        return self.id.partition("/")[0]

    @property
    def slug(self) -> str:
        return self.id.partition("/")[2]


class License(Frozen):
    name: str


class DatasetMetadata(Frozen):
    id: Ref
    title: str = Field(min_length=6, max_length=50)
    licenses: list[License] = Field(min_length=1, max_length=1)
    subtitle: str | None = Field(default=None, min_length=20, max_length=80)
    description: str = ""
    keywords: list[str] = []

    @field_validator("id")
    @classmethod
    def _slug_fits(cls, value: str) -> str:
        if not 6 <= len(value.partition("/")[2]) <= 50:
            raise ValueError("the slug must have 6 to 50 characters")
        return value

    @property
    def owner(self) -> str:
        return self.id.partition("/")[0]

    @property
    def slug(self) -> str:
        return self.id.partition("/")[2]


def slugged(title: str) -> str:
    """The slug that Kaggle makes of a plain title."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def read_kernel(folder: Path, **known: Any) -> KernelMetadata:
    """The metadata in `folder`, with the keys of `known` put over them, checked with the code file they name.

    Raises UserError naming file, key and remedy.
    """
    path = folder / KERNEL
    metadata = validate(KernelMetadata, {**raw(path), **known}, str(path))
    source = folder / metadata.code_file
    try:
        text = source.read_bytes().decode()
    except OSError as error:
        raise UserError(f"{path}: code_file {metadata.code_file!r} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{source} is not UTF-8 (byte {error.start}); build the kernel again.") from error
    if not text.strip():
        raise UserError(f"{source} is empty; build the kernel again (make kernels).")
    return metadata


def read_dataset(folder: Path) -> DatasetMetadata:
    """The metadata in `folder`, checked. Raises UserError naming file, key and remedy."""
    path = folder / DATASET
    return validate(DatasetMetadata, raw(path, "pack the weights again"), str(path))


def dataset_files(folder: Path) -> list[Path]:
    """What a version of the dataset in `folder` will hold, sorted; the metadata itself is left out.

    Raises UserError for what the client would leave out or Kaggle change.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.name != DATASET)
    except OSError as error:
        raise UserError(f"Cannot read {folder}: {error.strerror}; name a folder of files.") from error
    for path in paths:
        _refuse(path)
    if not 0 < len(paths) <= MAX_FILES:
        raise UserError(f"{folder} has {len(paths)} files; a dataset takes 1 to {MAX_FILES}.")
    if (size := sum(path.stat().st_size for path in paths)) > MAX_BYTES:
        raise UserError(f"{folder} has {size / 1e9:.0f} GB; a dataset takes {MAX_BYTES / 1e9:.0f} GB.")
    return paths


def _refuse(path: Path) -> None:
    if path.name.startswith("."):
        raise UserError(f"{path} is hidden, and would be uploaded; move it out of the folder.")
    if not path.is_file():
        raise UserError(f"{path} is no file; a dataset of the kit is flat.")
    if path.name in SKIPPED or path.name.startswith("dataset-cover-image"):
        raise UserError(f"{path} has a name that Kaggle's client keeps for itself; rename it.")
    if path.name.endswith(ARCHIVES):
        raise UserError(f"{path} is an archive, which Kaggle unpacks; pack plain files or wheels.")
    if path.stat().st_size == 0:
        raise UserError(f"{path} is empty; write it again.")


def raw(path: Path, remedy: str = "build the kernel (make kernels)") -> dict[str, Any]:
    """The JSON object in `path`, unchecked. Raises UserError."""
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}; {remedy}.") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not JSON: {error}; {remedy}.") from error
    if not isinstance(value, dict):
        raise UserError(f"{path} holds no JSON object; {remedy}.")
    return value


def write(path: Path, metadata: KernelMetadata | DatasetMetadata) -> None:
    """As JSON without the keys that are not set: the client would send a null."""
    text = json.dumps(metadata.model_dump(exclude_none=True), indent=1, ensure_ascii=False)
    atomic.write_text(path, text + "\n")
