"""``sslbench new plugin NAME --kind KIND``: a complete package to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ssl_bench.cli.complete import words
from ssl_bench.errors import UsageError, unknown


def new(
    what: Annotated[str, typer.Argument(help="What to write: plugin.")],
    name: Annotated[str, typer.Argument(help="Name of its component: lower-case words joined by hyphens.")],
    kind: Annotated[
        str,
        typer.Option(
            help="method, fusion, dataset, evaluator, metric or encoder.",
            autocompletion=words("method", "fusion", "dataset", "evaluator", "metric", "encoder"),
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="Folder to write; a new one, sslbench-NAME if not given.")] = None,
) -> None:
    """Write a plugin: an installable package with one working component, its test and a README."""
    from ssl_bench.plugin.registry import discover
    from ssl_bench.scaffold import plan_plugin, write_plugin

    if what != "plugin":
        raise UsageError(unknown("thing to write", what, ["plugin"]))
    plugin = plan_plugin(name, kind, discover())
    folder = out or Path(plugin.distribution)
    print(f"{folder}: {', '.join(map(str, write_plugin(plugin, folder)))}")
    print(f"next: pip install -e '{folder}[test]' && pytest {folder}")
