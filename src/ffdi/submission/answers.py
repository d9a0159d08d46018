"""Kaggle's answers as typed values.

Kaggle leaves fields at their default out of its JSON. A field that makes no sense counts as left out, and a state that
the kit does not know gets a prefix: it may still change.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    NonNegativeInt,
    field_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticUseDefault

Body = Mapping[str, Any]
UNKNOWN = "unknown: "
DATASET_BUSY = ("not_yet_persisted", "blobs_received", "blobs_decompressed", "blobs_copied_to_sds",
                "individual_blobs_compressed", "reprocessing", UNKNOWN)  # fmt: skip
KERNEL_BUSY = ("queued", "running", "new_script", "cancel_requested", UNKNOWN)


def _one_of(*known: str) -> Callable[[str], str]:
    return lambda state: state.lower() if state.lower() in known else UNKNOWN + state


def _utc(date: datetime) -> datetime:
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)


Date = Annotated[datetime, AfterValidator(_utc)]  # Kaggle's are UTC, whether they say so or not


class Answer(BaseModel):
    """An object of Kaggle's JSON."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)

    @field_validator("*", mode="wrap")
    @classmethod
    def _nonsense_counts_as_left_out(cls, value: Any, parse: Callable[[Any], Any]) -> Any:
        try:
            return parse(value)
        except (ValueError, AttributeError):
            raise PydanticUseDefault from None


class Limits(Answer):
    """The team's submissions: of this UTC day, of all days, and how many more are allowed today.

    `limited_by_total`: no day gives more, since the competition allows no more in all.
    """

    num_today: NonNegativeInt = 0
    num_total: NonNegativeInt = 0
    num_allowed_now: NonNegativeInt = 0
    limited_by_total: bool = False


class Listed(Answer):
    """A submission in Kaggle's list. `message` is what was sent with it."""

    ref: NonNegativeInt = 0
    date: Date | None = None
    status: Annotated[str, AfterValidator(_one_of("pending", "complete", "error"))] = "pending"
    public_score: FiniteFloat | None = None
    private_score: FiniteFloat | None = None
    error: str = Field("", validation_alias="errorDescription")
    message: str = Field("", validation_alias="description")


class DatasetState(Answer):
    """The state of Kaggle's work on the newest version; `version` is 0 where none is known."""

    version: NonNegativeInt = Field(0, validation_alias="currentVersionNumber")
    status: Annotated[str, AfterValidator(_one_of("missing", "ready", "failed", "deleted", *DATASET_BUSY))] = (
        "not_yet_persisted"
    )

    @property
    def busy(self) -> bool:
        return self.status.startswith(DATASET_BUSY)


class KernelState(Answer):
    """`failure_message`: why a run failed."""

    status: Annotated[str, AfterValidator(_one_of("complete", "error", "cancel_acknowledged", *KERNEL_BUSY))] = "queued"
    failure_message: str = ""

    @property
    def running(self) -> bool:
        return self.status.startswith(KERNEL_BUSY)


def objects_of(body: Body, name: str) -> list[Body]:
    """Return the objects of a list."""
    value = body.get(name)
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def text_of(body: Body, name: str) -> str:
    """Return a text, "" where there is none."""
    value = body.get(name)
    return value if isinstance(value, str) else ""
