import multiprocessing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ffdi.config.load import load_competition
from ffdi.core import checksum, digest
from ffdi.core.errors import CorruptError, UserError
from ffdi.submission.folder import Published, finished, next_folder, publish

COMPETITION = load_competition("multi-ffdi-phase2")


def frame_of(seed: int = 0, rows: int = 30) -> pd.DataFrame:
    ids = pd.Series([f"{i:032x}.jpg" for i in range(rows)], dtype="str")
    return pd.DataFrame({"img_name": ids, "y_pred": np.random.default_rng(seed).random(rows)})


def put(root: Path, seed: int = 0, inputs: str = "in", name: str = "toy") -> Published:
    return publish(frame_of(seed), {"blend": {"auc": 0.9}}, inputs, COMPETITION, root, name)


def test_a_submission_and_its_card(tmp_path: Path) -> None:
    made = put(tmp_path)
    assert (made.folder, made.reused) == (tmp_path / "001-toy", False)
    assert sorted(path.name for path in made.folder.iterdir()) == ["card.json", "submission.csv"]
    card = checksum.read_json(made.folder / "card.json")
    assert card == made.card
    assert card["submission"] == {"file": "submission.csv", "sha256": digest.of_file(made.csv), "rows": 30}
    assert card["blend"] == {"auc": 0.9}
    assert str(tmp_path) not in (made.folder / "card.json").read_text()


def test_numbers_go_on(tmp_path: Path) -> None:
    assert [put(tmp_path, seed, name=name).folder.name for seed, name in enumerate("ab")] == ["001-a", "002-b"]
    for name in ("041-hand-made", "notes", "99-short"):
        (tmp_path / name).mkdir()
    assert put(tmp_path, 9, name="a").folder.name == "042-a"


@pytest.mark.parametrize(
    ("seed", "inputs", "name"), [(0, "in", "001-toy"), (1, "in", "002-toy"), (0, "other", "002-toy")]
)
def test_only_other_predictions_or_inputs_make_a_new_folder(tmp_path: Path, seed: int, inputs: str, name: str) -> None:
    first = put(tmp_path)
    again = put(tmp_path, seed, inputs)
    assert (again.folder.name, again.reused) == (name, name == "001-toy")
    assert not again.reused or again.card == first.card
    assert len(list(finished(tmp_path))) == int(name[:3])


def test_a_clone_gets_its_csv_back_and_one_changed_by_hand_is_named(tmp_path: Path) -> None:
    first = put(tmp_path)
    data = first.csv.read_bytes()
    first.csv.unlink()
    assert put(tmp_path).csv.read_bytes() == data
    first.csv.write_text("img_name,y_pred\n")
    with pytest.raises(CorruptError, match="is not the file that its card names"):
        put(tmp_path)


def test_a_folder_without_a_card_is_unfinished(tmp_path: Path) -> None:
    (put(tmp_path).folder / "card.json").unlink()
    assert list(finished(tmp_path)) == []
    made = put(tmp_path)
    assert (made.folder.name, made.reused) == ("002-toy", False)


def test_what_the_check_refuses_leaves_no_folder(tmp_path: Path) -> None:
    frame = frame_of()
    turned = pd.Series(-frame["y_pred"].to_numpy(), index=frame["img_name"])
    for bad, reference, says in ((frame.assign(y_pred=np.nan), None, "no finite"), (frame, turned, "exchanged")):
        with pytest.raises(UserError, match=rf"^submission\.csv.*{says}"):
            publish(bad, {}, "in", COMPETITION, tmp_path / "submissions", "toy", reference=reference)
    assert not (tmp_path / "submissions").exists()


def test_racing_processes_get_a_number_each(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    racers = [context.Process(target=put, args=(tmp_path, seed)) for seed in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert [racer.exitcode for racer in racers] == [0] * 8
    assert [path.name[:3] for path, _ in finished(tmp_path)] == [f"{i:03d}" for i in range(1, 9)]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "submissions").write_text("a file")
    with pytest.raises(UserError, match="submissions"):
        next_folder(tmp_path / "submissions", "toy")
