from pathlib import Path

import pytest
from optuna.distributions import BaseDistribution, FloatDistribution

from ffdi.config.load import load_recipe
from ffdi.config.recipe import member_digest
from ffdi.core.errors import UserError
from ffdi.search.confirm import Verdict
from ffdi.search.context import SearchContext
from ffdi.search.promote import promote as promoted
from tests.fixtures.search import bare_context, made_up_study, made_up_verdict

RECIPE = """# Two members and a search.
name = "tuned"

[defaults]
epochs = 4  # enough
lr = 1e-3
tta = ["identity", "hflip"]

[defaults.augment]
colour = false
jpeg = {range = [40, 90]}
cutout = {p = 0.5}

[[member]]
name = "one"
model = "test_resnet"
drop_rate = 0.1  # it overfits
augment = {hflip = false}

# The other one is small.
[[member]]
name = "two"
model = "test_vit"

[search]  # what is tried
member = "one"
trials = 20
[search.space]
lr = {low = 1e-4, high = 1e-2, log = true}
"augment.jpeg.p" = {low = 0, high = 1}
"augment.strength" = {low = 0.5, high = 1.5}

[blend]
method = "rank_mean"
"""
GAINS = [0.05, 0.02, 0.0]
SPACE: dict[str, BaseDistribution] = {
    "lr": FloatDistribution(1e-4, 1e-2, log=True),
    "augment.jpeg.p": FloatDistribution(0, 1),
    "augment.strength": FloatDistribution(0.5, 1.5),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "tuned.toml"
    file.write_text(RECIPE)
    return file


def context(path: Path) -> SearchContext:
    return bare_context(load_recipe(path), path.parent / "tuned-1234abcd")


def verdict(path: Path, gains: list[float] = GAINS) -> Verdict:
    return made_up_verdict(context(path), made_up_study(SPACE), gains)


def test_the_winner_is_one_more_member_and_nothing_else_changes(path: Path) -> None:
    before, found = load_recipe(path), verdict(path)
    said = promoted(path, context(path), found)
    assert "beats the default beyond noise" in said
    assert f"It is member one-tuned of {path} now." in said
    after, once = load_recipe(path), path.read_text()
    assert found.winner is not None
    winner = found.winner.candidate
    new = after.member[-1]
    assert (new.name, new.epochs, new.seed) == ("one-tuned", 4, before.member[0].seed)
    assert member_digest(new, "m", "f", after.data) == member_digest(winner.member, "m", "f", after.data)
    assert after.model_copy(update={"member": after.member[:-1]}) == before
    assert once.startswith(RECIPE)
    assert "already, as member one-tuned" in promoted(path, context(path), found)
    assert path.read_text() == once
    part, trial = once[once.index("[[member]]\n# Trial") :], winner.trial
    assert trial is not None
    assert f"# Trial {trial.number} of the search tuned-1234abcd; AUC of held-out images," in part
    assert f"# {found.winner.fresh:.4f}, one {found.default.fresh:.4f}, difference +0.0" in part
    for differs in (f"\nlr = {trial.params['lr']!r}\n", "\ndrop_rate = 0.1\n", "hflip = false"):
        assert differs in part
    assert not [same for same in ("epochs", "tta", "weight_decay", "vflip", "seed", "loss") if f"{same} =" in part]


def test_without_a_winner_the_file_is_not_touched(path: Path) -> None:
    before = path.stat()
    said = promoted(path, context(path), verdict(path, [0.0, -0.01, 0.0]))
    assert said.startswith("Nothing beats the default beyond noise")
    assert said.endswith("stays as it is.")
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert path.read_text() == RECIPE


def test_a_taken_name_is_refused_with_the_remedy(path: Path) -> None:
    found, of = verdict(path), context(path)
    path.write_text(RECIPE.replace('name = "two"', 'name = "one-tuned"'))
    with pytest.raises(UserError, match="has another member 'one-tuned'; rename it and run"):
        promoted(path, of, found)
    assert "# Trial" not in path.read_text()


def test_what_was_edited_meanwhile_is_kept_unless_it_is_the_base(path: Path) -> None:
    found, of = verdict(path), context(path)
    path.write_text(RECIPE.replace("test_vit", "test_byobnet").replace("# enough", "# plenty"))
    promoted(path, of, found)
    assert load_recipe(path).member[1].model == "test_byobnet"
    assert "# plenty" in path.read_text()
    path.write_text(RECIPE.replace("drop_rate = 0.1", "drop_rate = 0.2"))
    with pytest.raises(UserError, match="member 'one' is not what was searched any more; run ffdi search again"):
        promoted(path, of, found)


LAST = RECIPE[RECIPE.index("[search]") :] + "\n" + RECIPE[RECIPE.index("[defaults]") : RECIPE.index("[search]")]
SHAPES = {
    "windows": RECIPE.replace("\n", "\r\n"),
    "bom": "\ufeff" + RECIPE,
    "members last": f'name = "tuned"\n{LAST}',
    "no line end": f'name = "tuned"\n{LAST}'.rstrip("\n"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_files_of_every_shape_can_be_added_to(shape: str, path: Path) -> None:
    path.write_bytes(SHAPES[shape].encode())
    promoted(path, context(path), verdict(path))
    assert load_recipe(path).member[-1].name == "one-tuned"


def test_members_in_one_list_are_refused(path: Path) -> None:
    path.write_text(
        'name = "tuned"\nmember = [{name = "one", model = "test_resnet"}]\n' + RECIPE[RECIPE.index("[search]") :]
    )
    found = verdict(path)
    with pytest.raises(UserError, match=r"write its members as \[\[member\]\] each"):
        promoted(path, context(path), found)
