"""A digest of what code does: of a module and those of one package that it imports, without comments and docstrings."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@cache
def code_digest(package: str, modules: tuple[str, ...]) -> str:
    """Return the digest of modules, and of everything in `package` that they import, by dotted name."""
    found: dict[str, str] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        tree = ast.parse(_file(name).read_text("utf-8"))
        found[name] = ast.dump(_without_docstrings(tree))
        waiting += [each for each in _imported(tree) if each.startswith(f"{package}.") and _file(each).is_file()]
    text = "\0".join(f"{name}\0{dump}" for name, dump in sorted(found.items()))
    return hashlib.sha256(text.encode()).hexdigest()


def _file(name: str) -> Path:
    path = _ROOT.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _imported(tree: ast.Module) -> Iterable[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, _Documented) and ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
    return tree
