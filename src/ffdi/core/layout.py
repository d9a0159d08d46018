"""The names of all artefacts, and a join that cannot leave its root.

`Workspace` knows the files of a competition folder, `RunFolder` those of a trained member, `FoldFolder` those of a
fold.
"""

from dataclasses import dataclass
from pathlib import Path, PosixPath

from ffdi.core.errors import UserError

WEIGHTS, DONE, LOG = "weights.safetensors", "done.json", "log.jsonl"
SUBMISSION_CSV, CARD = "submission.csv", "card.json"
LEDGER, LEDGER_CSV = "ledger", "ledger.csv"  # a folder with one file for each submission that was sent, and a copy
PUSH_STATE, RUN_RECORD = "push.json", "run.json"  # of a kernel: what is known of its push, what its run says
MANIFEST = "manifest.parquet"
JOURNAL = "journal.log"  # of a search on one machine
TEAM = "team.json"  # of a packed dataset
_WRITERS = {MANIFEST: "folds", TEAM: "kernels pack", CARD: "blend", "blends": "blend", LEDGER: "submit",
            PUSH_STATE: "kernels push", "kernels": "kernels pack", "search": "search", "folds": "folds",
            "runs": "train", "scan": "folds", "degraded": "evaluate --degraded", "embeddings.safetensors": "blend",
            **dict.fromkeys(("forged", "forged.parquet", "forged.json"), "forge")}  # fmt: skip


def verb_of(path: Path) -> str:
    """Return the verb that writes an artefact, as a message names it.

    Example:
        >>> verb_of(Path("work/mine/runs/one-82fe9765/fold0/oof.parquet"))
        '`ffdi train`'
    """
    found = next((verb for part, verb in _WRITERS.items() if part in path.parts[-7:]), None)  # a search has runs too
    return f"`ffdi {found}`" if found else "the verb that writes it"


def inside(root: Path, relative: str) -> Path:
    """Return `root / relative`. Raise UserError if that, with links resolved, is not below `root`."""
    if "\0" in relative:
        raise UserError(f"The name {relative!r} holds a NUL byte; leave it out.")
    path = (root / relative).resolve()
    if not path.is_relative_to(root.resolve()):
        raise UserError(
            f"{relative!r} leads outside {root}, by a link or by ..; put what is meant itself below {root.name}."
        )
    return path


class Below:
    """A file or folder with a fixed name in the folder that has it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, folder: "Path | Workspace", _: object = None) -> Path:
        return Path(folder.work if isinstance(folder, Workspace) else folder, self._name)


class FoldFolder(PosixPath):
    """The folder of one fold of a member, with names for what lies in it."""

    weights = Below(WEIGHTS)
    done = Below(DONE)  # written last: it names the files that belong together
    log = Below(LOG)
    state = Below("state")  # saves of an unfinished training
    predicted_parts = Below("parts")  # of an unfinished prediction

    def table(self, name: str) -> Path:
        """Return the logits of "oof", "val" or "test"."""
        return Path(self, f"{name}.parquet")


class RunFolder(PosixPath):
    """The folder that the folds of a member share."""

    spec = Below("spec.json")
    environment = Below("env.json")
    start = Below("start.json")  # where the first weights came from

    def fold(self, fold: int | str) -> FoldFolder:
        return FoldFolder(self, f"fold{fold}")


@dataclass(frozen=True)
class Workspace:
    """The artefacts of one competition folder (`work`) and the submissions beside them."""

    work: Path
    submissions: Path

    planned = Below("recipe.toml")  # for a budget of minutes
    budget = Below("plan.json")
    manifest = Below(MANIFEST)
    scan = Below("scan")  # parts of an unfinished scan
    runs = Below("runs")
    forged = Below("forged")
    degraded = Below("degraded")  # predictions of degraded held-out images
    searches = Below("search")
    kernels = Below("kernels")
    embeddings = Below("embeddings.safetensors")  # of the images that the forecast looks at

    def folds(self, scheme: str) -> Path:
        """Return the fold table of a scheme."""
        return self.work / "folds" / f"{scheme}.parquet"

    def fold(self, member: str, spec8: str, fold: int | str) -> FoldFolder:
        """Return the folder of one fold of a member.

        Args:
            member: Its name.
            spec8: The first 8 digits of its identity.
            fold: Number of the fold, or "full".
        """
        return RunFolder(self.runs, f"{member}-{spec8}").fold(fold)

    def blend(self, recipe: str) -> Path:
        """Return the folder of the blend that a recipe makes."""
        return self.work / "blends" / recipe

    def blend_table(self, recipe: str) -> Path:
        return self.blend(recipe) / "blend.parquet"

    def blend_card(self, recipe: str) -> Path:
        return self.blend(recipe) / CARD

    def report(self, verb: str) -> Path:
        """Return the page of a verb."""
        return self.work / "reports" / f"{verb}.html"
