"""Whatever a sentence of the kit names is there: verbs, options, targets of make, keys of a recipe, files, packages."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
import timm
from pydantic import BaseModel
from typer.core import TyperGroup
from typer.main import get_command

from ffdi.cli.main import app
from ffdi.config.competition import Competition
from ffdi.config.load import model_in
from ffdi.config.recipe import Blend, Member, Recipe

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "ffdi"
OTHER_PACKAGES = {"PyMySQL[rsa]"}  # what the README too tells to install where it is wanted
OTHER_TOOLS = {"--head", "--nproc-per-node"}
OTHER_WORDS = {  # with an underscore, and no keys: columns, functions, file names, words of Kaggle and of torch
    "access_token", "auc_val", "state_dict", "max_retries", "nested_high", "nested_low", "split_a", "split_b",
}  # fmt: skip
OTHER_VARIABLES = {"HTTPS_PROXY", "ALL_PROXY"}
NO_KEYS = {"it", "both", "the", "right"}  # what a sentence may lower, raise or set besides
HOLE = "\N{REPLACEMENT CHARACTER}"  # what a message fills in when it is printed


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return "".join(map(_text, node.values)) if isinstance(node, ast.JoinedStr) else HOLE


def _texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of every string, an f-string in one piece. Docstrings are not shown to anybody."""
    if isinstance(tree, ast.Expr) and isinstance(tree.value, ast.Constant):
        return
    if isinstance(tree, ast.Constant | ast.JoinedStr):
        yield tree.lineno, _text(tree)
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(tree, ast.JoinedStr) and isinstance(node, ast.Constant)):
            yield from _texts(node)


def _sentences() -> list[tuple[str, str]]:
    """Return (file:line, text) of all texts of several words in the sources."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        lines = _texts(ast.parse(path.read_text()))
        found += [(f"{path.relative_to(SOURCE)}:{line}", text) for line, text in lines if " " in text.strip()]
    return found


SENTENCES = _sentences()


def unknown(pattern: str, known: set[str]) -> list[tuple[str, str]]:
    """Return (file:line, name) of the names that a pattern finds and that are not known."""
    return [(where, name) for where, text in SENTENCES for name in re.findall(pattern, text) if name not in known]


def commands() -> dict[str, set[str]]:
    """Return the options of each verb, by its words."""
    found, left = {}, {"ffdi": get_command(app)}
    while left:
        name, command = left.popitem()
        found[name] = {option for parameter in command.params for option in parameter.opts}
        if isinstance(command, TyperGroup):
            left |= {f"{name} {verb}": inner for verb, inner in command.commands.items()}
    return found


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield the names of all keys, with and without the names of the tables that hold them."""
    for name in {*model.model_fields, *getattr(model, "ALSO", ())}:
        yield from (name, prefix + name)
        field = model.model_fields.get(name)
        if field and (below := model_in(field.annotation)):
            yield from keys(below, f"{prefix}{name}.")


KEYS = {*keys(Recipe), *keys(Member), *keys(Competition), "defaults.name"}
METHODS = set(get_args(Blend.model_fields["method"].annotation))
MAKEFILE = (ROOT / "Makefile").read_text()


def test_verbs_and_their_options() -> None:
    verbs, found = commands(), []
    for where, text in SENTENCES:
        for words, rest in re.findall(r"\bffdi((?: [a-z]+)+)([^`;]*)", text):
            verb = max((verb for verb in verbs if f"ffdi{words} ".startswith(f"{verb} ")), key=len)
            found += [(where, option) for option in re.findall(r"--[a-z-]+", rest) if option not in verbs[verb]]
            found += [(where, words)] * (verb in ("ffdi", "ffdi kernels"))
    assert not found
    assert not unknown(r"(?<!\S)--[a-z-]+", set.union(*verbs.values(), OTHER_TOOLS))


def test_targets_and_variables_of_make() -> None:
    assert not unknown(r"[`(]make ([a-z-]+)", set(re.findall(r"^([a-z-]+):", MAKEFILE, re.M)))
    assert not unknown(r"\b([A-Z]+)=", {*re.findall(r"(?:\$\(|,)(\w+)\)", MAKEFILE), "KEY"})


def test_keys_of_a_recipe_or_a_competition() -> None:
    tables = "|".join(name for name in Recipe.model_fields if name not in ("name", "competition"))
    assert not unknown(rf"(?<![\w/.])(?:{tables})\.[a-z][a-z_.]*[a-z](?!\.parquet|\()\b", {*KEYS, "blend.parquet"})
    assert not unknown(r"(?:; |, | or | and |^)(?:lower|raise|set) ([a-z_.]*[a-z])\b", KEYS | NO_KEYS)
    assert not unknown(r"(?<![\w.])([a-z_.]+) = ", KEYS | {"value"})
    assert not unknown(
        r"(?<![\w/.-])[a-z]+(?:_[a-z]+)+(?![\w/.(-])", KEYS | METHODS | OTHER_WORDS | set(timm.list_models())
    )


def test_files_and_packages() -> None:
    here = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("[a-z]*/*.*")}
    assert not unknown(r"\b(?:ensembles|kernels|src|tests)/[\w/-]+\.\w+", here)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed = {re.split("[<>=~! ;]", one)[0] for group in extras.values() for one in group}
    assert not unknown(r"'([A-Za-z]\w*\[\w+\])'", {*OTHER_PACKAGES, *needed, *(f"ffdi[{extra}]" for extra in extras)})


def test_variables_of_the_environment() -> None:
    read = {text for path in SOURCE.rglob("*.py") for _, text in _texts(ast.parse(path.read_text()))}
    assert not unknown(r"\b[A-Z]+_[A-Z_]+\b", read | OTHER_VARIABLES)


@pytest.mark.parametrize(
    ("text", "test"),
    [
        ("run `ffdi predict` again", test_verbs_and_their_options),
        ("run `ffdi train --dry-run`", test_verbs_and_their_options),
        ("say it with --worker", test_verbs_and_their_options),
        ("run it (make scan)", test_targets_and_variables_of_make),
        ("on the whole (FOLDER=…)", test_targets_and_variables_of_make),
        ("raise folds.confirm to 3", test_keys_of_a_recipe_or_a_competition),
        ("lower learning_rate", test_keys_of_a_recipe_or_a_competition),
        ("as ensembles/samples.toml shows", test_files_and_packages),
        ("pip install 'ffdi[ray]'", test_files_and_packages),
        ("or set FFDI_STORE", test_variables_of_the_environment),
    ],
)
def test_a_wrong_name_is_found(text: str, test, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(f"{__name__}.SENTENCES", [("here", text)])
    with pytest.raises(AssertionError):
        test()
