"""What every command shares: an option is given once, and a long help is in panels."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand

from ssl_bench.cli.door import LONE, not_utf8
from ssl_bench.cli.flags import declared
from ssl_bench.cli.panels import grouped, plain
from ssl_bench.errors import UsageError


class Command(TyperCommand):
    """A command that refuses an option given twice, unless it collects what is given or is a switch."""

    kinds: ClassVar[tuple[str, ...]] = ()
    """Kinds of components whose declared flags it takes (:class:`ssl_bench.Flag`)."""

    _params: list[Any]
    _whole: bool

    @property
    def params(self) -> list[Any]:
        """Its own options and, from the first look at them on, the declared ones: a start needs no plugin."""
        if self.kinds and not self._whole:
            self._whole = True
            self._params += declared(self.kinds, {param.name for param in self._params})
        return self._params

    @params.setter
    def params(self, own: list[Any]) -> None:
        self._params, self._whole = own, False

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse, after a look at what is there twice: the parser would take the last one without a word.

        Raises:
            UsageError: naming the options, or an argument whose bytes are no text.
        """
        for argument in filter(LONE.search, args):
            raise UsageError(not_utf8(argument))
        if not ctx.resilient_parsing:
            try:
                values, _, found = self.make_parser(ctx).parse_args(args=list(args))
            except Exception as error:
                self._tell_key(ctx, getattr(error, "option_name", ""))  # only what an unknown option raises has it
                raise
            order: list[Any] = list(found)
            given = [one for one in order if one.param_type_name == "option" and not (one.multiple or one.is_flag)]
            twice = dict.fromkeys(one.opts[0] for one in given if given.count(one) > 1)
            if twice:
                raise UsageError(f"{', '.join(twice)} is given more than once; give it once, several values by comma")
            refuse_seeds(values)
        return super().parse_args(ctx, args)

    def _tell_key(self, ctx: Any, option: str) -> None:
        """What another command has a flag for is a key here.

        Raises:
            UsageError: naming the key, where the command takes keys.
        """
        from ssl_bench.cli.configured import FLAGS

        name = {"--eval": "protocols"}.get(option, option.removeprefix("--").replace("-", "_"))
        if name in FLAGS and FLAGS[name].key and any("--set" in param.opts for param in self.params):
            raise UsageError(f"{ctx.command_path} has no {option}; set it by --set {FLAGS[name].key}=VALUE")

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Options in panels, where a command has many."""
        records = [(str(param.name), plain(record)) for param in self.get_params(ctx)
                   if (record := param.get_help_record(ctx)) and param.param_type_name == "option"]  # fmt: skip
        panels = grouped(records)
        arguments = [plain(record) for param in self.get_params(ctx)
                     if param.param_type_name == "argument" and (record := param.get_help_record(ctx))]  # fmt: skip
        for title, rows in {"Arguments": arguments, **panels}.items():
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


class RunCommand(Command):
    """A command that builds runs."""

    kinds = ("method", "fusion", "dataset")


class DataCommand(Command):
    """A command on a dataset."""

    kinds = ("dataset",)


def refuse_seeds(values: Mapping[str, Any]) -> None:
    """Several seeds are a sweep's.

    Raises:
        UsageError: naming the command that takes them.
    """
    seeds = [part for part in str(values.get("seed") or "").split(",") if part.strip()]
    if len(seeds) > 1:
        raise UsageError(f"--seed takes one, found '{values['seed']}'; for several use sslbench sweep "
                         f"--seeds {len(seeds)}")  # fmt: skip


def prepared(app: typer.Typer) -> None:
    """Give every command of the program and of its groups this class and an uncut summary."""
    for registered in app.registered_commands:
        if registered.cls is None or not issubclass(registered.cls, Command):
            registered.cls = Command
        text = inspect.getdoc(registered.callback) or ""
        registered.short_help = " ".join(text.split("\n\n")[0].split())
    for group in app.registered_groups:
        if group.typer_instance:
            prepared(group.typer_instance)
            group.short_help = str(group.typer_instance.info.help)
