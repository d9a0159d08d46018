from pathlib import Path

import pytest

from ffdi.config.augment import Augment
from ffdi.config.load import load_competition, load_recipe
from ffdi.config.recipe import Loss, Recipe
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


def _load(tmp_path: Path, text: str, *overrides: str) -> Recipe:
    (tmp_path / "x.toml").write_text(text)
    return load_recipe(tmp_path / "x.toml", overrides)


def test_defaults_lie_under_every_member(tmp_path: Path) -> None:
    a, b = _load(tmp_path, GOOD).member
    assert (a.epochs, b.epochs) == (3, 4)
    assert b.augment == Augment(hflip={"p": 0.25}, jpeg={"p": 1.0})


def test_a_preset_of_the_defaults_is_refined_by_a_member(tmp_path: Path) -> None:
    text = GOOD.replace("{hflip = {p = 0.25}}", '"none"')
    assert [list(dict(member.augment.operations())) for member in _load(tmp_path, text).member] == [[], ["jpeg"]]


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("member.lr=1e-3", {"a": {"lr": 1e-3}, "b": {"lr": 1e-3}}),
        ("member.b.lr=1e-3", {"b": {"lr": 1e-3}}),
        ('member.b."lr" = 1e-3', {"b": {"lr": 1e-3}}),
        (" member.a.tta = ['identity', 'rot90'] ", {"a": {"tta": ("identity", "rot90")}}),
        ("member.a.model=test_resnet", {"a": {"model": "test_resnet"}}),
        ("member.b.loss.supcon=0.1", {"b": {"loss": Loss(supcon=0.1)}}),
        ("member.a.augment=none", {"a": {"augment": Augment.model_validate("none")}}),
        ("member.b.augment.jpeg.p=0.5", {"b": {"augment": Augment(hflip={"p": 0.25}, jpeg={"p": 0.5})}}),
    ],
)
def test_an_override_changes_one_member_or_all(
    tmp_path: Path, override: str, expected: dict[str, dict[str, object]]
) -> None:
    for before, after in zip(_load(tmp_path, GOOD).member, _load(tmp_path, GOOD, override).member, strict=True):
        assert after == before.model_copy(update=expected.get(before.name, {}))


def test_an_override_changes_every_other_key_and_the_last_wins(tmp_path: Path) -> None:
    recipe = _load(tmp_path, GOOD, "folds.k=3", "data.folder=data/x", "folds.k=4", "blend.weights={a=1, b=2}")
    assert (recipe.folds.k, recipe.data.folder, recipe.blend.weights) == (4, "data/x", {"a": 1.0, "b": 2.0})


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("member.lrr=1", "x.toml member.lrr=1: unknown key 'member.0.lrr', did you mean 'lr'"),
        ("folds.kk=1", "unknown key 'folds.kk', did you mean 'k'"),
        ("member.c.lr=1", "unknown key 'member.0.c'"),
        ("member.a.augment.preste=none", "did you mean 'preset'"),
        ("member.lr", "write key=value"),
        ("=3", "write key=value"),
        ("member.lr=1e", "valid number"),
        ("member.lr=[1", "is no key=value of TOML"),
        ("member..lr=1", "is no key=value of TOML"),
        ("name.x=1", "name: input should be a valid string"),
        ("member.lr=inf", "member.0.lr: input should be a finite number"),
        ("blend.weights={a = nan}", "blend.weights.a: input should be a finite number"),
        ("member.tta=six", "member.0.tta: input should be a valid list, not 'six'"),
        ("member.loss=0.1", "member.0.loss: input should be a valid table, not 0.1"),
        ("data.folds_per_device=100", "data.folds_per_device: input should be less than or equal to 64, not 100"),
        ("member.compile=maybe", "member.0.compile: input should be 'auto', not 'maybe'"),
    ],
)
def test_a_wrong_override_is_one_sentence(tmp_path: Path, override: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        _load(tmp_path, GOOD, override)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("epochs = 3", "epoch = 3"), "unknown key 'member.0.epoch', did you mean 'epochs'"),
        (("epochs = 3", "epochs = 0"), "member.0.epochs: input should be greater than or equal to 1, not 0"),
        (("epochs = 3", 'epochs = "many"'), "member.0.epochs"),
        (('name = "b"', 'name = "a"'), "x.toml: two members are called 'a'; rename one"),
        (
            ('name = "b"', 'name = "blend"'),
            "a member may not be called 'blend', which the blend's tables need; rename it",
        ),
        (('name = "b"', 'name = "self"'), "a member may not be called 'self'"),
        (
            ("augment = {hflip = {p = 0.25}}", 'augment = "strong"'),
            "preset is one of 'none', 'light', 'medium', 'heavy', not 'strong'.",
        ),
        (('name = "x"', 'name = "x"\n[data]\ntrain_splits = []'), "data.train_splits: "),
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


def test_a_change_of_one_member_beside_one_without_a_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"member\.1\.name: field required"):
        _load(tmp_path, GOOD.replace('name = "b"\n', ""), "member.a.lr=1e-3")


def test_a_missing_recipe_and_competition_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.toml"):
        load_recipe(tmp_path / "nowhere.toml")
    with pytest.raises(UserError, match=r"nobodyx/a\.toml: No such file or directory; name an existing"):
        load_recipe(Path("~nobodyx/a.toml"))
    with pytest.raises(UserError, match="multi-ffdi-phase2"):
        load_competition("multi")


def test_a_binary_recipe_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"x\.toml is not UTF-8 \(byte 0\); save it as UTF-8"):
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


def test_a_member_that_is_wrong_is_not_also_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError) as told:
        _load(tmp_path, GOOD, "member.epochs=1.5")
    assert "member.0.epochs: input should be a valid integer" in str(told.value)
    assert "at least 1 item" not in str(told.value)
