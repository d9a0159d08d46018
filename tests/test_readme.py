"""Every command of the README exists and is understood; every file that it names is there."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup
from typer.main import get_command

from ffdi.cli.main import app
from ffdi.config.load import load_recipe
from ffdi.core.stop import parse_until

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.S | re.M)
COMMANDS = [line for language, block in BLOCKS if not language for line in block.splitlines()]
COMMANDS += re.findall(r"`(make [^`]+)`", README)
MAKE = [line for line in COMMANDS if line.startswith("make")]
DIRECT = [line for line in COMMANDS if not line.startswith("make")]


def understand(command: str) -> None:
    """Parse the arguments of a command as the command line would, without running it."""
    words = shlex.split(command)
    if "torchrun" in words[0]:
        words = words[words.index("ffdi.cli.main") :]
    elif words[1:2] == ["-m"]:
        assert (ROOT / words[2].replace(".", "/") / f"{words[3]}.py").exists()
        return
    verb, context, arguments = get_command(app), None, words[1:]
    while isinstance(verb, TyperGroup):
        context = typer.Context(verb, parent=context, info_name=verb.name)
        name, arguments = arguments[0], arguments[1:]
        assert name in verb.commands
        verb = verb.commands[name]
    values = verb.make_context(verb.name, list(arguments), parent=context).params
    if values.get("recipe") and values["recipe"].exists():
        load_recipe(ROOT / values["recipe"], [word for word in values["given"] if "=" in word])
    if values.get("until"):
        parse_until(values["until"], 0.0)


def test_there_are_commands_of_both_kinds() -> None:
    assert len(MAKE) >= 10
    assert len(DIRECT) >= 10


@pytest.mark.parametrize("command", MAKE)
def test_make_calls_verbs_that_exist(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    shown = subprocess.run(["make", "--dry-run", *shlex.split(command)[1:]], check=True, capture_output=True, text=True)
    recipes = shown.stdout.replace("\\\n", " ").splitlines()
    for line in recipes:
        if line.startswith(".venv/bin/ffdi"):
            understand(line.split(" || ")[0])


@pytest.mark.parametrize("command", DIRECT)
def test_a_verb_understands_its_arguments(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    understand(command)


def test_the_table_of_verbs_is_the_command_line() -> None:
    table = README.split("## Verbs")[1].split("\n## ")[0]
    verbs = get_command(app)
    assert isinstance(verbs, TyperGroup)
    assert set(re.findall(r"^\| `(\w+)`", table, re.M)) == set(verbs.commands)


def test_every_package_and_file_it_names_is_there() -> None:
    names = re.findall(r"`((?:src|tests|ensembles)/[\w./-]+)`", README)
    for name in names + re.findall(r"\]\((\.github/[^)]+)\)", README):
        assert (ROOT / name).exists(), name
    packages = {path.name for path in (ROOT / "src/ffdi").iterdir() if (path / "__init__.py").exists()}
    table = README.split("## The packages")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.M)) == packages
