"""``sslbench show [KIND] NAME``: a component's options with defaults and sources."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import typer

from ssl_bench.cli.complete import kinds, of_kind
from ssl_bench.cli.options import AsJson
from ssl_bench.errors import UsageError, unknown
from ssl_bench.plugin.components import KINDS, Component
from ssl_bench.plugin.places import place_of
from ssl_bench.plugin.registry import RegisteredComponent, Registry, discover
from ssl_bench.plugin.search import declared


def show(
    kind: Annotated[
        str, typer.Argument(help=f"{', '.join(KINDS)}; a name alone will do.", autocompletion=kinds, metavar="[KIND]")
    ],
    name: Annotated[str, typer.Argument(help="Name of the component.", autocompletion=of_kind, metavar="NAME")] = "",
    as_json: AsJson = False,
) -> None:
    """Print a component's options with their defaults, and where it comes from."""
    from ssl_bench.numbers import counted

    offer = find(discover(), kind, name)
    if as_json:
        print(json.dumps(component_values(offer), indent=2, default=str))
        return
    component = offer.component
    print(f"{component.kind} {component.name}: {component.summary}")
    print(f"from {offer.source.distribution} {offer.source.version}, {component.target}")
    for title, value in _traits(component):
        print(f"{title}: {value}")
    for optimizer, training in getattr(component, "training", {}).items():
        told = "; ".join(f"{key} {search.told()}" for key, search in training.search.items())
        rates = f"lr {training.lr:g} for {counted(training.batch, 'image')}, weight_decay {training.weight_decay:g}"
        print(f"{optimizer}: {rates}{f'; tuned: {told}' if told else ''}")  # fmt: skip
    for recipe, choices in getattr(component, "recipes", {}).items():
        print(f"recipe {recipe}: {choices.summary}")
    _panel("example", [f"  {example(component)}"])
    options = options_of(component)
    if not options:
        print("\nno options")
        return
    print(f"\n{(component.options_model().__doc__ or '').strip().splitlines()[0]}")
    for title, of in panels(options).items():
        _panel(title, [line for option in of for line in _lines(option)])


PANELS: tuple[tuple[str, Callable[[dict[str, Any]], bool]], ...] = (
    ("required options", lambda option: bool(option["required"])),
    ("options that sslbench tune searches", lambda option: option["tuned"] is not None),
    ("options that presets change", lambda option: bool(option["presets"])),
    ("further options", lambda option: True),
)
"""Titles of the parts that options are shown in; an option stands in the first that it belongs to."""


