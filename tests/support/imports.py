"""The import graph of this checkout: what each module imports, and how."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
STATIC, LAZY, TYPING = "static", "lazy", "typing"
"""Kinds of imports: at the top of a module, inside a function, under ``TYPE_CHECKING``."""


def _name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {_name_of(path): path for folder in ("spam_edge", "export") for path in sorted(ROOT.glob(f"{folder}/**/*.py"))}


def imports_in(source: str) -> Iterator[tuple[str, str]]:
    """Yield the dotted name and the kind of each import; ``from module import name`` gives ``module.name``."""

    def visit(node: ast.AST, kind: str) -> Iterator[tuple[str, str]]:
        for child in ast.iter_child_nodes(node):
            inner = kind
            if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
                inner = TYPING
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and kind == STATIC:
                inner = LAZY
            if isinstance(child, ast.Import):
                yield from ((alias.name, kind) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, "relative imports hide where a name comes from"
                yield from ((f"{child.module}.{alias.name}", kind) for alias in child.names)
            yield from visit(child, inner)

    yield from visit(ast.parse(source), STATIC)


def _edges() -> Iterator[tuple[str, str, str]]:
    """Yield importing module, imported module (top-level name for libraries) and kind, except the standard library."""
    for module, path in FILES.items():
        for name, kind in imports_in(path.read_text(encoding="utf-8")):
            top = name.partition(".")[0]
            if top in ("spam_edge", "export", "tests"):
                yield module, name if name in FILES else name.rpartition(".")[0], kind
            elif top not in sys.stdlib_module_names:
                yield module, top, kind


EDGES = sorted(set(_edges()))
"""All imports of :data:`FILES`, as :func:`_edges` yields them."""
