"""Rules of the sources that a reader relies on."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent
SRC = TESTS.parent / "src" / "ffdi"
# A package imports from earlier rows; within a row only as ALLOWED says.
ROWS = [
    ("core",),
    ("cluster",),
    ("config", "metrics"),
    ("data", "model"),
    ("training", "infer"),
    ("search", "blending"),
    ("submission", "kernels"),
    ("report",),
    ("cli",),
]
ROW = {package: number for number, packages in enumerate(ROWS) for package in packages}
ALLOWED = {("training", "infer"), ("data", "metrics"), ("kernels", "submission")}
WITH_TORCH = (
    "data/batches.py", "model/", "training/", "infer/", "search/objective.py", "kernels/infer.py", "kernels/train.py",
    "kernels/scorer.py", "cli/train.py", "cli/doctor.py", "cli/explain.py",
)  # fmt: skip
LOADERS = ("pickle", "dill", "cloudpickle", "marshal")
MAX_FILE, MAX_FUNCTION = 300, 62  # lines
TREES = {path.relative_to(SRC).as_posix(): ast.parse(path.read_text()) for path in SRC.rglob("*.py")}


def _imports(nodes: Iterator[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_imports_run_one_way_and_init_files_are_empty() -> None:
    faults = []
    for name, tree in TREES.items():
        here = name.split("/")[0]
        for imported in _imports(ast.walk(tree)):
            there = imported.split(".")[1] if imported.startswith("ffdi.") else here
            if here in ROW and here != there and (here, there) not in ALLOWED and ROW[there] >= ROW[here]:
                faults.append(f"{name} imports {imported}")
    faults += [name for name, tree in TREES.items() if name.endswith("/__init__.py") and tree.body]
    assert faults == []
    assert {name.split("/")[0] for name in TREES if "/" in name} == set(ROW)


def test_verbs_that_need_no_torch_start_without_it() -> None:
    """`folds`, `blend` and `submit` are used on laptops without torch."""
    light = (name for name in TREES if not name.startswith(WITH_TORCH))
    modules = [f"ffdi.{name.removesuffix('.py').replace('/', '.')}" for name in light]
    code = f"import sys, importlib\nfor m in {modules!r}: importlib.import_module(m)\n"
    code += "heavy = {'torch', 'timm', 'albumentations'} & set(sys.modules)\nassert not heavy, heavy"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_files_and_functions_are_short() -> None:
    long = [name for name in TREES if len((SRC / name).read_text().splitlines()) > MAX_FILE]
    for name, tree in TREES.items():
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.end_lineno]
        long += [f"{name}: {node.name}" for node in functions if node.end_lineno - node.lineno >= MAX_FUNCTION]
    assert long == []


def test_nothing_executes_data() -> None:
    faults = []
    for name, tree in TREES.items():
        loaders = [one for one in _imports(ast.walk(tree)) if one.split(".")[0] in LOADERS]
        faults += [f"{name}: {one}" for one in loaders if one != "pickle.UnpicklingError"]  # which torch.load raises
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                unsafe = called in ("eval", "exec", "os.system") or called.endswith(".extractall")
                unsafe |= keywords.get("shell") == "True" or keywords.get("verify") == "False"
                unsafe |= called == "torch.load" and keywords.get("weights_only") != "True"
                faults += [f"{name}: {called}"] * unsafe
    assert faults == []


def test_no_test_module_imports_another() -> None:
    """Shared things live in tests/fixtures and conftest.py."""
    faults = [
        f"{path.relative_to(TESTS)} imports {imported}"
        for path in TESTS.rglob("*.py")
        for imported in _imports(ast.walk(ast.parse(path.read_text())))
        if imported.startswith("tests.") and any(part.startswith("test_") for part in imported.split("."))
    ]
    assert faults == []
