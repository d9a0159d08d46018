"""`ffdi submit` and `ffdi ledger` as a person types them, with the real client against the imitation of Kaggle."""

import re

import pytest

from ffdi.core import checksum
from ffdi.core.layout import LEDGER, LEDGER_CSV, Workspace
from ffdi.data import manifest
from ffdi.submission.submit import submit
from tests.fixtures.kaggle.api import Outcome, Run
from tests.fixtures.kaggle.server import answer, refuse
from tests.fixtures.sending import IDS, World

KERNEL = ("submit", "--kernel", "tester/infer", "--version", "1")


def test_a_file_is_sent_and_its_score_comes_into_the_ledger(world: World) -> None:
    world.server.state.outcomes.append(Outcome(public="0.93456", private="0.92", after=3))
    assert world.run("submit", "--yes") == 0
    assert "submissions to toy: 0 today, 2 left until 00:00 UTC" in world.out
    assert "public 0.93456, private 0.92000 (forecast 0.9000 to 0.9700)" in world.out
    (row,) = world.rows
    assert (row.status, row.public, row.private, row.ref) == ("scored", 0.93456, 0.92, 1002)
    assert (row.oof, row.nested, row.forecast_high, row.method) == (0.95, 0.949, 0.97, "rank_mean")
    (made,) = world.server.state.submissions
    assert made.description == f"{row.tag} 001-toy rank_mean"
    assert made.data == (world.root / "001-toy/submission.csv").read_bytes()


def test_the_library_returns_the_row(world: World) -> None:
    places = {"work": world.folder / "work", "submissions": world.root}
    assert submit(**places) is None
    row = submit(world.root / "001-toy", yes=True, **places)
    assert row == world.rows[0]
    assert row.status == "scored"


def test_without_yes_all_is_shown_and_nothing_is_sent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KAGGLE_KEY", "KAGGLE_USERNAME"):
        monkeypatch.delenv(name)
    assert world.run("submit") == 0
    intervals = ("0.9500 (0.9400 to 0.9600)", "0.9490 (0.9300 to 0.9600)", "0.9000 to 0.9700")
    for text in ("rank_mean", *intervals, "nothing was sent"):
        assert text in world.out
    assert world.run("submit", "--yes") == 2
    assert "No Kaggle credential" in world.err
    assert (world.server.seen, world.rows) == ([], [])
    assert not (world.root / LEDGER_CSV).exists()


def test_what_was_sent_is_refused_unless_again(world: World) -> None:
    assert world.run("submit", "--yes") == 0
    copy = world.folder / "copy.csv"
    copy.write_bytes((world.root / "001-toy/submission.csv").read_bytes())
    for given in ("1", "001-toy", str(world.root / "001-toy/submission.csv"), str(copy)):
        assert world.run("submit", given, "--yes") == 2
        assert "sent already on 2025-11-22T18:00:00+00:00 (public 0.91234)" in world.err
    assert world.sent == 1
    assert world.run("submit", "--yes", "--again") == 0
    assert [row.tag[-2:] for row in world.rows] == ["-1", "-2"]
    assert world.sent == 2


def test_a_path_that_is_not_there_is_no_other_submission_of_that_name(world: World) -> None:
    assert world.run("submit", str(world.folder / "elsewhere" / "001-toy"), "--yes") == 2
    assert "There is no submission" in world.err
    assert world.sent == 0


def test_a_spent_quota_stops_before_anything_is_written(world: World) -> None:
    world.server.state.competitions["toy"].per_day = 1
    assert world.run("submit", "--yes") == 0
    world.publish(1)
    assert world.run("submit", "--yes") == 2
    assert "No submission to toy is left today" in world.err
    assert "00:00 UTC" in world.err
    assert ([row.submission for row in world.rows], world.sent) == (["001-toy"], 1)


def test_a_quota_spent_meanwhile_is_a_refused_row(world: World) -> None:
    reason = "Submission not allowed: Your team has used its daily Submission allowance (2) today, please try again"
    world.server.script("CreateSubmission", refuse(400, reason))
    assert world.run("submit", "--yes") == 2
    assert "00:00 UTC" in world.err
    assert [(row.status, row.error) for row in world.rows] == [("refused", reason)]
    assert world.run("submit", "--yes") == 0  # a refused one may be sent
    assert world.statuses == ["refused", "scored"]


def test_a_late_error_is_a_failed_row_with_kaggles_reason(world: World) -> None:
    world.server.state.outcomes.append(Outcome("ERROR", public="", error="Evaluation metric raised\nan error", after=3))
    assert world.run("submit", "--yes") == 2
    assert "Evaluation metric raised an error" in world.err
    assert world.run("submit", "--yes") == 0
    assert world.statuses == ["failed", "scored"]


def test_a_deadline_pauses_and_the_same_command_goes_on(world: World) -> None:
    world.server.state.outcomes.append(Outcome(after=8))
    assert world.run("submit", "--yes", "--wait", "2m") == 75
    assert "run the same command again to go on" in world.err
    assert sum(world.time.slept) <= 120
    assert world.run("submit") == 0  # without --yes it only tells
    assert world.statuses == ["sent"]
    assert world.run("submit", "--yes", "--again") == 0  # --again too goes on with one that is not scored
    assert (world.statuses, world.sent) == (["scored"], 1)


def test_no_wait_leaves_the_score_to_the_ledger(world: World) -> None:
    world.server.state.outcomes.append(Outcome(after=2))
    world.server.script("GetSubmissionLimits", answer({}))  # all zero: Kaggle knows no team of this user yet
    assert world.run("submit", "--yes", "--no-wait") == 0
    assert (world.statuses, world.time.slept) == (["sent"], [])
    assert [world.run("ledger", "--refresh") for _ in range(2)] == [0, 0]
    assert (world.statuses, world.sent) == (["scored"], 1)
    assert "0.91234" in world.out
    assert "lies outside its forecast" not in world.err


