from collections.abc import Callable
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


def test_defaults_lie_under_every_member(load: Callable[..., Recipe]) -> None:
    a, b = load(GOOD).member
    assert (a.epochs, b.epochs) == (3, 4)
    assert b.augment == Augment(hflip={"p": 0.25}, jpeg={"p": 1.0})
    preset = load(GOOD.replace("{hflip = {p = 0.25}}", '"none"'))
    assert [list(dict(member.augment.operations())) for member in preset.member] == [[], ["jpeg"]]


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("member.lr=1e-3", {"a": {"lr": 1e-3}, "b": {"lr": 1e-3}}),
        ('member.b."lr" = 1e-3', {"b": {"lr": 1e-3}}),
        (" member.a.tta = ['identity', 'rot90'] ", {"a": {"tta": ("identity", "rot90")}}),
        ("member.a.model=test_resnet", {"a": {"model": "test_resnet"}}),
        ("member.b.loss.supcon=0.1", {"b": {"loss": Loss(supcon=0.1)}}),
        ("member.a.augment=none", {"a": {"augment": Augment.model_validate("none")}}),
        ("member.b.augment.jpeg.p=0.5", {"b": {"augment": Augment(hflip={"p": 0.25}, jpeg={"p": 0.5})}}),
    ],
)
def test_an_override_changes_one_member_or_all(
    load: Callable[..., Recipe], override: str, expected: dict[str, dict[str, object]]
) -> None:
    for before, after in zip(load(GOOD).member, load(GOOD, override).member, strict=True):
        assert after == before.model_copy(update=expected.get(before.name, {}))


def test_an_override_changes_every_other_key_and_the_last_wins(load: Callable[..., Recipe]) -> None:
    recipe = load(GOOD, "folds.k=3", "data.folder=data/x", "folds.k=4", "blend.weights={a=1, b=2}")
    assert (recipe.folds.k, recipe.data.folder, recipe.blend.weights) == (4, "data/x", {"a": 1.0, "b": 2.0})


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("member.lrr=1", "x.toml member.lrr=1: unknown key 'member.0.lrr', did you mean 'lr'"),
        ("folds.confirm=60", "unknown key 'folds.confirm', known here: clusters, embedding, k, scheme, seed"),
        ("member.c.lr=1", "unknown key 'member.0.c'"),
        ("member.a.augment.preste=none", "did you mean 'preset'"),
        ("name.x=1", "name: input should be a valid string"),
        ("member.lr=inf", "member.0.lr: input should be a finite number"),
        ("member.tta=six", "member.0.tta: input should be a valid list, not 'six'"),
        ("member.tta=[]", "member.0.tta: list should have at least 1 item"),
        ("member.loss=0.1", "member.0.loss: input should be a valid table, not 0.1"),
        ("member.forge.families={selfblend=1}", "input should be 'self_blend'"),
        ("forge.families=[]", "forge.families: input should be a valid table"),
        ("member.augment.hflip.range=[0, 1]", "member.0.augment: hflip has no range"),
        ("data.folds_per_device=100", "data.folds_per_device: input should be less than or equal to 64, not 100"),
        ("member.compile=maybe", "member.0.compile: input should be 'auto', not 'maybe'"),
    ],
)
def test_a_wrong_override_is_one_sentence(refused: Callable[..., str], override: str, sentence: str) -> None:
    assert sentence in refused(GOOD, override)


@pytest.mark.parametrize(
    ("override", "sentence"),
    [("member.lr", "write key=value"), ("=3", "write key=value"), ("member..lr=1", "is no key=value of TOML")],
)
def test_what_is_no_override_is_named(load: Callable[..., Recipe], override: str, sentence: str) -> None:
    with pytest.raises(UserError, match=f"'{override}'.*{sentence}"):
        load(GOOD, override)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("epochs = 3", "epochs = 0"), "member.0.epochs: input should be greater than or equal to 1, not 0"),
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
        (('model = "test_vit"', 'model = "hf_hub:x/y"'), "without a hub prefix"),
        (("[defaults]", "[defaults"), "is not TOML"),
        (("[defaults]", '[defaults]\nname = "c"'), "a name belongs to one"),
        (('name = "x"', 'name = "../x"'), "name"),
        (('name = "x"', 'name = "x"\n[blend]\nweights = {c = 1.0}'), "which is no member"),
        (('name = "x"', 'name = "x"\n[blend]\nweights = {a = -1.0}'), "must not be negative"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_place(
    refused: Callable[..., str], change: tuple[str, str], sentence: str
) -> None:
    told = refused(GOOD.replace(*change))
    assert sentence in told
    assert "member: " not in told  # a member that is wrong is not also said to be missing


def test_a_change_of_one_member_beside_one_without_a_name(refused: Callable[..., str]) -> None:
    assert "member.1.name: field required" in refused(GOOD.replace('name = "b"\n', ""), "member.a.lr=1e-3")


def test_a_missing_recipe_and_competition_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.toml"):
        load_recipe(tmp_path / "nowhere.toml")
    with pytest.raises(UserError, match=r"nobodyx/a\.toml: No such file or directory; name an existing"):
        load_recipe(Path("~nobodyx/a.toml"))
    with pytest.raises(UserError, match="multi-ffdi-phase2"):
        load_competition("multi")


def test_a_binary_or_endless_recipe_is_refused(tmp_path: Path, refused: Callable[..., str]) -> None:
    (tmp_path / "y.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"y\.toml is not UTF-8 \(byte 0\); save it as UTF-8"):
        load_recipe(tmp_path / "y.toml")
    assert "is not TOML" in refused("a = " + "[" * 100_000)


@pytest.mark.parametrize("path", sorted(ENSEMBLES.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_recipes_load(path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe.name == path.stem
    assert load_competition(recipe.competition).test.has_target is False


def test_competition_paths_stay_inside(tmp_path: Path) -> None:
    text = (ENSEMBLES.parent / "src/ffdi/competitions/multi-ffdi-phase2.toml").read_text()
    (tmp_path / "c.toml").write_text(text.replace("phase1/trainset_label.txt", "../secret.csv"))
    with pytest.raises(UserError, match="below the competition folder"):
        load_competition(str(tmp_path / "c.toml"))
