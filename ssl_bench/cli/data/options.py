"""What the commands on a dataset share: its flags as a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ssl_bench.cli.complete import names_of
from ssl_bench.cli.flags import provided

if TYPE_CHECKING:
    from ssl_bench.config.config import RunConfig
    from ssl_bench.plan.parts import ResolvedComponent

Name = Annotated[str, typer.Argument(help="Dataset; see sslbench plugins.", autocompletion=names_of("dataset"))]


def configured(
    ctx: typer.Context,
    name: str,
    root: str | None,
    preset: str | None,
    settings: list[str] | None,
    **data: Any,
) -> tuple[RunConfig, ResolvedComponent]:
    """The configuration that ``sslbench run`` would have with these flags, and its dataset.

    Raises:
        UsageError: a name, key or value is wrong.
    """
    from ssl_bench.cli.options import asked
    from ssl_bench.config import config as configuration
    from ssl_bench.plan.attributes import check_named, specs_of
    from ssl_bench.plan.parts import choose_dataset
    from ssl_bench.plugin.registry import discover

    flags = {
        "data.name": name,
        "data.root": root,
        **provided(ctx),
        **{f"data.{key}": value for key, value in data.items()},
    }
    config = configuration.load(asked(flags, settings or []), name=preset)
    registry = discover()
    check_named(config.data.attributes, specs_of(registry, config.data))
    return config, choose_dataset(config, registry)
