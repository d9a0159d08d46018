"""kernel-metadata.json as a typed value that refuses what Kaggle refuses, or takes and misreads.

Kaggle finds out about a made-up machine or competition only minutes later, and its client gives the internet to a
kernel whose metadata does not say `enable_internet`. So every rule is checked here, before any request.
"""

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StrictBool, field_validator, model_validator

from ffdi.config.competition import Frozen
from ffdi.config.load import validate
from ffdi.core.errors import UserError

FILE = "kernel-metadata.json"
NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*"
T4 = "NvidiaTeslaT4"  # two of them: Kaggle has no machine with one


def _source(value: str) -> str:
    if not re.fullmatch(f"{NAME}/{NAME}(/[1-9][0-9]*)?", value):
        raise ValueError('write "owner/slug" or "owner/slug/version", the last parts of its address')
    return value


Source = Annotated[str, AfterValidator(_source)]  # a dataset or the output of a kernel; the newest without a version


class KernelMetadata(Frozen):
    """A private script without internet. `machine_shape`: the two T4s, or None for a machine without GPU."""

    id: str = Field(pattern=f"^{NAME}/{NAME}$")
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

    @field_validator("is_private", "enable_internet", "enable_tpu", mode="before")
    @classmethod
    def _is_no_number(cls, value: object) -> object:
        if type(value) is int:  # 1 equals True for a Literal
            raise ValueError("write true or false")
        return value

    @field_validator("machine_shape", mode="before")
    @classmethod
    def _may_be_empty(cls, value: object) -> object:
        return value or None

    @model_validator(mode="after")
    def _agrees(self) -> "KernelMetadata":
        slug = self.id.partition("/")[2]
        if len(slug) < 5:
            raise ValueError(f"id: the slug {slug!r} has fewer than 5 characters")
        if slug_of(self.title) != slug:
            raise ValueError(f"title: {self.title!r} becomes the slug {slug_of(self.title)!r}, not {slug!r} as in id")
        if self.enable_gpu != (self.machine_shape is not None):
            raise ValueError(f'machine_shape: write "{T4}" with enable_gpu true, and leave it out with false')
        return self

    def request(self) -> dict[str, Any]:
        """Return the fields of Kaggle's SaveKernel call, without the text of the script."""
        fields = {
            "slug": self.id,
            "newTitle": self.title,
            "language": self.language,
            "kernelType": self.kernel_type,
            "isPrivate": self.is_private,
            "enableGpu": self.enable_gpu,
            "enableTpu": self.enable_tpu,
            "enableInternet": self.enable_internet,
            "machineShape": self.machine_shape,
            "datasetDataSources": self.dataset_sources,
            "competitionDataSources": self.competition_sources,
            "kernelDataSources": self.kernel_sources,
            "modelDataSources": self.model_sources,
            "dockerImage": self.docker_image,
            "dockerImagePinningType": self.docker_image_pinning_type,
            "categoryIds": self.keywords,
        }
        return {name: value for name, value in fields.items() if value is not None}


def slug_of(title: str) -> str:
    """Return the slug that Kaggle makes of a plain title."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def read_kernel(folder: Path, owner: str, **changes: Any) -> tuple[KernelMetadata, str]:
    """Return the metadata and the script of a kernel's folder.

    Args:
        folder: holds kernel-metadata.json and the code file that it names.
        owner: the account that takes the place of "OWNER/" in ids and sources.
        changes: keys that replace those of the file; lists are added.

    Raises:
        UserError: naming file, key and remedy.
    """
    path = folder / FILE
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}; name the folder of a kernel.") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not JSON: {error}; write the kernel again.") from error
    if not isinstance(value, dict):
        raise UserError(f"{path} holds no JSON object; write the kernel again.")
    for name, change in changes.items():
        value[name] = [*value.get(name, []), *change] if isinstance(change, list) else change
    value = json.loads(json.dumps(value).replace('"OWNER/', f'"{owner}/'))
    about = validate(KernelMetadata, value, str(path))
    return about, _read_script(path, folder / about.code_file)


def _read_script(path: Path, script: Path) -> str:
    try:
        text = script.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: code_file {script.name!r} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{script} is not UTF-8 (byte {error.start}); write the kernel again.") from error
    if not text.strip():
        raise UserError(f"{script} is empty; write the kernel again.")
    return text
