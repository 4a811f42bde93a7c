"""The whole plugin API: every hook a plugin can implement."""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from ssl_bench.components import Component

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
