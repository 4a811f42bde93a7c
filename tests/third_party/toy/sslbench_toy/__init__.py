"""What the package offers; nothing heavy is imported here."""

from collections.abc import Iterable

from ssl_bench import Component, MethodSpec, hookimpl


@hookimpl
def sslbench_components() -> Iterable[Component]:
    """One method."""
    return [
        MethodSpec(
            name="toy",
            target="sslbench_toy.method:Toy",
            options="sslbench_toy.options:ToyOptions",
            summary="two crops of an image look alike",
        )
    ]
