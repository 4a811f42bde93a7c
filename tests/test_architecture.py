"""What must stay true of the tree: imports run one way, nothing heavy where answers must be quick, short files."""

from __future__ import annotations

import ast
import graphlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ssl_bench

PACKAGE = Path(ssl_bench.__file__).parent
CHECKOUT = Path(__file__).parents[1]
FILES = {
    ".".join(("ssl_bench", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}
HEAVY = ("torch", "numpy", "pandas", "timm", "lightly")
LONGEST = 400


def imported(path: Path) -> Iterator[str]:
    """Every module, or name in a module, that a file imports anywhere in its code."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} has a relative import"
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def inside(path: Path) -> set[str]:
    """The modules of this package that a file imports."""
    names = [name for name in imported(path) if name.split(".")[0] == "ssl_bench"]
    return {name if name in FILES else name.rpartition(".")[0] for name in names}


GRAPH = {module: inside(path) - {module} for module, path in FILES.items()}


@pytest.mark.parametrize("module", FILES)
def test_the_harness_knows_no_plugin(module: str) -> None:
    assert not [name for name in imported(FILES[module]) if name.startswith("sslbench_")]
    strings = [node.value for node in ast.walk(ast.parse(FILES[module].read_text())) if isinstance(node, ast.Constant)]
    assert not [text for text in strings if isinstance(text, str) and text.startswith(("sslbench_m", "sslbench_d"))]


def test_imports_run_one_way() -> None:
    order = list(graphlib.TopologicalSorter(GRAPH).static_order())
    assert set(order) == set(FILES)


@pytest.mark.parametrize(
    ("below", "above"),
    [
        ("", "ssl_bench.cli"),
        ("", "ssl_bench.report"),
        ("", "ssl_bench.pipeline"),
        ("ssl_bench.data", "ssl_bench.pretrain"),
        ("ssl_bench.data", "ssl_bench.evaluate"),
        ("ssl_bench.data", "ssl_bench.results"),
        ("ssl_bench.pretrain", "ssl_bench.evaluate"),
        ("ssl_bench.pretrain", "ssl_bench.results.rows"),
    ],
)
def test_what_is_below_does_not_look_up(below: str, above: str) -> None:
    own = ("ssl_bench.cli", "ssl_bench.__main__", "ssl_bench.report", above) if not below else (above,)
    users = {
        module: [name for name in names if f"{name}.".startswith(f"{above}.")]
        for module, names in GRAPH.items()
        if module.startswith(below) and not f"{module}.".startswith(tuple(f"{name}." for name in own))
    }
    assert not {module: names for module, names in users.items() if names}


def loaded(code: str) -> set[str]:
    """Top-level modules in memory after some code, in a process of its own."""
    ask = f"import sys\n{code}\nprint('\\n'.join({{name.split('.')[0] for name in sys.modules}}), file=sys.stderr)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True, env=environment)
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "module", ["config", "components", "hookspecs", "plugins", "options", "contracts", "parts", "plan"]
)
def test_planning_needs_no_torch(module: str) -> None:
    assert not loaded(f"import ssl_bench.{module}") & {"torch", "timm", "lightly", "torchvision", "lightning_fabric"}


COMMAND = """
sys.argv = {argv!r}
from ssl_bench.cli import main
try:
    main()
except SystemExit as done:
    assert not done.code, done.code
"""


@pytest.mark.parametrize(
    "command", ["--help", "run --help", "plugins", "plugins --json", "show method msn", "show evaluator linear"]
)
def test_quick_commands_import_nothing_heavy(command: str) -> None:
    assert not loaded(COMMAND.format(argv=["sslbench", *command.split()])) & set(HEAVY)


@pytest.mark.parametrize("words", ["run --method ms", "run --data n", "sweep --eval linear,k", "show backbone vit"])
def test_completion_imports_nothing_heavy(words: str) -> None:
    line = f"sslbench {words}"
    asked = {"_SSLBENCH_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    assert not loaded(f"import os\nos.environ |= {asked}\n{COMMAND.format(argv=['sslbench'])}") & {*HEAVY, "rich"}


@pytest.mark.parametrize(
    "code",
    [
        COMMAND.format(argv=["sslbench", "--help"]),
        # the function by itself: typer imports pydantic to read the options of a command
        "from ssl_bench.cli.plugins import plugins\nplugins(as_json=True)\nplugins(as_json=False)",
    ],
    ids=["help", "plugins"],
)
def test_help_and_listing_do_not_even_import_pydantic(code: str) -> None:
    assert not loaded(code) & {*HEAVY, "pydantic", "rich", "yaml"}


def test_options_of_every_built_in_import_nothing_heavy() -> None:
    code = """
from ssl_bench.plugins import discover
for offer in discover().offers():
    offer.component.options_model()
"""
    assert not loaded(code) & set(HEAVY)


def test_no_file_is_long() -> None:
    folders = [PACKAGE, *(CHECKOUT / name for name in ("plugins", "tests", "benchmarks"))]
    lengths = {path: len(path.read_text().splitlines()) for folder in folders for path in folder.rglob("*.py")}
    assert not {str(path): length for path, length in lengths.items() if length > LONGEST}
