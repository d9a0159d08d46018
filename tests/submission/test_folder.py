import multiprocessing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ffdi.config.load import load_competition
from ffdi.core import checksum, digest
from ffdi.core.errors import CorruptError, LockedError, UserError
from ffdi.core.lock import exclusive
from ffdi.submission import folder
from ffdi.submission.folder import finished, keep, next_folder, publish

COMPETITION = load_competition("multi-ffdi-phase2")
CARD = {"recipe": {"name": "toy"}, "blend": {"auc": 0.9}}


def frame_of(seed: int = 0, rows: int = 30) -> pd.DataFrame:
    ids = pd.Series([f"{i:032x}.jpg" for i in range(rows)], dtype="str")
    return pd.DataFrame({"img_name": ids, "y_pred": np.random.default_rng(seed).random(rows)})


def test_a_submission_and_its_card(tmp_path: Path) -> None:
    made = publish(frame_of(), CARD, "in", COMPETITION, tmp_path, "toy")
    assert made.folder == tmp_path / "001-toy"
    assert not made.reused
    assert sorted(path.name for path in made.folder.iterdir()) == ["card.json", "submission.csv"]
    card = checksum.read_json(made.folder / "card.json")
    assert card == made.card
    assert card["submission"] == {"file": "submission.csv", "sha256": digest.of_file(made.csv), "rows": 30}
    assert card["blend"] == {"auc": 0.9}
    assert str(tmp_path) not in (made.folder / "card.json").read_text()


def test_numbers_go_on(tmp_path: Path) -> None:
    names = [
        publish(frame_of(seed), CARD, "in", COMPETITION, tmp_path, name).folder.name for seed, name in enumerate("abc")
    ]
    assert names == ["001-a", "002-b", "003-c"]
    (tmp_path / "041-hand-made").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "99-short").mkdir()
    assert publish(frame_of(9), CARD, "in", COMPETITION, tmp_path, "a").folder.name == "042-a"


def test_nothing_changed_makes_no_new_folder(tmp_path: Path) -> None:
    first = publish(frame_of(), CARD, "in", COMPETITION, tmp_path, "toy")
    again = publish(frame_of(), CARD, "in", COMPETITION, tmp_path, "toy")
    assert (again.folder, again.reused, again.card) == (first.folder, True, first.card)
    assert [path.name for path, _ in finished(tmp_path)] == ["001-toy"]


@pytest.mark.parametrize(("seed", "inputs"), [(1, "in"), (0, "other")])
def test_other_predictions_or_inputs_make_one(tmp_path: Path, seed: int, inputs: str) -> None:
    publish(frame_of(), CARD, "in", COMPETITION, tmp_path, "toy")
    made = publish(frame_of(seed), CARD, inputs, COMPETITION, tmp_path, "toy")
    assert (made.folder.name, made.reused) == ("002-toy", False)


def test_a_clone_gets_its_csv_back(tmp_path: Path) -> None:
    first = publish(frame_of(), CARD, "in", COMPETITION, tmp_path, "toy")
    data = first.csv.read_bytes()
    first.csv.unlink()
    again = publish(frame_of(), CARD, "in", COMPETITION, tmp_path, "toy")
    assert again.reused
    assert again.csv.read_bytes() == data


def test_what_came_of_sends_is_no_part_of_the_card_that_is_handed_on(tmp_path: Path) -> None:
    first = publish(frame_of(), CARD, "in", COMPETITION, tmp_path, "toy")
    checksum.write_json(first.folder / "card.json", {**first.card, "sent": [{"tag": "any"}]})
    again = publish(frame_of(), CARD, "in", COMPETITION, tmp_path, "toy")
    assert (again.card, again.reused) == (first.card, True)
    assert "sent" in checksum.read_json(first.folder / "card.json")


def test_a_kernel_has_a_card_and_no_file(tmp_path: Path) -> None:
    made = [keep(None, "out.csv", {"competition": "toy"}, "in", tmp_path, "infer") for _ in range(2)]
    assert [one.reused for one in made] == [False, True]
    assert [path.name for path in made[1].folder.iterdir()] == ["card.json"]
    assert made[1].card["submission"] == {"file": "out.csv", "sha256": "", "rows": 0}


def test_a_csv_changed_by_hand_is_named(tmp_path: Path) -> None:
    first = publish(frame_of(), CARD, "in", COMPETITION, tmp_path, "toy")
    first.csv.write_text("img_name,y_pred\n")
    with pytest.raises(CorruptError, match="is not the file that its card names"):
        publish(frame_of(), CARD, "in", COMPETITION, tmp_path, "toy")


def test_a_folder_without_a_card_is_unfinished(tmp_path: Path) -> None:
    first = publish(frame_of(), CARD, "in", COMPETITION, tmp_path, "toy")
    (first.folder / "card.json").unlink()
    assert list(finished(tmp_path)) == []
    made = publish(frame_of(), CARD, "in", COMPETITION, tmp_path, "toy")
    assert (made.folder.name, made.reused) == ("002-toy", False)


def test_what_the_check_refuses_leaves_no_folder(tmp_path: Path) -> None:
    frame = frame_of()
    for bad in (frame.assign(y_pred=0.5), frame.assign(y_pred=np.nan), frame.assign(y_pred=frame["y_pred"] * 2)):
        with pytest.raises(UserError, match=r"^submission\.csv"):
            publish(bad, CARD, "in", COMPETITION, tmp_path / "submissions", "toy")
    turned = pd.Series(-frame["y_pred"].to_numpy(), index=frame["img_name"])
    with pytest.raises(UserError, match="exchanged"):
        publish(frame, CARD, "in", COMPETITION, tmp_path / "submissions", "toy", reference=turned)
    assert not (tmp_path / "submissions").exists()


def _publish(root: Path, seed: int) -> None:
    publish(frame_of(seed), CARD, "in", COMPETITION, root, f"racer{seed}")


def test_racing_processes_get_a_number_each(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    racers = [context.Process(target=_publish, args=(tmp_path, seed)) for seed in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert [racer.exitcode for racer in racers] == [0] * 8
    assert [path.name[:3] for path, _ in finished(tmp_path)] == [f"{i:03d}" for i in range(1, 9)]


def test_a_folder_made_meanwhile_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "001-toy").mkdir()
    monkeypatch.setattr(folder, "_names", lambda root: [])
    assert next_folder(tmp_path, "toy").name == "002-toy"


def test_patience_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "PATIENCE", 0.1)
    with exclusive(tmp_path), pytest.raises(LockedError):
        publish(frame_of(), CARD, "in", COMPETITION, tmp_path, "toy")


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "submissions").write_text("a file")
    with pytest.raises(UserError, match="submissions"):
        next_folder(tmp_path / "submissions", "toy")
