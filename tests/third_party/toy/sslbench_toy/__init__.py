"""What the package offers; nothing heavy is imported here."""

from collections.abc import Iterable

from ssl_bench import Component, Method, hookimpl


@hookimpl
def sslbench_components() -> Iterable[Component]:
    """One method."""
    return [
        Method(
            name="toy",
            target="sslbench_toy.method:Toy",
            options="sslbench_toy.options:ToyOptions",
            summary="two crops of an image look alike",
        )
    ]
