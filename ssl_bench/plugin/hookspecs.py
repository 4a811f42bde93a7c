"""The whole plugin API: every hook a plugin can implement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pluggy

from ssl_bench.plugin.components import Component

PROJECT = "sslbench"
"""The name of the hook markers and of the entry-point group."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def sslbench_components() -> Iterable[Component]:  # type: ignore[empty-body]
    """Offer components.

    Called once at start-up; it must not import anything heavy.

    Returns:
        The components of the plugin, of any kinds.
    """


@hookspec
def sslbench_run_finished(record: Mapping[str, Any], run_dir: Path) -> None:
    """Learn that a run is finished and on record.

    Called once at the end of ``sslbench run``, in every installed plugin that implements it. Whatever it raises is a
    warning and changes nothing of the run.

    Args:
        record: as written to ``record.json``; leave it as it is.
        run_dir: the run directory.
    """
