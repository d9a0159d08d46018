"""Every command of the README is one that exists and is understood."""

import itertools
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ffdi.cli.main import app
from ffdi.cli.train import parse_until
from ffdi.config.load import load_recipe

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = [line for block in re.findall(r"```\n(.*?)```", README, re.S) for line in block.splitlines() if line]
COMMANDS += re.findall(r"`(make [^`]+)`", README)


def test_there_are_commands() -> None:
    assert len(COMMANDS) >= 10


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("make")])
def test_make_knows_its_targets(command: str) -> None:
    arguments = shlex.split(command)[1:]
    subprocess.run(["make", "--dry-run", *arguments], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("command", [line for line in COMMANDS if ".venv/" in line])
def test_the_command_line_knows_its_verbs_and_options(command: str) -> None:
    words = shlex.split(command)
    arguments = words[words.index("ffdi.cli.main") + 1 :] if "torchrun" in words[0] else words[1:]
    verb = arguments[:2] if arguments[0] == "kernels" else arguments[:1]
    shown = CliRunner().invoke(app, [*verb, "--help"], terminal_width=200)
    assert shown.exit_code == 0
    for option in (word for word in arguments if word.startswith("--")):
        assert option in shown.output
    for path in (Path(word) for word in arguments if word.endswith(".toml")):
        load_recipe(ROOT / path)
    for word, value in itertools.pairwise(arguments):
        assert word != "--until" or parse_until(value, 0.0)


def test_every_package_and_file_it_names_is_there() -> None:
    names = re.findall(r"`((?:src|tests|ensembles)/[\w./-]+)`", README)
    for name in names + re.findall(r"\]\((\.github/[^)]+)\)", README):
        assert (ROOT / name).exists(), name
    packages = {path.name for path in (ROOT / "src/ffdi").iterdir() if (path / "__init__.py").exists()}
    table = README.split("## The packages")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.M)) == packages
