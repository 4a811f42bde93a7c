"""Flags that components declare (:class:`ssl_bench.Flag`), and what a command line gives by them."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any

import typer

from ssl_bench.plugin.flags import Flag
from ssl_bench.urls import is_url

KEYS = {"method": "method", "fusion": "fusion", "dataset": "data.options"}
"""Where the options of a kind of component stand in a configuration."""

EHR = "Electronic health records (EHR)"
PANELS = {"method": "What is trained", "fusion": EHR, "dataset": "Data"}
"""Panel of a flag that says none."""

GIVEN = "ssl_bench.flags"


def declared(kinds: tuple[str, ...], taken: Collection[str]) -> list[Any]:
    """The flags of all components of some kinds as options of a command, but those whose name it has itself."""
    return [param for param in _params(kinds) if param.name not in taken]


@cache
def _params(kinds: tuple[str, ...]) -> list[Any]:
    """Options as typer makes them of a function's parameters."""
    flags = _flags(kinds)

    def function(**_: Any) -> None:
        """Take them."""

    function.__annotations__ = {flag.option: _annotation(flag) for _, flag in flags.values()}
    function.__signature__ = Signature([  # type: ignore[attr-defined]
        Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=kept)
        for name, kept in function.__annotations__.items()
    ])  # fmt: skip
    app = typer.Typer(add_completion=False)
    app.command()(function)
    params: list[Any] = [param for param in typer.main.get_command(app).params if param.name in flags]
    for param in params:
        param.expose_value, param.callback = False, _keeper(*flags[param.name])
    return params


@cache
def _flags(kinds: tuple[str, ...]) -> dict[str, tuple[str, Flag]]:
    """Each flag once by its option: the first component that declares one words its help."""
    from ssl_bench.plugin.registry import discover

    found: dict[str, tuple[str, Flag]] = {}
    for offer in (offer for kind in kinds for offer in discover().offers(kind)):
        for flag in offer.component.flags:
            found.setdefault(flag.option, (offer.component.kind, flag))
    return found


def _annotation(flag: Flag) -> Any:
    return Annotated[str | None, typer.Option(flag.name, help=flag.help, metavar="PATH" if flag.path else None)]


def declared_panel(name: str) -> str:
    """The panel of a declared flag by its option; empty for another."""
    kind, flag = _flags(tuple(KEYS)).get(name, ("", None))
    return flag.panel or PANELS[kind] if flag else ""


def _keeper(kind: str, flag: Flag) -> Any:
    def keep(ctx: Any, param: Any, value: Any) -> Any:
        if value is not None:
            path = str(Path(value).absolute()) if flag.path and not is_url(value) else str(value)
            ctx.meta.setdefault(GIVEN, {})[f"{KEYS[kind]}.{flag.option}"] = path
        return value

    return keep


def provided(ctx: typer.Context) -> dict[str, str]:
    """What a command line says by declared flags, by key of the configuration."""
    return dict(ctx.meta.get(GIVEN, {}))
