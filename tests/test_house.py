"""The house rules that a reader relies on, read off the sources."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "ffdi"
FLOORS = [
    ("core",),
    ("config", "metrics"),
    ("data", "model"),
    ("training", "infer"),
    ("search", "blending"),
    ("submission", "kernels"),
    ("report",),
    ("cli",),
]
FLOOR = {package: number for number, packages in enumerate(FLOORS) for package in packages}
# infer serves train (predictions are part of a finished fold), submit serves bundle (a kernel checks what it wrote).
# They share a floor, one way only.
ALLOWED_ON_ONE_FLOOR = {("training", "infer"), ("data", "metrics"), ("kernels", "submission")}
TORCH_ROOMS = ("data/batches.py", "model/", "training/", "infer/", "search/objective.py")
TORCH_ROOMS += ("kernels/infer.py", "kernels/train.py", "kernels/scorer.py")
TORCH_VERBS = ("cli/train.py", "cli/train_page.py", "cli/doctor.py")  # cli.main imports them late
MODULES = sorted(path for path in SRC.rglob("*.py") if path.name != "__init__.py")


def _name(path: Path) -> str:
    return path.relative_to(SRC).as_posix()


def _imports(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_imports_run_down_the_floors(path: Path) -> None:
    here = path.relative_to(SRC).parts[0]
    for name in _imports(ast.parse(path.read_text())):
        if not name.startswith("ffdi."):
            continue
        there = name.split(".")[1]
        same = here == there or (here, there) in ALLOWED_ON_ONE_FLOOR
        assert same or FLOOR[there] < FLOOR[here], f"{_name(path)} imports {name}, which is not below it"


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_torch_stays_in_its_rooms(path: Path) -> None:
    name = _name(path)
    if name.startswith(TORCH_ROOMS + TORCH_VERBS):
        return
    for node in ast.parse(path.read_text()).body:  # the module's own level: verbs import late
        for imported in _imports(node) if isinstance(node, ast.Import | ast.ImportFrom) else []:
            assert imported.split(".")[0] not in ("torch", "timm", "albumentations"), f"{name} imports {imported}"
            if not imported.startswith("ffdi.training.job"):  # a fold as a value: it knows no torch
                heavy = ("ffdi.training", "ffdi.infer", "ffdi.model", "ffdi.data.batches")
                assert not imported.startswith(heavy), name


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < 62, f"{_name(path)}: {node.name} is too long"


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_nothing_executes_data(path: Path) -> None:
    tree = ast.parse(path.read_text())
    loaders = [name for name in _imports(tree) if name.split(".")[0] in ("pickle", "dill", "cloudpickle", "marshal")]
    assert set(loaders) <= {"pickle.UnpicklingError"}  # which torch.load raises when it refuses
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        assert called not in ("eval", "exec", "os.system")
        assert keywords.get("shell") != "True"
        assert keywords.get("verify") != "False"
        assert called != "torch.load" or keywords.get("weights_only") == "True"
        assert not called.endswith(".extractall")


def test_init_files_are_empty() -> None:
    assert [path for path in SRC.rglob("__init__.py") if path.read_text() and path.parent != SRC] == []


def test_every_package_has_a_floor() -> None:
    packages = {path.parent.relative_to(SRC).parts[0] for path in MODULES}
    assert packages <= set(FLOOR)


def test_light_verbs_start_without_torch() -> None:
    """`folds`, `blend` and `submit` are used on laptops without torch."""
    light = [
        name
        for name in map(_name, MODULES)
        if name.split("/")[0] in ("core", "config", "metrics", "blending", "submission")
    ]
    modules = [f"ffdi.{name.removesuffix('.py').replace('/', '.')}" for name in light]
    modules += ["ffdi.data.folds", "ffdi.data.groups", "ffdi.data.scan", "ffdi.cli.main", "ffdi.cli.blend"]
    code = f"import sys, importlib\nfor m in {modules!r}: importlib.import_module(m)\n"
    code += "heavy = {'torch', 'timm', 'albumentations'} & set(sys.modules)\nassert not heavy, heavy"
    subprocess.run([sys.executable, "-c", code], check=True)
