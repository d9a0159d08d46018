"""Kaggle's answers as typed values.

Kaggle leaves fields at their default out of its JSON. A field that makes no sense counts as left out, and a state that
the kit does not know is one that may still change.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, NonNegativeInt, field_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticUseDefault

Body = Mapping[str, Any]
Status = Annotated[str, AfterValidator(str.lower)]
# Kaggle's are UTC, whether they say so or not.
Date = Annotated[datetime, AfterValidator(lambda at: at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC))]


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
    """The team's submissions: of this UTC day, of all days, and how many more are allowed today."""

    num_today: NonNegativeInt = 0
    num_total: NonNegativeInt = 0
    num_allowed_now: NonNegativeInt = 0


class Listed(Answer):
    """A submission in Kaggle's list. `message` is what was sent with it."""

    ref: NonNegativeInt = 0
    date: Date | None = None
    status: Status = "pending"
    public_score: FiniteFloat | None = None
    private_score: FiniteFloat | None = None
    error: str = Field("", validation_alias="errorDescription")
    message: str = Field("", validation_alias="description")


class DatasetState(Answer):
    """The state of Kaggle's work on the newest version; `version` is 0 where none is known."""

    version: NonNegativeInt = Field(0, validation_alias="currentVersionNumber")
    status: Status = "not_yet_persisted"

    @property
    def busy(self) -> bool:
        return self.status not in ("missing", "ready", "failed", "deleted")


class KernelState(Answer):
    """`failure_message`: why a run failed."""

    status: Status = "queued"
    failure_message: str = ""

    @property
    def running(self) -> bool:
        return self.status not in ("complete", "error", "cancel_acknowledged")


def text_of(body: Body, name: str) -> str:
    """Return a text, "" where there is none."""
    value = body.get(name)
    return value if isinstance(value, str) else ""
