"""What is tuned: one study a method, or one for several that share its trials. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ssl_bench.config.config import RunConfig, load
from ssl_bench.config.layers import merge
from ssl_bench.config.recipes import finder
from ssl_bench.errors import UsageError, unknown
from ssl_bench.plugin.components import MethodSpec
from ssl_bench.plugin.registry import Registry
from ssl_bench.plugin.search import Search
from ssl_bench.sweep.grid import FEATURES, Grid, layers
from ssl_bench.sweep.settings import Values, nest
from ssl_bench.tune.asked import Budget
from ssl_bench.tune.points import Sampler
from ssl_bench.tune.rules import Rule
from ssl_bench.tune.space import Space, check_known, space_of

TRIAL_SEED = 1000
"""Seed of every trial; the runs with what was chosen begin at 0, so that none of them repeats a trial."""

CONTROLS = ("shuffled", "constant", "noise")


@dataclass(frozen=True)
class Asked:
    """What a command line asks for.

    Args:
        methods: to tune.
        base: keys of the configuration that all runs share.
        budget: of each study.
        seeds: fresh ones with what was chosen.
        sampler: where trials look.
        pruner: what ends hopeless trials: ``none``, ``rank`` or ``probe``.
        rule: what selects; resolved later where it needs other datasets.
        features: EHR features of the methods that are made for some, of all that train where none is.
        controls: of the EHR features, each an arm beside the methods that join any.
        shared: groups of methods that share a study.
        searches: the user's own ranges.
        seed: of the sampler.
    """

    methods: tuple[str, ...]
    base: Values
    budget: Budget
    seeds: int
    sampler: Sampler
    pruner: str
    rule: Rule
    features: str = ""
    controls: tuple[str, ...] = ()
    shared: tuple[tuple[str, ...], ...] = ()
    searches: Mapping[str, Search | None] = field(default_factory=dict)
    seed: int = 0


@dataclass(frozen=True)
class StudyPlan:
    """A search.

    Args:
        name: of its method, or of those that share it, joined by ``+``.
        members: values of the configuration by method, or by method and control.
        config: of the first member, resolved.
        space: what is searched.
        trained: whether its trials train anything.
    """

    name: str
    members: Mapping[str, Values]
    config: RunConfig
    space: Space
    trained: bool


def studies_of(asked: Asked, registry: Registry) -> list[StudyPlan]:
    """The studies of a tune, in the order in which the methods are named.

    Raises:
        UsageError: a name, a hyperparameter or an option is wrong, or methods that share a study differ in what is
            searched.
    """
    members = {label: values for method in asked.methods for label, values in _members(asked, method, registry)}
    for group in asked.shared:
        for label in group:
            if label not in members:
                raise UsageError(unknown("method", label, members))
    together = {label: group for group in asked.shared for label in group}
    groups = list(dict.fromkeys(together.get(label, (label,)) for label in members))
    found = [_study({label: members[label] for label in group}, asked, registry) for group in groups]
    check_known(asked.searches, (study.space for study in found), registry, asked.methods)
    return found


def _members(asked: Asked, method: str, registry: Registry) -> Sequence[tuple[str, Values]]:
    """A method with its values, and its controls with theirs."""
    features = asked.features if method in _joining(asked, registry) else ""
    axes: dict[str, list[Any]] = {"method": [method], **({FEATURES: [features]} if features else {})}
    values = next(iter(layers(Grid(base=asked.base, grid=(axes,)), registry)))
    component: MethodSpec = registry.get(MethodSpec.kind, method)
    fed = component.trains and (component.features or values.get("ehr", {}).get("features"))
    controls = [(f"{method}:{control}", merge(values, nest("ehr.control", control)))
                for control in asked.controls] if fed else []  # fmt: skip
    return [(method, values), *controls]


def _joining(asked: Asked, registry: Registry) -> list[str]:
    """The methods that EHR features are for: those made for some, or else all that train.

    ``msn`` beside ``msn-ehr`` stays without; SimCLR alone, or beside VICReg, is asked for with EHR.
    """
    specs: dict[str, MethodSpec] = {method: registry.get(MethodSpec.kind, method) for method in asked.methods}
    made_for = [method for method, spec in specs.items() if spec.features]
    return made_for or [method for method, spec in specs.items() if spec.trains and not spec.uses_labels]


def _study(members: Mapping[str, Values], asked: Asked, registry: Registry) -> StudyPlan:
    configs = {label: load(values, recipe=finder(registry)) for label, values in members.items()}
    spaces = {label: space_of(configs[label], registry, fixed_keys(values), asked.searches)
              for label, values in members.items()}  # fmt: skip
    first, *others = spaces
    for label in others:
        if spaces[label].told() != spaces[first].told():
            apart = {str(one) for label in (first, label) for one in _differing(spaces[first], spaces[label])}
            raise UsageError(
                f"'{first}' and '{label}' differ in what is searched ({', '.join(sorted(apart))}), so they cannot "
                "share a study; leave one of them out of --shared"
            )
    trains = bool(registry.get(MethodSpec.kind, configs[first].method.name).trains)
    return StudyPlan("+".join(members), members, configs[first], spaces[first], trains)


def _differing(first: Space, second: Space) -> set[str]:
    told = [{one["key"]: one for one in space.told()} for space in (first, second)]
    return {key for key in {**told[0], **told[1]} if told[0].get(key) != told[1].get(key)}


def fixed_keys(values: Mapping[str, Any], above: str = "") -> list[str]:
    """Dotted keys of the method and of the training that a user has set."""
    found = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            found += fixed_keys(value, f"{above}{key}.")
        elif above in ("method.", "pretrain.") and f"{above}{key}" != "method.name":
            found.append(f"{above}{key}")
    return found
