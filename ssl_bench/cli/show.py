"""``sslbench show KIND NAME``: a component's options with defaults and sources."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from ssl_bench.components import KINDS, Component
from ssl_bench.errors import UsageError, unknown
from ssl_bench.plugins import discover
from ssl_bench.search import declared


def show(
    kind: Annotated[str, typer.Argument(help=f"{', '.join(KINDS)}.")],
    name: Annotated[str, typer.Argument(help="Name of the component.")],
) -> None:
    """Print a component's options with their defaults, and where it comes from."""
    if kind not in KINDS:
        raise UsageError(unknown("kind", kind, KINDS))
    offer = discover().offer(kind, name)
    component = offer.component
    print(f"{kind} {name}: {component.summary}")
    print(f"from {offer.source.distribution} {offer.source.version}, {component.target}")
    for title, value in _traits(component):
        print(f"{title}: {value}")
    for optimizer, training in getattr(component, "training", {}).items():
        told = "; ".join(f"{key} {search.told()}" for key, search in training.search.items())
        print(f"{optimizer}: lr {training.lr:g} for {training.batch} images, weight_decay {training.weight_decay:g}"
              f"{f'; tuned: {told}' if told else ''}")  # fmt: skip
    for recipe, choices in getattr(component, "recipes", {}).items():
        print(f"recipe {recipe}: {choices.summary}")
    model = component.options_model()
    if not model.model_fields:
        print("no options")
        return
    print(f"\noptions ({(model.__doc__ or '').strip().splitlines()[0]})")
    for key, field in model.model_fields.items():
        default = component.defaults.get(
            key, ... if field.is_required() else field.get_default(call_default_factory=True)
        )
        presets = [f"{preset} {_text(values[key])}" for preset, values in component.presets.items() if key in values]
        aside = f" ({', '.join(presets)})" if presets else ""
        print(f"  {_place(component)}{key} = {_text(default)}{aside}\n      {field.description or ''}".rstrip())
        if (search := declared(field.metadata)) is not None:
            print(f"      tuned: {search.told()}")


def _place(component: Component) -> str:
    """Where the configuration keeps the options of a component, as ``--set`` takes it.

    Nothing for a launcher, whose options are a sweep's (``--launcher-set``), and a logger, which stands in a list.
    """
    places = {
        "dataset": "data.options.",
        "backbone": "backbone.options.",
        "encoder": "backbone.encoder.",
        "evaluator": f"evaluate.options.{component.name}.",
        "metric": f"evaluate.metric_options.{component.name}.",
        "launcher": "",
        "logger": "",
    }
    return places.get(component.kind, f"{component.kind}.")


def _text(value: Any) -> str:
    """A value as the configuration writes it."""
    return "(required)" if value is ... else json.dumps(value, default=str)


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
