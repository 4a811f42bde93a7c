"""What must stay true of the tree: packages import one way, nothing heavy where answers must be quick, short files."""

from __future__ import annotations

import ast
import graphlib
import os
import re
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
TORCH = {"torch", "timm", "lightly", "torchvision", "lightning_fabric"}
LONGEST = 400

LAYERS = (
    "plugin", "config", "data", "plan", "build", "stats", "results", "pretrain", "evaluate", "sweep", "comparison",
    "tune", "pipeline", "report", "testing", "scaffold", "api", "cli",
)  # fmt: skip
"""Packages, and the loose module that is the flow of a run: each imports none that stands behind it."""

LOOSE = {"__init__", "__main__", "distributed", "errors", "files", "numbers", "pipeline", "ranks", "seeds", "urls"}
"""Files at the top of the package; all others have a folder."""

PUBLIC = ("ssl_bench", "ssl_bench.plugin", "ssl_bench.testing")
"""What authors of plugins import from: the first itself, the others with their modules."""


HELPERS = {
    "errors", "files", "seeds", "distributed", "config.config", "config.yamltext", "data.boxes", "data.check",
    "data.content", "data.ids", "data.own_split", "data.parquet", "data.remote", "data.spellings", "data.subsets",
    "data.synthetic", "data.tables", "evaluate.neighbours", "evaluate.probe", "evaluate.streamed", "pretrain.schedules",
    "stats.groups", "stats.intervals", "stats.logits", "stats.metrics",
}  # fmt: skip
"""What built-ins use besides, which docs/hooks.md therefore lists for everybody."""


def imported(text: str) -> Iterator[str]:
    """Every module, or name in a module, that code imports anywhere."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "a relative import"
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def inside(path: Path) -> set[str]:
    """The modules of this package that a file imports."""
    names = [name for name in imported(path.read_text()) if name.split(".")[0] == "ssl_bench"]
    return {name if name in FILES else name.rpartition(".")[0] for name in names}


def package_of(module: str) -> str:
    """The package of a module, or its own name where it lies loose."""
    return module.split(".")[1] if "." in module else "__init__"


GRAPH = {module: inside(path) - {module} for module, path in FILES.items()}
GRAPH["ssl_bench"] -= {name for name in FILES if f"{name}.".startswith("ssl_bench.api.")}  # loaded on first use


@pytest.mark.parametrize("module", FILES)
def test_the_harness_knows_no_plugin(module: str) -> None:
    text = FILES[module].read_text()
    assert not [name for name in imported(text) if name.startswith("sslbench_")]
    strings = [node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
    assert not [text for text in strings if isinstance(text, str) and text.startswith(("sslbench_m", "sslbench_d"))]


def test_imports_run_one_way() -> None:
    order = list(graphlib.TopologicalSorter(GRAPH).static_order())
    assert set(order) == set(FILES)


def test_packages_import_each_other_one_way() -> None:
    packages = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert {*packages, "pipeline"} == set(LAYERS)
    arrows = {(package_of(module), package_of(name)) for module, names in GRAPH.items() for name in names}
    inner = [(user, used) for user, used in arrows if user != used and {user, used} <= set(LAYERS)]
    assert len(inner) > 50
    assert not [pair for pair in inner if LAYERS.index(pair[0]) < LAYERS.index(pair[1])]


def test_what_lies_loose_is_named_here() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} == LOOSE


def test_types_are_shipped() -> None:
    assert (PACKAGE / "py.typed").is_file()


def test_loose_modules_below_the_packages_import_none_of_them() -> None:
    below = [f"ssl_bench.{name}" for name in LOOSE - {"__init__", "__main__", "pipeline"}]
    assert not {module: names for module in below if (names := GRAPH[module] - {"ssl_bench", *below})}


@pytest.mark.parametrize("package", sorted(set(LAYERS) - {"pipeline"}))
def test_a_package_says_what_it_is_for(package: str) -> None:
    assert ast.get_docstring(ast.parse((PACKAGE / package / "__init__.py").read_text()))


def third_party() -> dict[str, str]:
    """Code that authors of plugins have or begin with: of the tests' wheels, of the templates, and in the docs."""
    sources = [*CHECKOUT.glob("tests/third_party/*/**/*.py"), *(PACKAGE / "scaffold").rglob("*.jinja")]
    pages = [(CHECKOUT / "docs" / name).read_text() for name in ("writing-a-plugin.md", "hooks.md", "encoders.md")]
    blocks = [block for page in pages for block in re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)]
    return {str(path): path.read_text() for path in sources} | dict(enumerate(blocks))  # type: ignore[dict-item]


