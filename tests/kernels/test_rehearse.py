"""A rehearsal runs the script as Kaggle would, catches what Kaggle would not offer, and compares every bit."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from ffdi.cli.main import app
from ffdi.core import checksum, lock
from ffdi.core.digest import PACKAGE
from ffdi.core.errors import UserError
from ffdi.data import decode, tables
from ffdi.kernels import infer, mock_input
from ffdi.kernels.mock_input import MockInput
from ffdi.kernels.rehearse import SCENARIOS, rehearse, run_offline
from ffdi.submission.check import render
from tests.kernels.conftest import SCRIPTS, TABLE, TEST, Home

INFER = SCRIPTS / "infer.py"
IMAGES = 8


class TestSandbox:
    @pytest.fixture
    def box(self, tmp_path: Path) -> Callable[[str], Any]:
        def run(code: str) -> tuple[int, str, tuple[str, ...]]:
            (tmp_path / "script.py").write_text(code)
            return run_offline(tmp_path / "script.py", tmp_path, {"GIVEN": "yes"})

        return run

    def test_it_has_the_packages_and_nothing_of_the_environment(self, box: Any, monkeypatch: Any) -> None:
        monkeypatch.setenv("SECRET", "canary")
        code = "import os, numpy\nprint(os.environ.get('SECRET'), os.environ['GIVEN'])"
        assert box(code) == (0, "None yes\n", ())

    def test_the_network_is_off_and_an_attempt_is_noted_even_if_it_is_survived(self, box: Any) -> None:
        _, output, attempts = box(
            "import socket\n"
            "for target in (('192.0.2.1', 80), ('localhost', 80)):\n"
            "    try:\n"
            "        socket.socket().connect(target)\n"
            "    except OSError:\n"
            "        pass\n"
            "try:\n"
            "    socket.getaddrinfo('example.org', 80)\n"
            "except OSError:\n"
            "    pass\n"
            "first, second = socket.socketpair()\n"
            "first.send(b'x')\n"
            "print(second.recv(1))",
        )
        assert attempts == (
            "reach the address '192.0.2.1' (port 80)",
            "reach the address 'localhost' (port 80)",
            "look up the host 'example.org'",
        )
        assert output == "b'x'\n"

    def test_what_a_script_started_ends_with_it(self, box: Any, tmp_path: Path) -> None:
        child = "import fcntl, time\nheld = open('held', 'a')\nfcntl.flock(held, fcntl.LOCK_EX)\nprint(flush=True)\n"
        start = f"subprocess.Popen([sys.executable, '-c', {child + 'time.sleep(600)'!r}], stdout=subprocess.PIPE)"
        box(f"import subprocess, sys\n{start}.stdout.readline()")
        with lock.exclusive(tmp_path, "held", wait=True):
            pass


class TestMockInput:
    def test_a_hidden_rerun_has_other_ids_a_broken_image_and_a_stale_sample(self, home: Home, tmp_path: Path) -> None:
        made = mock_input.build(tmp_path / "made", SCENARIOS[2], home.team, "someone/team", home.images, 25)
        ids = tables.read_labels(made.folder, home.competition, "test")["id"].tolist()
        old = set(pd.read_csv(home.images / TABLE)["img_name"])
        assert ids == made.rows["id"].tolist()
        assert len(set(ids)) == len(old)
        assert not set(ids) & old
        assert set(pd.read_csv(made.folder / mock_input.SAMPLE)["img_name"]) == old
        with pytest.raises(decode.Defect):
            decode.decode((made.folder / TEST / ids[-1]).read_bytes())
        assert decode.decode((made.folder / TEST / ids[0]).read_bytes())

    def test_targets_are_written_in_the_words_of_the_contest(self, home: Home, tmp_path: Path) -> None:
        test = home.competition.test.model_copy(update={"has_target": True})
        words = {"test": test, "real_words": ("real",), "fake_words": ("fake",)}
        contest = home.competition.model_copy(update=words)
        rows = pd.DataFrame({"id": ["a.jpg"], "old": ["b.jpg"]})
        mock_input._write_tables(MockInput(tmp_path, tmp_path, rows), contest)
        assert tables.read_labels(tmp_path, contest, "test")["id"].tolist() == ["a.jpg"]

    def test_an_image_that_the_folder_lacks_is_no_traceback(self, home: Home, tmp_path: Path) -> None:
        data = Path(shutil.copytree(home.images, tmp_path / "contest"))
        (data / TEST / pd.read_csv(data / TABLE)["img_name"][IMAGES - 1]).unlink()
        for scenario, count in ((SCENARIOS[0], IMAGES), (SCENARIOS[2], IMAGES - 1)):
            made = mock_input.build(tmp_path / scenario.name, scenario, home.team, "team", data, count)
            assert (made.folder / made.rows["relpath"][IMAGES - 1]).is_file() == scenario.hidden


FAKE = """\
KIND, API = "infer", 1
SETTINGS = {
    "until": "8h30m",
    "run": "",
}
import os, shutil
shutil.copytree(ANSWER, os.environ["FFDI_WORKING"], dirs_exist_ok=True)
"""


class TestVerdict:
    """Stand-ins for a kernel: they hand in an answer made before, the right one or another, and may do more."""

    @pytest.fixture
    def answer(self, home: Home, tmp_path: Path) -> Path:
        """What the kernel should leave for the plain scenario."""
        rows = pd.read_csv(home.images / TABLE).rename(columns={"img_name": "id"}).iloc[:IMAGES]
        rows["relpath"] = TEST + "/" + rows["id"]
        score_R, _ = infer.predict(home.team, rows, home.images, workers=0)
        folder = tmp_path / "answer"
        folder.mkdir()
        self.hand_in(home, folder, rows["id"], score_R)
        checksum.write_json(folder / "run.json", {"degraded": []})
        return folder

    def hand_in(self, home: Home, folder: Path, ids: pd.Series, score_R: np.ndarray) -> None:
        frame = pd.DataFrame({"img_name": ids, "y_pred": score_R})
        (folder / "submission.csv").write_bytes(render(frame, home.competition))

    @pytest.fixture
    def faults(self, home: Home, answer: Path, tmp_path: Path) -> Callable[..., str]:
        """The faults of a stand-in with `code` at its end."""

        def found(code: str = "") -> str:
            (tmp_path / "fake.py").write_text(FAKE.replace("ANSWER", repr(str(answer))) + code)
            (verdict,) = rehearse(tmp_path / "fake.py", home.pack, home.images, IMAGES, SCENARIOS[:1])
            return "\n".join(verdict.faults)

        return found

    @pytest.mark.parametrize(
        ("code", "fault"),
        [
            (
                f"import sys\nsys.path.insert(0, {str(PACKAGE.parent)!r})\nimport ffdi\n",
                f"it tried to read {PACKAGE / '__init__.py'}, which Kaggle does not offer.",
            ),
            ("os.remove(os.environ['FFDI_WORKING'] + '/submission.csv')\n", "name a submission CSV."),
            ("os.remove(os.environ['FFDI_WORKING'] + '/run.json')\n", "run.json does not exist"),
        ],
        ids=["checkout", "nothing", "no record"],
    )
    def test_what_would_fail_on_kaggle_is_caught(self, faults: Callable[..., str], code: str, fault: str) -> None:
        assert fault in faults(code)

    def test_a_kernel_that_writes_nothing_when_time_is_short_is_caught(
        self, faults: Callable[..., str], home: Home, tmp_path: Path
    ) -> None:
        faults("os.remove(os.environ['FFDI_WORKING'] + '/submission.csv')\n")
        (verdict,) = rehearse(tmp_path / "fake.py", home.pack, home.images, IMAGES, SCENARIOS[3:])
        assert "submission.csv" in verdict.faults[-1]

    def test_a_submission_of_other_ids_is_caught(self, faults: Callable[..., str], home: Home, answer: Path) -> None:
        ids = pd.Series([f"{number:032x}.jpg" for number in range(IMAGES)])
        self.hand_in(home, answer, ids, np.linspace(0.1, 0.9, IMAGES))
        assert "8 ids are not the competition's" in faults()

    def test_one_bit_is_noticed(self, faults: Callable[..., str], home: Home, answer: Path) -> None:
        frame = pd.read_csv(answer / "submission.csv")
        score_R = frame["y_pred"].to_numpy().copy()
        score_R[3] = np.nextafter(score_R[3], 1)
        self.hand_in(home, answer, frame["img_name"], score_R)
        assert faults().startswith("1 of 8 predictions are not what the team gives here, by up to")

    def test_what_is_given_up_without_need_is_caught(self, faults: Callable[..., str], answer: Path) -> None:
        checksum.write_json(answer / "run.json", {"degraded": ["fold 1 of two"]})
        assert faults() == "it did not use all nets and views: fold 1 of two."

    def test_the_verb_ends_with_code_2(self, faults: Callable[..., str], home: Home, tmp_path: Path) -> None:
        faults("raise SystemExit('the disk is full')\n")
        arguments = ["--pack", str(home.pack), "--data", str(home.images), "--images", "8", "--work", str(tmp_path)]
        arguments += ["--recipe", str(home.images.parent / "tiny.toml")]
        result = CliRunner().invoke(app, ["kernels", "rehearse", str(tmp_path / "fake.py"), *arguments])
        assert isinstance(result.exception, UserError)
        assert str(result.exception).startswith("4 of 4 scenarios failed")
        assert result.stdout.count("FAILED") == 4
        assert "the disk is full" in result.stderr


def test_the_script_passes_every_scenario(home: Home) -> None:
    *timeless, short = rehearse(INFER, home.pack, home.images, IMAGES)
    assert [(verdict.faults, verdict.equal) for verdict in timeless] == [((), True)] * 3
    assert timeless[2].images == IMAGES + 1
    assert (short.faults, short.equal) == ((), None)


def test_other_scripts_and_other_folders_are_refused(home: Home, tmp_path: Path) -> None:
    for script, pack, message in (
        (tmp_path / "none.py", home.pack, "cannot be read"),
        (SCRIPTS / "blend.py", home.pack, r"Only kernels/infer\.py with a packed team"),
        (INFER, tmp_path, r"has no team\.json; run `ffdi kernels pack`"),
    ):
        with pytest.raises(UserError, match=message):
            rehearse(script, pack, home.images, IMAGES)
