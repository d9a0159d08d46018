"""The remedy that a message of a verb names is tried: fault, message, remedy, and the verb succeeds."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from ffdi.core import lock
from tests.fixtures.command_line import RECIPE, CommandLine

Change = Callable[[CommandLine], object]
VALSET = ("contest/phase1/valset",)


class Fault(NamedTuple):
    make: Change
    verb: str
    message: str
    remedy: Change
    then: str = ""  # what is run at last, where that is not the verb again


def code(line: CommandLine, verb: str) -> int:
    return line.run(*verb.split(), places="--data" not in verb)


def run(*verbs: str) -> Change:
    def go(line: CommandLine) -> None:
        for verb in verbs:
            assert code(line, verb) == 0, line.err

    return go


def nothing(line: CommandLine) -> None:
    """Do nothing: the remedy is another argument, or the fault is one."""


def first(line: CommandLine, pattern: str) -> Path:
    return min(line.folder.glob(pattern))


def gone(pattern: str) -> Change:
    def remove(line: CommandLine) -> None:
        path = first(line, pattern)
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return remove


def damaged(pattern: str) -> Change:
    def flip(line: CommandLine) -> None:
        path = first(line, pattern)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.unlink()  # the weights of a pack are those of the run, by a hard link
        path.write_bytes(bytes(data))

    return flip


def recipe(*change: str) -> Change:
    return lambda line: line.recipe.write_text(RECIPE.replace(*change))


def both(*changes: Change) -> Change:
    def go(line: CommandLine) -> None:
        for change in changes:
            change(line)

    return go


def damaged_and_deleted(pattern: str, verb: str, again: str) -> Fault:
    name = Path(pattern).name.replace(".", r"\.")
    message = rf"{name} is damaged: its bytes do not match its checksum; delete it and run `ffdi {again}` again"
    return Fault(damaged(pattern), verb, message, both(gone(pattern), run(again)))


WORK = "work/multi-ffdi-phase2/contest"
ONE, TWO = f"{WORK}/runs/one-*/fold0", f"{WORK}/runs/two-*/fold1"
FAULTS = {
    # artefacts that are damaged, missing or old
    "manifest damaged": damaged_and_deleted(f"{WORK}/manifest.parquet", "folds", "folds"),
    "fold table damaged": damaged_and_deleted(f"{WORK}/folds/group.parquet", "blend", "folds"),
    "done damaged": damaged_and_deleted(f"{ONE}/done.json", "blend", "train"),
    "OOF damaged": damaged_and_deleted(f"{TWO}/oof.parquet", "blend", "train"),
    "test logits damaged": damaged_and_deleted(f"{ONE}/test.parquet", "blend", "train"),
    "weights damaged": damaged_and_deleted(f"{ONE}/weights.safetensors", "train", "train"),
    "card damaged": damaged_and_deleted(f"{WORK}/blends/tiny/card.json", "evaluate", "blend"),
    "blend damaged": damaged_and_deleted(f"{WORK}/blends/tiny/blend.parquet", "evaluate", "blend"),
    "card of a submission damaged": damaged_and_deleted("submissions/001-tiny/card.json", "submit", "blend"),
    "OOF gone": Fault(gone(f"{ONE}/oof.parquet"), "blend", "does not exist; run `ffdi train` first", run("train")),
    "fold unfinished": Fault(gone(f"{ONE}/done.json"), "blend", "is not finished: .* run `ffdi train`", run("train")),
    "no manifest": Fault(gone(f"{WORK}/manifest.parquet"), "blend", "run `ffdi folds` first", run("folds")),
    "no folds": Fault(
        gone(f"{WORK}/folds/group.parquet"), "train", "does not exist; run `ffdi folds` first", run("folds")
    ),
    "other folds": Fault(nothing, "train folds.seed=1", "run `ffdi folds` again", run("folds folds.seed=1")),
    "no blend": Fault(gone(f"{WORK}/blends"), "evaluate", "does not exist; run `ffdi blend` with this", run("blend")),
    "other blend": Fault(
        nothing,
        "evaluate blend.method=rank_mean",
        "other runs, data or code; run `ffdi blend` with this recipe again",
        run("blend blend.method=rank_mean"),
    ),
    # packs
    "no pack": Fault(
        nothing, "score contest/phase1/valset", r"no team\.json; run `ffdi kernels pack`", run("kernels pack")
    ),
    "pack damaged": Fault(
        both(run("kernels pack"), damaged(f"{WORK}/kernels/tiny-team/two-fold1.safetensors")),
        "score contest/phase1/valset",
        r"two-fold1\.safetensors is damaged.* run `ffdi kernels pack` again\.$",
        run("kernels pack"),
    ),
    "file of a pack gone": Fault(
        both(run("kernels pack"), gone(f"{WORK}/kernels/tiny-team/two-fold1.safetensors")),
        "score contest/phase1/valset",
        r"two-fold1\.safetensors does not exist; run `ffdi kernels pack` first\.$",
        run("kernels pack"),
    ),
    "pack without a team": Fault(
        run("kernels pack --train"),
        f"score contest/phase1/valset --pack {WORK}/kernels/tiny-recipe",
        "holds no team; run `ffdi kernels pack` without --train",
        run("kernels pack"),
        "score contest/phase1/valset",
    ),
    # submissions
    "no such number": Fault(
        nothing, "submit 7", r"no finished submission 7 in .*; name one of 001-tiny", nothing, "submit 001-tiny"
    ),
    "no such name": Fault(nothing, "submit best", r"name a folder of .*, its number, or a CSV", nothing, "submit 1"),
    "submission gone": Fault(
        gone("submissions/001-tiny/submission.csv"), "submit", "run `ffdi blend` to have it written again", run("blend")
    ),
    "submission edited": Fault(
        damaged("submissions/001-tiny/submission.csv"),
        "submit",
        "delete it and run `ffdi blend` again",
        both(gone("submissions/001-tiny/submission.csv"), run("blend")),
    ),
    "truth of other images": Fault(
        nothing,
        "evaluate submissions/001-tiny",
        "holds none of the images of .*; name their true labels with --labels",
        nothing,
        "evaluate submissions/001-tiny --labels contest/test_truth.csv",
    ),
    "version without a kernel": Fault(
        nothing, "submit --version 2", "--version belongs to --kernel OWNER/SLUG", nothing, "submit"
    ),
    # recipes
    "unknown key": Fault(recipe("epochs", "epoch"), "folds", "did you mean 'epochs'", recipe("", "")),
    "unknown model": Fault(recipe("test_resnet", "test_resnot"), "train", "near: test_resnet", recipe("", "")),
    "unknown view": Fault(nothing, "folds member.tta=['hflop']", "hflip", nothing, "folds member.tta=['hflip']"),
    "no weights": Fault(
        recipe('weights = "none"', ""), "train", 'no pretrained weights for test_resnet: .*"none"', recipe("", "")
    ),
    "weights elsewhere": Fault(
        nothing,
        "train member.weights=a.pth",
        r"a\.pth' is no file .*name one that is there, or one of .*none",
        nothing,
        "train member.weights=none",
    ),
    "batch of one": Fault(
        nothing,
        "doctor member.batch_size=5 member.micro_batches=4",
        "raise batch_size or lower micro_batches",
        nothing,
        "doctor member.batch_size=8 member.micro_batches=4",
    ),
    "no change": Fault(
        nothing, "folds lr", "write key=value, for example member.lr=1e-3", nothing, "folds member.lr=1e-3"
    ),
    "weight of nobody": Fault(
        nothing,
        "blend blend.weights={three=1}",
        "blend.weights names 'three', which is no member",
        nothing,
        "blend blend.weights={two=1}",
    ),
    # folds
    "too many folds": Fault(nothing, "folds folds.k=40", "lower k to 12", nothing, "folds folds.k=12"),
    "no val": Fault(
        nothing,
        "folds folds.scheme=official",
        r'say data\.train_splits = \["train", "val"\]',
        nothing,
        "folds folds.scheme=official data.train_splits=['train','val']",
    ),
    # places and arguments
    "no folder": Fault(
        nothing, "folds --data nowhere", "nowhere does not exist; name it with --data", nothing, "folds --data contest"
    ),
    "a file as folder": Fault(
        nothing,
        "folds --data contest --work tiny.toml",
        "Not a directory; name another place",
        nothing,
        "folds --data contest --work other",
    ),
    "fakes where files are": Fault(
        nothing,
        "forge --out contest forge.images=2",
        "holds other files; name a new folder for the fakes with --out",
        nothing,
        "forge --out fakes forge.images=2",
    ),
    "fakes of other settings": Fault(
        run("forge --out fakes forge.images=2"),
        "forge --out fakes forge.images=3",
        "delete it, or name a new folder",
        gone("fakes"),
    ),
    "over already": Fault(
        nothing, "train --until 2001-01-01T00:00", "name a later time", nothing, "train --until 2999-01-01T00:00"
    ),
    "no time": Fault(nothing, "train --until soon", "write 11h30m, 45m or", nothing, "train --until 45m"),
    "worst of a pack": Fault(
        nothing, "explain --worst 1 --pack x", "leave --pack away, or name images", nothing, "explain --worst 1"
    ),
    "folder to explain": Fault(
        run("kernels pack"),
        "explain contest/phase1/valset",
        "Is a directory; name image files",
        nothing,
        "explain contest/phase1/valset/00000000000000000827b5163816c64e.png",
    ),
    "nothing to score": Fault(
        run("kernels pack"),
        "score submissions",
        "There is no image in submissions; name image files, or folders",
        nothing,
        "score contest/phase1/valset",
    ),
}


SLOW = {  # they train or blend, as others of the table do
    "OOF damaged", "test logits damaged", "done damaged", "weights damaged", "OOF gone", "other folds", "blend damaged",
    "no blend", "card of a submission damaged", "submission gone", "fold table damaged", "no manifest",
}  # fmt: skip


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in FAULTS])
def test_the_remedy_of_a_message_ends_the_fault(name: str, line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(line.folder))  # without a credential
    fault = FAULTS[name]
    fault.make(line)
    assert code(line, fault.verb) == 2, line.err
    told = " ".join(line.err.split())
    assert told.count("error: ") == 1
    assert re.search(fault.message, told), told
    fault.remedy(line)
    assert code(line, fault.then or fault.verb) == 0, line.err


def test_a_folder_at_work_is_free_again_when_the_other_process_ends(line: CommandLine) -> None:
    with lock.exclusive(line.work / "scan"):
        assert line.run("folds") == 2
        assert "wait for it or stop it, then run again" in " ".join(line.err.split())
    assert line.run("folds") == 0
