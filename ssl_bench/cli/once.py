"""An option is given once: the parser would take the last one, and drop the others without a word."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand

from ssl_bench.errors import UsageError


class Once(TyperCommand):
    """A command that refuses an option given twice, unless it collects what is given or is a switch."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse, after a look at what is there twice.

        Raises:
            UsageError: naming the options.
        """
        if not ctx.resilient_parsing:
            order: list[Any] = list(self.make_parser(ctx).parse_args(args=list(args))[2])
            given = [one for one in order if one.param_type_name == "option" and not (one.multiple or one.is_flag)]
            twice = dict.fromkeys(one.opts[0] for one in given if given.count(one) > 1)
            if twice:
                raise UsageError(f"{', '.join(twice)} is given more than once; say it once, several values by comma")
        return super().parse_args(ctx, args)


def once(app: typer.Typer) -> None:
    """Make every command of the program and of its groups such a one."""
    for registered in app.registered_commands:
        registered.cls = Once
    for group in app.registered_groups:
        if group.typer_instance:
            once(group.typer_instance)
