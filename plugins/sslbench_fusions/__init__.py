"""The built-in fusions of EHR features with image features. A new fusion is one line here."""

from __future__ import annotations

from collections.abc import Iterable

from ssl_bench import Component, Fusion, hookimpl


@hookimpl
def sslbench_components() -> Iterable[Component]:
    """The built-in fusions."""
    return [
        Fusion(name="concat", target="sslbench_fusions.concat:Concat", options="sslbench_fusions.options:ConcatOptions",
               summary="image and embedded EHR features side by side, projected to the image width (the paper)"),
    ]  # fmt: skip