@pytest.fixture
def pushed(world: World) -> None:
    world.server.state.kernels["tester/infer"] = [Run({}, ["COMPLETE"], {"submission.csv": b"id,y\n"})]


@pytest.mark.usefixtures("pushed")
def test_a_kernel_is_sent_by_version(world: World) -> None:
    assert world.run(*KERNEL, "--competition", "toy", "--yes") == 0
    (row,) = world.rows
    assert (row.kernel, row.version) == ("tester/infer", 1)
    assert (row.status, row.submission, row.sha256, row.oof) == ("scored", "infer", "", None)
    assert world.run(*KERNEL, "--yes") == 2
    assert "sent already" in world.err
    assert world.run("submit", "--yes", "--no-wait") == 0
    assert {one.submission for one in world.rows} == {"infer", "001-toy"}


@pytest.mark.usefixtures("pushed")
def test_a_kernel_may_have_the_card_of_a_submission(world: World) -> None:
    """As on another machine, which has the cards and not the big files."""
    (world.root / "001-toy/submission.csv").unlink()
    assert world.run(*KERNEL, "001-toy", "--yes") == 0
    (row,) = world.rows
    assert (row.submission, row.kernel, row.oof, row.sha256) == ("001-toy", "tester/infer", 0.95, "")


def test_a_csv_from_elsewhere_is_sent(world: World) -> None:
    path = world.folder / "my best,1.csv"
    path.write_text("id,y\n" + "".join(f"{name},0.{number}\n" for number, name in enumerate(IDS)))
    assert world.run("submit", str(path)) == 0
    assert world.run("submit", str(path), "--yes") == 0
    assert [(row.submission, row.status) for row in world.rows] == [("my-best-1", "scored")]
    assert world.server.bodies("StartSubmissionUpload")[0]["fileName"] == "submission.csv"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("".join(f"{name},0.{n}\n" for n, name in enumerate(IDS[:-1])), "1 of 8 ids are missing"),
        ("".join(f"x{name},0.{n}\n" for n, name in enumerate(IDS)), "no manifest in .*toy has its images, such as"),
    ],
)
def test_a_csv_from_elsewhere_is_checked_by_the_manifest_that_knows_it(world: World, text: str, says: str) -> None:
    (world.folder / "mine.csv").write_text("id,y\n" + text)
    rows = manifest.read(Workspace(world.folder / "work/toy/images", world.root))
    checksum.write_table(world.folder / "work/toy/another/manifest.parquet", rows.iloc[:3])
    assert world.run("submit", str(world.folder / "mine.csv"), "--yes") == 2
    assert re.search(says, world.err)
    assert world.sent == 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["7"], "no finished submission 7"),
        (["nowhere"], "no submission 'nowhere'"),
        (["--wait", "soon"], "--wait 'soon' is no time"),
        (["--version", "3"], "--version belongs to --kernel"),
        (["--kernel", "tester/infer"], "needs --version"),
        (["--kernel", "tester/infer/3", "--version", "3"], "belongs to --kernel OWNER/SLUG"),
        (["--competition", "https://www.kaggle.com/c/toy"], "the last part of its address"),
    ],
)
def test_bad_arguments_are_one_sentence(world: World, arguments: list[str], named: str) -> None:
    assert world.run("submit", *arguments, "--yes") == 2
    assert named in world.err
    assert (world.server.seen, world.rows) == ([], [])


def test_a_file_that_is_not_what_its_card_says_is_not_sent(world: World) -> None:
    path = world.root / "001-toy/submission.csv"
    path.write_text(path.read_text().replace("0.", "0.1"))
    assert world.run("submit", "--yes") == 2
    assert "not the file that its card names" in world.err
    path.unlink()
    assert world.run("submit", "--yes") == 2
    assert "not in git" in world.err
    assert world.server.seen == []


def test_a_sample_of_the_contest_is_not_sent(world: World) -> None:
    path = world.folder / "toy.toml"
    path.write_text(path.read_text() + "[board]\npublic_rows = 1000\nprivate_rows = 1000\nfake_share = 0.5\n")
    assert world.run("submit", "--yes") == 2
    assert "8 images were predicted and the leaderboard of toy scores 1,000" in world.err
    assert world.server.seen == []


def test_the_ledger_alone_asks_nothing(world: World) -> None:
    assert world.run("ledger") == 0
    assert "Nothing was sent" in world.out
    assert world.run("submit", "--yes") == 0
    (world.root / LEDGER_CSV).unlink()
    asked = len(world.server.seen)
    assert world.run("ledger") == 0
    assert (world.root / LEDGER_CSV).exists()
    assert "toy: 1 sends" in world.out
    assert len(world.server.seen) == asked


def test_a_score_outside_its_forecast_is_a_warning(world: World) -> None:
    world.server.state.outcomes.append(Outcome(public="0.89"))
    assert world.run("submit", "--yes") == 0
    assert world.run("ledger") == 0
    assert "001-toy: public 0.8900 lies outside its forecast" in world.err


def test_a_damaged_ledger_stops_a_send_before_it_begins(world: World) -> None:
    assert world.run("submit", "--yes", "--no-wait") == 0
    (path,) = (world.root / LEDGER).iterdir()
    path.write_text("{}")
    assert world.run("submit", "--yes", "--again") == 2
    assert f"{path.name} is damaged" in world.err
    assert "delete it and run `ffdi submit` again" in world.err
    assert world.sent == 1
