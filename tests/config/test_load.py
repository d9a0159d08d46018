from pathlib import Path

import pytest

from ffdi.config.identity import member_digest
from ffdi.config.load import load_competition, load_recipe
from ffdi.config.recipe import Data
from ffdi.core.errors import UserError

ENSEMBLES = Path(__file__).parents[2] / "ensembles"
GOOD = """
name = "x"
[defaults]
epochs = 3
augment = {hflip = {p = 0.25}}
[[member]]
name = "a"
model = "test_vit"
[[member]]
name = "b"
model = "test_resnet"
epochs = 4
augment = {jpeg = {p = 1.0}}
"""


def _load(tmp_path: Path, text: str) -> object:
    (tmp_path / "x.toml").write_text(text)
    return load_recipe(tmp_path / "x.toml")


def test_defaults_lie_under_every_member(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(GOOD)
    a, b = load_recipe(tmp_path / "x.toml").member
    assert (a.epochs, b.epochs) == (3, 4)
    assert b.augment.hflip is not None
    assert b.augment.hflip.p == 0.25
    assert b.augment.jpeg is not None
    assert b.augment.jpeg.p == 1.0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("epochs = 3", "epoch = 3"), "unknown key 'member.0.epoch', did you mean 'epochs'"),
        (("epochs = 3", "epochs = 0"), "member.0.epochs: input should be greater than or equal to 1, not 0"),
        (("epochs = 3", 'epochs = "many"'), "member.0.epochs"),
        (('name = "b"', 'name = "a"'), "two members are called 'a'"),
        (("p = 0.25", "q = 0.25"), "unknown key 'member.0.augment.hflip.q'"),
        (("hflip", "flip"), "did you mean"),
        (('model = "test_vit"', 'model = "hf_hub:x/y"'), "without a hub prefix"),
        (("[defaults]", "[defaults"), "is not TOML"),
        (("[defaults]", '[defaults]\nname = "c"'), "a name belongs to one"),
        (('name = "x"', 'name = "../x"'), "name"),
        (('name = "x"', 'name = "x"\n[blend]\nweights = {c = 1.0}'), "which is no member"),
        (('name = "x"', 'name = "x"\n[blend]\nweights = {a = -1.0}'), "must not be negative"),
        (('name = "x"', 'name = "x"\n[folds]\nk = 1'), "folds.k"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_place(tmp_path: Path, change: tuple[str, str], sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        _load(tmp_path, GOOD.replace(*change))
    assert sentence in str(caught.value)
    assert "x.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_recipe_and_competition_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.toml"):
        load_recipe(tmp_path / "nowhere.toml")
    with pytest.raises(UserError, match="multi-ffdi-phase2"):
        load_competition("multi")


def test_a_huge_or_binary_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="bytes"):
        _load(tmp_path, "#" * 1_000_001)
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="is not TOML"):
        load_recipe(tmp_path / "x.toml")
    with pytest.raises(UserError):
        _load(tmp_path, "a = " + "[" * 100_000)


@pytest.mark.parametrize("path", sorted(ENSEMBLES.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_recipes_load(path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe.name == path.stem
    assert load_competition(recipe.competition).test.has_target is False


def test_competition_paths_stay_inside(tmp_path: Path) -> None:
    text = (Path(ENSEMBLES).parent / "src/ffdi/competitions/multi-ffdi-phase2.toml").read_text()
    (tmp_path / "c.toml").write_text(text.replace("phase1/trainset_label.txt", "../secret.csv"))
    with pytest.raises(UserError, match="below the competition folder"):
        load_competition(str(tmp_path / "c.toml"))


def test_identity_follows_what_trains_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(GOOD)
    member = load_recipe(tmp_path / "x.toml").member[0]

    def digest(manifest: str = "m", folds: str = "f", **changed: object) -> str:
        return member_digest(member.model_copy(update=changed), manifest, folds, Data())

    same = [digest(name="other"), digest(tta=("hflip",)), digest(test_size=512)]
    assert set(same) == {digest()}
    other = [
        digest(lr=2e-4),
        digest(epochs=9),
        digest(seed=1),
        digest(refit_full=True),
        digest("m2"),
        digest(folds="f2"),
    ]
    assert len({digest(), *other}) == 7
