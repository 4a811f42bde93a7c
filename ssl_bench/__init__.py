"""sslbench: a plugin-based benchmark suite for self-supervised learning on chest X-rays.

What a plugin imports is here; nothing heavy is loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ssl_bench.errors import DataError, UsageError
from ssl_bench.plugin.components import (
    Backbone,
    Component,
    Dataset,
    Encoder,
    Evaluator,
    Fusion,
    Launcher,
    Logger,
    Method,
    Metric,
    Recipe,
    Training,
)
from ssl_bench.plugin.hookspecs import hookimpl
from ssl_bench.plugin.search import Search

if TYPE_CHECKING:
    from ssl_bench.plugin.options import Options

__version__ = "0.1.0"

__all__ = [
    "Backbone",
    "Component",
    "DataError",
    "Dataset",
    "Encoder",
    "Evaluator",
    "Fusion",
    "Launcher",
    "Logger",
    "Method",
    "Metric",
    "Options",
    "Recipe",
    "Search",
    "Training",
    "UsageError",
    "__version__",
    "hookimpl",
]


def __getattr__(name: str) -> Any:
    """``Options`` on first use: pydantic takes longer to import than ``sslbench plugins`` to answer."""
    if name == "Options":
        from ssl_bench.plugin.options import Options

        return Options
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
