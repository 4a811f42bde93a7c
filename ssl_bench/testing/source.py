"""A heuristic on source text: does a component reach for what belongs to the core?

It reads the module of the component's target and no other, and knows names only: it neither follows imports nor values.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from typing import Any

RANKS = ("torch.distributed",)
FILES = ("io", "os", "pathlib", "shutil", "tempfile")
DEVICES = ("torch.cuda",)
OTHER = ("logging", "socket", "subprocess", "urllib", "requests")
TENSORS_ONLY = (*RANKS, *FILES, *DEVICES, *OTHER)

IMPORTS = {"method": TENSORS_ONLY, "fusion": TENSORS_ONLY, "evaluator": (*RANKS, *FILES, *OTHER),
           "metric": TENSORS_ONLY}  # fmt: skip
"""Modules that a kind of component has no use for; a dataset reads files."""

CALLS = ("open", "print", "input")
METHODS = ("cuda", "cpu")
DEVICE_NAMES = ("cuda", "cpu", "mps")


def forbidden(target: Any, kind: str) -> list[str]:
    """What the module of a target has and should not, with line numbers, in order.

    Args:
        target: the class or function that a component names.
        kind: of the component.
    """
    module = inspect.getmodule(target)
    try:
        tree = ast.parse(inspect.getsource(module or target))
    except (OSError, TypeError):  # no source to read: compiled, or typed at a prompt
        return []
    found = {(line, what) for node in ast.walk(tree) for line, what in _in_node(node, kind)}
    return [f"{what} on line {line}" for line, what in sorted(found)]


def _in_node(node: ast.AST, kind: str) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        for name in _imported(node):
            if any(f"{name}.".startswith(f"{banned}.") for banned in IMPORTS.get(kind, ())):
                yield node.lineno, f"an import of {name}"
    elif isinstance(node, ast.Attribute):
        name = ast.unparse(node)
        if kind in IMPORTS and name in (*RANKS, *DEVICES):
            yield node.lineno, f"a use of {name}"
    elif isinstance(node, ast.Call):
        yield from ((node.lineno, what) for what in _in_call(node, kind))


def _imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    """Absolute names that an import statement brings in."""
    if isinstance(node, ast.Import):
        return [name.name for name in node.names]
    return [f"{node.module}.{name.name}" for name in node.names] if node.module and not node.level else []


def _in_call(node: ast.Call, kind: str) -> Iterator[str]:
    function = node.func
    if isinstance(function, ast.Name) and function.id in (CALLS if kind != "dataset" else ("print", "input")):
        yield f"a call of {function.id}()"
    if kind not in ("method", "fusion"):
        return
    whole = ast.unparse(function)
    _, dot, last = whole.rpartition(".")
    if dot and last in METHODS:
        yield f"a call of .{last}()"
    if last in ("to", "device") and any(_names_device(value) for value in _values(node)):
        yield f"a device in {ast.unparse(node)}"
    if whole in ("torch.save", "torch.load"):
        yield f"a call of {whole}()"


def _values(node: ast.Call) -> list[ast.expr]:
    return [*node.args, *(keyword.value for keyword in node.keywords)]


def _names_device(value: ast.expr) -> bool:
    return (
        isinstance(value, ast.Constant)
        and isinstance(value.value, str)
        and value.value.partition(":")[0] in DEVICE_NAMES
    )
