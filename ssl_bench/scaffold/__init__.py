"""Complete plugin packages to begin with: one working component, its options, a test, and what installs them."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from ssl_bench.errors import UsageError, unknown
from ssl_bench.plugin.registry import Registry

SCAFFOLDED = ("method", "fusion", "dataset", "evaluator", "metric", "encoder")
"""Kinds of components that a package can be written for."""

NAME = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
"""What a plugin may be called: its name becomes part of a package's and a class's."""

TAKEN = ("Backbone", "BaseEncoder", "Batch", "Cohort", "DataError", "EncoderSpec", "Encoding", "EvalContext",
         "Features", "Fused", "Fusion", "Iterator", "Loss", "Mapping", "Measure", "MetricValue", "Options", "Path",
         "Predictions", "Preprocessing", "Sample", "Split", "Tensor", "UsageError", "ViewGroup")  # fmt: skip
"""Classes that the written files import."""


@dataclass(frozen=True)
class Plugin:
    """A package to be written.

    Args:
        name: of its component, for example ``two-crops``.
        kind: of its component.
    """

    name: str
    kind: str

    @property
    def distribution(self) -> str:
        """What pip calls it."""
        return f"sslbench-{self.name}"

    @property
    def package(self) -> str:
        """What Python imports."""
        return self.distribution.replace("-", "_")

    @property
    def title(self) -> str:
        """The component's class."""
        return "".join(word.capitalize() for word in self.name.split("-"))

    def files(self) -> Mapping[str, str]:
        """The text of every file by its path in the package's folder."""
        templates = Environment(
            loader=PackageLoader("ssl_bench.scaffold"),
            undefined=StrictUndefined,
            keep_trailing_newline=True,
            trim_blocks=True,
            autoescape=False,  # it writes Python, not pages
        )
        places = {
            "pyproject.toml": "pyproject.toml",
            "README.md": "README.md",
            f"{self.package}/__init__.py": f"{self.kind}/init.py",
            f"{self.package}/{self.kind}.py": f"{self.kind}/component.py",
            f"{self.package}/options.py": f"{self.kind}/options.py",
            f"tests/test_{self.kind}.py": f"{self.kind}/test.py",
        }
        return {
            path: templates.get_template(f"{template}.jinja").render(plugin=self) for path, template in places.items()
        }


def plan_plugin(name: str, kind: str, registry: Registry) -> Plugin:
    """The package of a name and kind, if they can be used.

    Raises:
        UsageError: the kind is unknown, or the name is not spelt as names are, or taken.
    """
    if kind not in SCAFFOLDED:
        raise UsageError(unknown("kind", kind, SCAFFOLDED))
    if not re.fullmatch(NAME, name):
        raise UsageError(
            "a plugin's name must be lower-case words joined by hyphens, the first beginning with a letter, found "
            f"'{name}'{suggestion(name)}"
        )
    plugin = Plugin(name, kind)
    if name in registry.names(kind):
        raise UsageError(
            f"{kind} '{name}' is offered already, by {registry.offer(kind, name).source}; choose another name"
        )
    if plugin.title in TAKEN or keyword.iskeyword(plugin.title):
        raise UsageError(
            f"'{plugin.title}' cannot be a class of your own here; choose another name, such as 'my-{name}'"
        )
    if find_spec(plugin.package) is not None:
        raise UsageError(f"a package '{plugin.package}' is installed already; choose another name, such as 'my-{name}'")
    return plugin


def suggestion(name: str) -> str:
    """The nearest valid name as part of a sentence, empty where nothing is left of the name."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+", name)
    near = re.sub("^[0-9-]+", "", "-".join(words).lower())
    return f"; try '{near}'" if near else ""


def write_plugin(plugin: Plugin, folder: Path) -> list[Path]:
    """Write a package into a new folder.

    Returns:
        The files, relative to the folder.

    Raises:
        UsageError: the folder exists, or cannot be written.
    """
    try:
        folder.mkdir(parents=True)
        for path, text in plugin.files().items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    except FileExistsError:
        raise UsageError(f"{folder} exists already; give another folder by --out, or remove it") from None
    except OSError as error:
        raise UsageError(f"cannot write {folder}: {error.strerror or error}; give another folder by --out") from None
    return [Path(path) for path in plugin.files()]
