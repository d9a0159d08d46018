"""The layout of a competition's folder. Another binary-image contest needs a new TOML and no code."""

from itertools import permutations
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class Frozen(BaseModel):
    """Typed, immutable, strict about names and numbers: an unknown key is an error, and so are inf and nan."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Split(Frozen):
    """A table of ids and the folder of their images, both relative to the competition folder.

    Without a table every image below the folder is a row; `real` and `fake` then name the folders of the two classes.
    """

    labels: str = ""  # the table; "": none
    images: str
    has_target: bool = True
    suffix: str = ""  # what the files' names have behind the id, such as ".jpg"; "": found where the id has no ending
    real: tuple[str, ...] = ()  # folders below `images`, for a split without a table
    fake: tuple[str, ...] = ()

    @field_validator("labels", "images")
    @classmethod
    def _stays_inside(cls, value: str) -> str:
        if Path(value).is_absolute() or ".." in Path(value).parts:
            raise ValueError("must be a path below the competition folder")
        return value

    @field_validator("real", "fake")
    @classmethod
    def _are_folders(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(PurePosixPath(name)) for name in value)  # "./real/" too is "real"

    @model_validator(mode="after")
    def _has_targets(self) -> "Split":
        if self.labels and (self.real or self.fake):
            raise ValueError("name a table (labels) or the folders of the classes (real, fake), not both")
        if not self.labels and self.has_target and not (self.real and self.fake):
            raise ValueError("without a table (labels) name the folders of both classes (real, fake)")
        if any(f"{one}/".startswith(f"{other}/") for one, other in permutations((*self.real, *self.fake), 2)):
            raise ValueError(
                "a folder of a class (real, fake) stands there twice, or lies in another one; name it once"
            )
        return self


class Board(Frozen):
    """The images that the leaderboard scores: their number and the share of fakes."""

    public_rows: int = Field(gt=0)
    private_rows: int = Field(gt=0)
    fake_share: float = Field(gt=0, lt=1)
    private_in_test: bool = True  # False: the test table holds the public images alone, the private ones stay hidden
    unseen: float | None = Field(None, gt=0, le=1)  # share of its fakes that are of unseen kinds, if the contest tells

    def scaled(self, test_rows: int) -> "Board":
        """Return the board of a folder with fewer test images, such as a sample: both boards shrink alike."""
        whole = self.public_rows + (self.private_rows if self.private_in_test else 0)
        share = min(1.0, test_rows / whole)
        rows = {name: max(1, round(getattr(self, name) * share)) for name in ("public_rows", "private_rows")}
        return self.model_copy(update=rows)


class Competition(Frozen):
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    slug: str  # Kaggle's name for it
    more_slugs: list[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$")]] = []  # that hold more of its files
    id_column: str
    target_column: str = "target"
    real_words: tuple[str, ...] = ("0",)  # what the target column says of originals; letter case does not matter
    fake_words: tuple[str, ...] = ("1",)
    prediction_column: str
    max_params: int | None = None  # of all members together
    board: Board | None = None  # None: no forecast of it
    train: Split
    val: Split | None = None
    test: Split

    @model_validator(mode="after")
    def _words_differ(self) -> "Competition":
        real, fake = ({word.casefold() for word in words} for words in (self.real_words, self.fake_words))
        if both := real & fake:
            raise ValueError(f"{min(both)!r} stands in real_words and in fake_words; name both lists, without overlap")
        return self

    @property
    def slugs(self) -> list[str]:
        """Return Kaggle's names of the competitions that hold its files; the first is the one that is submitted to."""
        return list(dict.fromkeys([self.slug, *self.more_slugs]))

    @property
    def splits(self) -> dict[str, Split]:
        """Return the splits by name, in the order train, val, test, without those that the contest does not have."""
        named = {"train": self.train, "val": self.val, "test": self.test}
        return {name: split for name, split in named.items() if split is not None}
