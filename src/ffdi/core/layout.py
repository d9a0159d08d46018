"""Where artefacts live, and a join that cannot leave its root."""

from dataclasses import dataclass
from pathlib import Path

from ffdi.core.errors import UserError


def inside(root: Path, relative: str) -> Path:
    """`root / relative`, refused (UserError) when the result, links resolved, is not below `root`."""
    if "\0" in relative:
        raise UserError(f"The name {relative!r} holds a NUL byte; remove that row.")
    path = (root / relative).resolve()
    if not path.is_relative_to(root.resolve()):
        raise UserError(
            f"The name {relative!r} leads outside {root}; only files below the competition folder are read."
        )
    return path


@dataclass(frozen=True)
class Workspace:
    """The artefacts of one competition folder (`work`) and the submissions beside them."""

    work: Path
    submissions: Path

    @property
    def manifest(self) -> Path:
        return self.work / "manifest.parquet"

    @property
    def runs(self) -> Path:
        return self.work / "runs"

    def folds(self, scheme: str) -> Path:
        return self.work / "folds" / f"{scheme}.parquet"

    def run(self, member: str, spec8: str) -> Path:
        return self.runs / f"{member}-{spec8}"

    def fold(self, member: str, spec8: str, fold: int | str) -> Path:
        return self.run(member, spec8) / f"fold{fold}"

    def blend(self, recipe: str) -> Path:
        """Return the folder of a recipe's blend."""
        return self.work / "blends" / recipe

    def blend_table(self, recipe: str) -> Path:
        return self.blend(recipe) / "blend.parquet"

    def blend_card(self, recipe: str) -> Path:
        return self.blend(recipe) / "card.json"

    def report(self, verb: str) -> Path:
        return self.work / "reports" / f"{verb}.html"