def test_authors_of_plugins_need_the_public_import_paths_alone() -> None:
    lines = re.compile(r"^\s*(?:from|import) (ssl_bench[\w.]*)", re.MULTILINE)
    found = {name for text in third_party().values() for name in lines.findall(text)}
    assert {"ssl_bench", "ssl_bench.plugin.contracts", "ssl_bench.testing"} <= found
    assert not [name for name in found if name != PUBLIC[0] and ".".join(name.split(".")[:2]) not in PUBLIC[1:]]


def test_built_ins_have_no_door_that_is_not_listed_for_everybody() -> None:
    lines = re.compile(r"^\s*(?:from|import) (ssl_bench[\w.]*)", re.MULTILINE)
    texts = [path.read_text() for path in CHECKOUT.glob("plugins/*/**/*.py")]
    found = {name for text in texts for name in lines.findall(text)}
    private = {name for name in found if name not in PUBLIC and not name.startswith("ssl_bench.plugin.")}
    assert private == {f"ssl_bench.{name}" for name in HELPERS}
    page = (CHECKOUT / "docs/hooks.md").read_text()
    assert not [name for name in private if f"`{name}`" not in page]


def loaded(code: str) -> set[str]:
    """Top-level modules in memory after some code, in a process of its own."""
    ask = f"import sys\n{code}\nprint('\\n'.join({{name.split('.')[0] for name in sys.modules}}), file=sys.stderr)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True, env=environment)
    return set(done.stderr.split())


def modules_of(*packages: str) -> list[str]:
    """All modules of some packages."""
    return [module for module in FILES if package_of(module) in packages and "." in module]


TORCH_FREE = {
    "plugin": [f"ssl_bench.plugin.{name}" for name in (
        "cohort", "components", "contracts", "features", "hookspecs", "labels", "metrics", "notes", "options",
        "flags", "label_spaces", "names", "preprocessing", "registry", "search", "services", "splits", "training",
    )],
    "config": modules_of("config"),
    "plan": modules_of("config", "plan"),
    "stats": modules_of("stats"),
    "tune": modules_of("tune"),
}  # fmt: skip


@pytest.mark.parametrize("package", TORCH_FREE)
def test_some_packages_need_no_torch(package: str) -> None:
    code = "\n".join(f"import {module}" for module in TORCH_FREE[package])
    assert not loaded(code) & TORCH


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


@pytest.mark.parametrize("code", ["import ssl_bench", "import ssl_bench.api", "from ssl_bench import run, leaderboard"])
def test_the_api_is_light_until_it_is_used(code: str) -> None:
    assert not loaded(code) & {*HEAVY, "pydantic", "rich"}


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
from ssl_bench.plugin.registry import discover
for offer in discover().offers():
    offer.component.options_model()
"""
    assert not loaded(code) & set(HEAVY)


def test_no_file_is_long() -> None:
    folders = [PACKAGE, *(CHECKOUT / name for name in ("plugins", "tests", "benchmarks"))]
    lengths = {path: len(path.read_text().splitlines()) for folder in folders for path in folder.rglob("*.py")}
    assert not {str(path): length for path, length in lengths.items() if length > LONGEST}
