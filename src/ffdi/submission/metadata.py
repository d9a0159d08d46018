"""What Kaggle is told of a kernel, checked before any request: it finds a made-up source only minutes later."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator

from ffdi.config.competition import Frozen

NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*"
T4 = "NvidiaTeslaT4"  # two of them: Kaggle has no machine with one


def _matching(pattern: str, remedy: str) -> AfterValidator:
    """Return a check of a text, which a person can repair by the remedy."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(remedy)
        return value

    return AfterValidator(check)


KernelId = Annotated[
    str,
    _matching(rf"{NAME}/[a-z0-9][a-z0-9-]{{4,49}}", "rename the recipe: 5 to 50 small letters, digits and dashes"),
]
Source = Annotated[  # a dataset or the output of a kernel; the newest without a version
    str,
    _matching(
        f"{NAME}/{NAME}(/[1-9][0-9]*)?", 'write "owner/slug" or "owner/slug/version", the last parts of its address'
    ),
]


class KernelMetadata(Frozen):
    """A private script without internet, on two T4s or, without `gpu`, on CPUs.

    Attributes:
        id: "owner/slug". The title is the slug, since Kaggle makes the real slug of the title.
        gpu: whether it needs the T4s.
        competition_sources, dataset_sources, kernel_sources: what is attached.
    """

    id: KernelId
    gpu: bool
    competition_sources: list[str] = []
    dataset_sources: list[Source] = []
    kernel_sources: list[Source] = []

    @property
    def slug(self) -> str:
        return self.id.partition("/")[2]

    def request(self) -> dict[str, Any]:
        """Return the fields of Kaggle's SaveKernel call, without the text. Its default for the internet is on."""
        fields = {
            "slug": self.id,
            "newTitle": self.slug,
            "language": "python",
            "kernelType": "script",
            "isPrivate": True,
            "enableGpu": self.gpu,
            "enableTpu": False,
            "enableInternet": False,
            "machineShape": T4 if self.gpu else None,
            "competitionDataSources": self.competition_sources,
            "datasetDataSources": self.dataset_sources,
            "kernelDataSources": self.kernel_sources,
        }
        return {name: value for name, value in fields.items() if value is not None}