def panels(options: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Options by the title of their panel, those of a component of few in one."""
    if len(options) < FEW:
        return {"options": list(options)}
    found: dict[str, list[dict[str, Any]]] = {title: [] for title, _ in PANELS}
    for option in options:
        found[next(title for title, belongs in PANELS if belongs(option))].append(option)
    return {title: of for title, of in found.items() if of}


FEW = 4
"""Options that need no parts."""


def _lines(option: Mapping[str, Any]) -> list[str]:
    """An option with its default, that of presets, what it is, and where it is searched."""
    presets = [f"{preset} {_text(value)}" for preset, value in option["presets"].items()]
    aside = f" ({', '.join(presets)})" if presets else ""
    default = "(required)" if option["required"] else _text(option["default"])
    lines = [f"  {option['key']} = {default}{aside}", f"      {option['help']}".rstrip()]
    return [line for line in lines if line] + ([f"      tuned: {option['tuned']}"] if option["tuned"] else [])


def _panel(title: str, lines: Sequence[str]) -> None:
    """A part of what is shown: framed where a person looks at a terminal, plain in a pipe or a file."""
    if not sys.stdout.isatty():
        print("\n".join(["", title, *lines]))
        return
    from rich.console import Console
    from rich.panel import Panel
    from rich.text import Text

    Console(file=sys.stdout).print(Panel(Text("\n".join(lines)), title=title, title_align="left", border_style="dim"))


def find(registry: Registry, kind: str, name: str) -> RegisteredComponent:
    """The component of a kind and name; of a name alone (in the place of the kind) that of its only kind.

    Raises:
        UsageError: there is none, or several kinds have one.
        PluginError: it is refused.
    """
    if name:
        if kind not in KINDS:
            raise UsageError(unknown("kind", kind, KINDS))
        return registry.offer(kind, name)
    if kind in KINDS:
        raise UsageError(f"which {kind}? {', '.join(registry.names(kind)) or 'none is installed'}")
    found = [offer for offer in registry.offers() if offer.component.name == kind]
    if not found:
        raise UsageError(unknown("component", kind, dict.fromkeys(one.component.name for one in registry.offers())))
    if len(found) > 1:
        ways = " or ".join(f"sslbench show {one.component.kind} {kind}" for one in found)
        raise UsageError(f"several kinds have a '{kind}'; take {ways}")
    return found[0]


EXAMPLES = {
    "method": "sslbench run --method {name}",
    "fusion": "sslbench run --method msn-ehr --features age,sex --fusion {name}",
    "dataset": "sslbench run --method msn --data {name} --root FOLDER",
    "backbone": "sslbench run --method msn --backbone {name}",
    "encoder": "sslbench run --encoder {name}=FILE",
    "evaluator": "sslbench evaluate RUN --eval {name}",
    "metric": "sslbench leaderboard RUNS --metric {name}",
    "launcher": "sslbench sweep sweeps/demo.yaml --launcher {name}",
    "logger": "sslbench run --logger {name}",
}
"""A command that uses a component, by its kind."""


def example(component: Component) -> str:
    """A command that uses a component, with its first option that ``--set`` reaches at its default."""
    told = EXAMPLES[component.kind].format(name=component.name)
    if not told.startswith("sslbench run "):
        return told
    options = [one for one in options_of(component) if place_of(component) and isinstance(one["default"], int | float)]
    setting = f" --set {options[0]['key']}={_text(options[0]['default'])}" if options else ""
    return f"{told}{setting}"


def options_of(component: Component) -> list[dict[str, Any]]:
    """The options of a component: key as ``--set`` takes it, default, defaults by preset, and what it is."""
    options = []
    for key, field in component.options_model().model_fields.items():
        needed = field.is_required() and key not in component.defaults
        default = None if needed else component.defaults.get(key, field.get_default(call_default_factory=True))
        presets = {preset: values[key] for preset, values in component.presets.items() if key in values}
        search = declared(field.metadata)
        options.append({"key": f"{place_of(component)}{key}", "default": default, "required": needed,
                        "presets": presets, "help": field.description or "",
                        "tuned": search.told() if search is not None else None})  # fmt: skip
    return options


def component_values(offer: RegisteredComponent) -> dict[str, Any]:
    """A component as plain values."""
    component = offer.component
    return {
        "kind": component.kind, "name": component.name, "summary": component.summary, "target": component.target,
        "distribution": offer.source.distribution, "version": offer.source.version,
        "traits": dict(_traits(component)),
        "recipes": {name: recipe.summary for name, recipe in getattr(component, "recipes", {}).items()},
        "options": options_of(component),
    }  # fmt: skip


def _text(value: Any) -> str:
    """A value as the configuration writes it."""
    return json.dumps(value, default=str)


TRAITS = (
    "licence",
    "source",
    "trained_on",
    "preprocessing",
    "pooling",
    "features",
    "fusion",
    "label_space",
    "arguments",
    "image_size",
    "needs",
    "bounds",
    "better",
    "rests_on",
)


def _traits(component: Component) -> list[tuple[str, str]]:
    """What else the descriptor says, as title and text."""
    traits = []
    for title in TRAITS:
        value = getattr(component, title, None)
        if value:
            pairs = [f"{key}={item}" for key, item in value.items()] if hasattr(value, "items") else None
            text = ", ".join(pairs) if pairs else ", ".join(value) if isinstance(value, tuple) else str(value)
            traits.append((title.replace("_", " "), text))
    return traits
