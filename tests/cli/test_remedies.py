"""The remedy that a message of a verb names is tried: fault, message, remedy, and the verb succeeds."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from ffdi.config.load import load_competition
from ffdi.core import lock
from ffdi.core.layout import Workspace
from ffdi.data.scan import scan
from tests.fixtures.command_line import CommandLine

Change = Callable[[CommandLine], object]
VALSET = ("contest/phase1/valset",)


class Fault(NamedTuple):
    """How it is made, the verb that finds it, what that says, the remedy, and what then succeeds; "": the verb."""

    make: Change
    verb: str
    message: str
    remedy: Change
    then: str = ""


def code(line: CommandLine, verb: str) -> int:
    return line.run(*verb.split(), places="--data" not in verb)


def run(*verbs: str) -> Change:
    def go(line: CommandLine) -> None:
        for verb in verbs:
            assert code(line, verb) == 0, line.err

    return go


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


def both(*changes: Change) -> Change:
    def go(line: CommandLine) -> None:
        for change in changes:
            change(line)

    return go


def argument(verb: str, message: str, then: str) -> Fault:
    """Return a fault of the command line, whose remedy is another command."""
    return Fault(run(), verb, message, run(), then)


def replaced(line: CommandLine) -> None:
    for path in line.images.rglob("*.png"):
        path.write_bytes(path.read_bytes() + b"longer")


def relabelled(line: CommandLine) -> None:
    path = line.images / "phase1/trainset_label.txt"
    head, first, second, *rest = path.read_text().splitlines()
    path.write_text("\n".join([head, f"{first[:-1]}{second[-1]}", f"{second[:-1]}{first[-1]}", *rest]))
    scan(load_competition("multi-ffdi-phase2"), line.images, Workspace(line.work, line.folder), 0)


def damaged_and_deleted(pattern: str, verb: str, again: str) -> Fault:
    name = Path(pattern).name.replace(".", r"\.")
    message = rf"{name} is damaged: its bytes do not match its checksum; delete it and run `ffdi {again}` again"
    return Fault(damaged(pattern), verb, message, both(gone(pattern), run(again)))


WORK = "work/multi-ffdi-phase2/contest"
ONE, TWO = f"{WORK}/runs/one-*/fold0", f"{WORK}/runs/two-*/fold1"
PACKED = f"{WORK}/kernels/tiny-team/two-fold1.safetensors"
TRUTH = "--labels contest/test_truth.csv"
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
    "other folds": Fault(run(), "train folds.seed=1", "run `ffdi folds` again", run("folds folds.seed=1")),
    "folds of other labels": Fault(relabelled, "train", "run `ffdi folds` again", run("folds"), "folds"),
    "other images": Fault(
        replaced, "train", "is not the file that `ffdi folds` has read; run it again", run("folds"), "folds"
    ),
    "no blend": Fault(gone(f"{WORK}/blends"), "evaluate", "does not exist; run `ffdi blend` with this", run("blend")),
    "other blend": Fault(
        run(),
        "evaluate blend.method=rank_mean",
        "other runs, data or code; run `ffdi blend` with this recipe again",
        run("blend blend.method=rank_mean"),
    ),
    # packs
    "no pack": Fault(
        run(), "score contest/phase1/valset", r"no team\.json; run `ffdi kernels pack`", run("kernels pack")
    ),
    "pack damaged": Fault(
        both(run("kernels pack"), damaged(PACKED)),
        "score contest/phase1/valset",
        r"two-fold1\.safetensors is damaged.* run `ffdi kernels pack` again\.$",
        run("kernels pack"),
    ),
    "no wheels": argument("kernels pack --train --wheels x", "x holds no wheels; fetch some", "kernels pack --train"),
    "file of a pack gone": Fault(
        both(run("kernels pack"), gone(PACKED)),
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
    "no such number": argument("submit 7", r"no finished submission 7 in .*; name one of 001-tiny", "submit 001-tiny"),
    "no such name": argument("submit best", r"name a folder of .*, its number, or a CSV", "submit 1"),
    "submission gone": Fault(
        gone("submissions/001-tiny/submission.csv"), "submit", "run `ffdi blend` to have it written again", run("blend")
    ),
    "submission edited": Fault(
        damaged("submissions/001-tiny/submission.csv"),
        "submit",
        "delete it and run `ffdi blend` again",
        both(gone("submissions/001-tiny/submission.csv"), run("blend")),
    ),
    "truth of other images": argument(
        "evaluate submissions/001-tiny",
        "holds none of the images of .*; name their true labels with --labels",
        f"evaluate submissions/001-tiny {TRUTH}",
    ),
    "no submission": argument(
        "evaluate best.csv", "no submission best.csv; name a CSV", "evaluate submissions/001-tiny " + TRUTH
    ),
    "two submissions": argument("submit 1 2", "Only one submission", "submit 1"),
    "truth alone": argument(
        f"evaluate {TRUTH}", "--labels belongs to a submission", f"evaluate submissions/001-tiny {TRUTH}"
    ),
    "version without a kernel": argument("submit --version 2", "--version belongs to --kernel OWNER/SLUG", "submit"),
    # recipes
    "unknown model": argument("train member.one.model=test_resnot", "near: test_resnet", "train"),
    "no weights": argument(
        "train member.weights=auto",
        'no pretrained weights for test_resnet: .*"none"',
        "train member.weights=none",
    ),
    "no weights to plan with": argument("doctor member.weights=auto", "weights/test_resnet", "train"),
    "too large": argument("train member.one.model=convnext_xlarge", "over the limit of 200,000,000", "train"),
    "too large to plan with": argument("doctor member.one.model=convnext_xlarge", "the limit of 200,000,000", "train"),
    "batch of one": argument(
        "doctor member.batch_size=5 member.micro_batches=4",
        "raise batch_size or lower micro_batches",
        "doctor member.batch_size=8 member.micro_batches=4",
    ),
    "weight of nobody": argument(
        "blend blend.weights={three=1}",
        "blend.weights names 'three', which is no member",
        "blend blend.weights={two=1}",
    ),
    # folds
    "too many folds": argument("folds folds.k=40", "lower k to 12", "folds folds.k=12"),
    "no val": argument(
        "folds folds.scheme=official",
        r'say data\.train_splits = \["train", "val"\]',
        "folds folds.scheme=official data.train_splits=['train','val']",
    ),
    # places and arguments
    "no folder": argument(
        "folds --data nowhere", "nowhere does not exist; name it with --data", "folds --data contest"
    ),
    "a file as folder": argument(
        "folds --data contest --work tiny.toml",
        "Not a directory; name another place",
        "folds --data contest --work other",
    ),
    "fakes where files are": argument(
        "forge --out contest forge.images=2",
        "holds other files; name a new folder for the fakes with --out",
        "forge --out fakes forge.images=2",
    ),
    "fakes of other settings": Fault(
        run("forge --out fakes forge.images=2"),
        "forge --out fakes forge.images=3",
        "delete it, or name a new folder",
        gone("fakes"),
    ),
    "over already": argument("train --until 2001-01-01T00:00", "name a later time", "train --until 2999-01-01T00:00"),
    "no time": argument("train --until soon", "write 11h30m, 45m or", "train --until 45m"),
    "worst of a pack": argument("explain --worst 1 --pack x", "leave --pack away, or name images", "explain --worst 1"),
    "folder to explain": Fault(
        run("kernels pack"),
        "explain contest/phase1/valset",
        "Is a directory; name image files",
        run(),
        "explain contest/phase1/valset/00000000000000000827b5163816c64e.png",
    ),
    "nothing to score": Fault(
        run("kernels pack"),
        "score submissions",
        "There is no image in submissions; name image files, or folders",
        run(),
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
