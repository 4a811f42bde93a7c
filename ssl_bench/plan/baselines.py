"""Which untrained encoders a run is measured beside. No torch."""

from __future__ import annotations

from ssl_bench.config.config import Choice, RunConfig
from ssl_bench.errors import UsageError
from ssl_bench.plugin.components import MethodSpec
from ssl_bench.plugin.registry import Registry


def choose_baselines(config: RunConfig, registry: Registry, *, given: bool) -> list[Choice]:
    """Untrained encoders to measure beside the run's own, each once; a run that is one itself has it first.

    Args:
        config: names the method, and other baselines than those that offer themselves.
        registry: of the installed plugins.
        given: the run's encoder comes from elsewhere, without the weights that it began as.

    Raises:
        UsageError: one of them is trained, or is asked for twice.
    """
    components = {name: registry.get(MethodSpec.kind, name) for name in registry.names(MethodSpec.kind)}
    able = {name: one for name, one in components.items() if not one.trains and not one.needs_weights}
    asked = config.evaluate.baselines
    if asked is None:
        asked = tuple(Choice(name=name) for name, one in able.items() if one.baseline)
    names = [item.name for item in asked]
    for name in names:
        if name not in able:
            raise UsageError(f"baseline '{name}' is no untrained encoder; evaluate.baselines takes {', '.join(able)}")
        if names.count(name) > 1:
            raise UsageError(f"baseline '{name}' is asked for twice in evaluate.baselines; leave one out")
    if given:
        return [item for item in asked if not able[item.name].needs_initial]
    own = [config.method] if config.method.name in able else []
    return [*own, *(item for item in asked if item.name != config.method.name)]
