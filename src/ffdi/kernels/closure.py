"""What a kernel needs of the package: the modules behind its entry, found by reading imports, and the data they read.

Imports inside functions count, as a kernel may get there; those under `if TYPE_CHECKING:` do not.
"""

import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
# Data files by the module that reads them; patterns below the package.
DATA = {"config/load.py": "competitions/*.toml", "kernels/image.py": "kernels/image.toml"}


@dataclass(frozen=True)
class Closure:
    """`files`: paths below the folder of the package, modules and data, sorted. `foreign`: modules by imported name,
    for everything that is neither ours nor the standard library's."""

    files: tuple[str, ...]
    foreign: dict[str, tuple[str, ...]]


def closure(entries: Iterable[str], package: Path = PACKAGE) -> Closure:
    """Of modules of `package`, named by their paths below it ("kernels/entry/infer.py")."""
    waiting, seen, foreign = list(entries), set[str](), dict[str, set[str]]()
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        for name in _imports(ast.parse((package / module).read_text())):
            if name.split(".")[0] == package.name:
                waiting += _modules(name, package)
            elif name.split(".")[0] not in sys.stdlib_module_names:
                foreign.setdefault(name.split(".")[0], set()).add(module)
    data = {path.relative_to(package).as_posix() for module in seen for path in _data(module, package)}
    files = sorted(f"{package.name}/{name}" for name in seen | data)
    return Closure(tuple(files), {name: tuple(sorted(users)) for name, users in sorted(foreign.items())})


def _imports(tree: ast.Module) -> Iterator[str]:
    """Dotted names; of `from a import b` both a and a.b, as b may be a module."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        waiting += [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.expr)]


def _modules(name: str, package: Path) -> list[str]:
    """The file of a dotted name of ours, if it is a module, and the `__init__.py` of every package above it."""
    parts = name.split(".")[1:]
    inits = ["/".join([*parts[:depth], "__init__.py"]) for depth in range(len(parts) + 1)]
    return [path for path in ["/".join(parts) + ".py", *inits] if (package / path).is_file()]


def _data(module: str, package: Path) -> Iterator[Path]:
    return package.glob(DATA[module]) if module in DATA else iter(())
