"""sslbench: a plugin-based benchmark suite for self-supervised learning on chest X-rays.

What a plugin imports is here, and the functions for notebooks and scripts; nothing heavy is loaded.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ssl_bench.errors import DataError, UsageError
from ssl_bench.plugin.components import (
    BackboneSpec,
    Component,
    DatasetSpec,
    EncoderSpec,
    EvaluatorSpec,
    FusionSpec,
    LauncherSpec,
    LoggerSpec,
    MethodSpec,
    MetricSpec,
)
from ssl_bench.plugin.feature_specs import FeatureSpec
from ssl_bench.plugin.flags import Flag
from ssl_bench.plugin.hookspecs import hookimpl
from ssl_bench.plugin.label_spaces import LabelSpace
from ssl_bench.plugin.search import Search
from ssl_bench.plugin.training import Recipe, Training

if TYPE_CHECKING:
    from ssl_bench.api import compare, leaderboard, load_run, run, score
    from ssl_bench.plugin.options import Options

__version__ = "0.1.0"

__all__ = [
    "BackboneSpec",
    "Component",
    "DataError",
    "DatasetSpec",
    "EncoderSpec",
    "EvaluatorSpec",
    "FeatureSpec",
    "Flag",
    "FusionSpec",
    "LabelSpace",
    "LauncherSpec",
    "LoggerSpec",
    "MethodSpec",
    "MetricSpec",
    "Options",
    "Recipe",
    "Search",
    "Training",
    "UsageError",
    "__version__",
    "compare",
    "hookimpl",
    "leaderboard",
    "load_run",
    "run",
    "score",
]

API = ("compare", "leaderboard", "load_run", "run", "score")
"""Functions of :mod:`ssl_bench.api`, here on first use."""


def __getattr__(name: str) -> Any:
    """``Options`` and the API on first use: they take longer to import than ``sslbench plugins`` to answer."""
    if name == "Options":
        from ssl_bench.plugin.options import Options

        return Options
    if name in API:
        return getattr(import_module("ssl_bench.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
