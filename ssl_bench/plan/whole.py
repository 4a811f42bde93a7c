"""A configuration with all options of its components, as a run leaves it. No torch."""

from __future__ import annotations

from typing import Any

from ssl_bench.config.config import Choice, RunConfig
from ssl_bench.plan.parts import ResolvedComponent, RunComponents


def whole(config: RunConfig, parts: RunComponents) -> RunConfig:
    """The configuration with all options of its components, so that it stays the same when presets change."""
    data, evaluate = config.data, config.evaluate
    more, external = (
        tuple(part.model_copy(update={"options": dumped(chosen)}) for part, chosen in zip(parts_of, found, strict=True))
        for parts_of, found in ((data.more, parts.more), (evaluate.test_on, parts.external))
    )
    options = {**evaluate.options, **{chosen.name: dumped(chosen) for chosen in parts.evaluators}}
    return config.model_copy(update={
        "method": choice(parts.method),
        "fusion": choice(parts.fusion) if parts.fusion else config.fusion,
        "data": data.model_copy(update={"options": dumped(parts.dataset), "more": more}),
        "ehr": config.ehr.model_copy(update={"features": parts.features}),
        "evaluate": evaluate.model_copy(update={"options": options, "test_on": external}),
        "loggers": tuple(map(choice, parts.loggers)),
    })  # fmt: skip


def dumped(chosen: ResolvedComponent) -> dict[str, Any]:
    """All options of a component as a configuration has them."""
    return chosen.options.model_dump(mode="json")


def choice(chosen: ResolvedComponent) -> Choice:
    """A component with all its options."""
    return Choice(name=chosen.name, **dumped(chosen))
