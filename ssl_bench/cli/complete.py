"""Names that a shell completes: components, presets, recipes. No torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, get_args, get_origin

import typer

Completion = Callable[[str], list[tuple[str, str]]]
"""From the beginning of a word to the whole words, each with what it is."""


def names_of(kind: str, *, several: bool = False) -> Completion:
    """Names of a kind of component; of several by comma the last one is completed."""

    def complete(incomplete: str) -> list[tuple[str, str]]:
        from ssl_bench.plugin.registry import discover

        known = {offer.component.name: offer.component.summary for offer in discover().offers(kind)}
        return _begun(known.items(), incomplete, several)

    return complete


def presets(incomplete: str) -> list[tuple[str, str]]:
    """Presets."""
    from ssl_bench.config.config import PRESETS

    return _begun(((name, "") for name in PRESETS), incomplete, several=False)


def features(incomplete: str) -> list[tuple[str, str]]:
    """EHR features that any dataset offers."""
    from ssl_bench.plugin.registry import discover

    offered = [feature for offer in discover().offers("dataset") for feature in _offered(offer.component)]
    return _begun(((name, "") for name in dict.fromkeys(offered)), incomplete, several=True)


def words(*known: str) -> Completion:
    """Words that an option knows."""
    return lambda incomplete: _begun(((word, "") for word in known), incomplete, several=False)


def values_of(key: str) -> Completion:
    """Values of a key of the configuration that takes a few words only."""

    def complete(incomplete: str) -> list[tuple[str, str]]:
        from ssl_bench.config.config import RunConfig

        annotation: Any = RunConfig
        for part in key.split("."):
            annotation = annotation.model_fields[part].annotation if hasattr(annotation, "model_fields") else None
        literals = [one for one in (annotation, *get_args(annotation)) if get_origin(one) is Literal]
        return words(*(value for one in literals for value in get_args(one)))(incomplete)

    return complete


def kinds(incomplete: str) -> list[tuple[str, str]]:
    """Kinds of components."""
    from ssl_bench.plugin.components import KINDS

    return _begun(((kind, "") for kind in KINDS), incomplete, several=False)


def of_kind(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Names of the kind that stands before on the line."""
    return names_of(str(ctx.params.get("kind")))(incomplete)


def _offered(dataset: Any) -> tuple[str, ...]:
    return tuple(dataset.features)


def _begun(known: Iterable[tuple[str, str]], incomplete: str, several: bool) -> list[tuple[str, str]]:
    before, _, last = incomplete.rpartition(",") if several else ("", "", incomplete)
    said = f"{before}," if before else ""
    taken = before.split(",")
    return [(said + name, told) for name, told in known if name.startswith(last) and name not in taken]
