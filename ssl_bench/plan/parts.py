"""The components of a run, their options checked, and whether they fit each other. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ssl_bench.config.checks import check_batch, check_declared, check_lars, check_parallel
from ssl_bench.config.config import METRICS, Choice, RunConfig
from ssl_bench.config.recipes import find
from ssl_bench.errors import Problems, UsageError
from ssl_bench.plan.attributes import check_named, specs_of
from ssl_bench.plan.backbones import check_known, choose_backbone
from ssl_bench.plan.baselines import choose_baselines
from ssl_bench.plan.encoders import as_backbone, choose_encoder
from ssl_bench.plugin.components import (
    BackboneSpec,
    Component,
    DatasetSpec,
    EncoderSpec,
    EvaluatorSpec,
    FusionSpec,
    LoggerSpec,
    MethodSpec,
    MetricSpec,
)
from ssl_bench.plugin.features import check_available, expand
from ssl_bench.plugin.names import PRETRAINED
from ssl_bench.plugin.options import Options
from ssl_bench.plugin.places import places_in
from ssl_bench.plugin.registry import Registry

if TYPE_CHECKING:
    from ssl_bench.plugin.encoders import BaseEncoder


BRANCHES = "fuse_branches"
"""The option of a method with two like branches: EHR joins ``one`` of them or ``both``."""


@dataclass(frozen=True)
class ResolvedComponent:
    """A component with its checked options."""

    component: Any
    options: Options

    @property
    def name(self) -> str:
        """What the user calls it."""
        return str(self.component.name)

    def with_option(self, name: str, value: Any) -> ResolvedComponent:
        """The same with one option changed."""
        return replace(self, options=self.options.model_copy(update={name: value}))

    def build(self, *arguments: Any) -> Any:
        """The loaded target, called with the options and further arguments."""
        return self.component.load()(self.options, *arguments)


@dataclass(frozen=True)
class RunComponents:
    """The components of a run.

    ``joins`` is the fusion of protocols that join EHR downstream, ``encoder`` the weights of others in their own form.
    """

    method: ResolvedComponent
    fusion: ResolvedComponent | None
    dataset: ResolvedComponent
    backbone: BackboneSpec
    image_size: int
    evaluators: tuple[ResolvedComponent, ...]
    features: tuple[str, ...]
    joins: ResolvedComponent | None = None
    more: tuple[ResolvedComponent, ...] = ()
    external: tuple[ResolvedComponent, ...] = ()
    loggers: tuple[ResolvedComponent, ...] = ()
    metrics: tuple[ResolvedComponent, ...] = ()
    encoder: BaseEncoder | None = None
    encoder_component: EncoderSpec | None = None
    baselines: tuple[ResolvedComponent, ...] = ()

    @property
    def datasets(self) -> tuple[ResolvedComponent, ...]:
        """The datasets to pretrain on."""
        return (self.dataset, *self.more)

    @property
    def downstream(self) -> ResolvedComponent | None:
        """The fusion that protocols of this run join EHR by; None where no protocol does."""
        return self.joins if any(part.component.ehr == "fusion" for part in self.evaluators) else None

    def provenance(self, registry: Registry) -> list[dict[str, str]]:
        """Distribution and version of every component."""
        fusions = [fusion for fusion in (self.fusion, self.downstream) if fusion]
        chosen = [
            self.method, *self.baselines, *self.datasets, *self.evaluators, *self.metrics, *self.loggers, *fusions,
        ]  # fmt: skip
        used = list(dict.fromkeys((item.component.kind, item.name) for item in chosen))
        if self.backbone.name in registry.names(BackboneSpec.kind):
            used.append((BackboneSpec.kind, self.backbone.name))
        if self.encoder is not None:
            used.append((EncoderSpec.kind, self.backbone.name))
        return registry.provenance(used)


def choose_parts(config: RunConfig, registry: Registry) -> RunComponents:
    """The components of a configuration, their options checked, and whether they fit each other.

    Raises:
        UsageError: an unknown name or key, or a combination that cannot run.
    """
    _check_each(config, registry)
    method = _chosen(registry, MethodSpec, config.method.name, config.method.options, config.preset)
    find(method.component, config.recipe)
    dataset = choose_dataset(config, registry)
    more, external = (
        tuple(_chosen(registry, DatasetSpec, source.name, source.options, config.preset) for source in sources)
        for sources in (config.data.more, config.evaluate.test_on)
    )
    features = expand(
        config.ehr.features or method.component.features, specs_of(registry, config.data, config.evaluate.test_on)
    )
    _check_features(features, (dataset, *more))
    _check_ehr(config, features)
    fusion = _choose_fusion(config, registry, method, features)
    encoder = choose_encoder(config.backbone, registry, method.component)
    backbone = as_backbone(config.backbone, encoder) if encoder else choose_backbone(registry, config.backbone.name)
    size = encoder.image_size if encoder else config.backbone.image_size or backbone.image_size
    joins = _downstream(config, registry, method, fusion)
    evaluators = _evaluators(config, registry)
    loggers = _each(registry, LoggerSpec, config.loggers, config.preset)
    metrics = tuple(
        _chosen(registry, MetricSpec, name, config.evaluate.metric_options.get(name, {}), config.preset)
        for name in _metrics(config, registry)
    )
    beside = _each(registry, MethodSpec, choose_baselines(config, registry, given=encoder is not None), config.preset)
    parts = RunComponents(
        method, fusion, dataset, backbone, size, evaluators, features, joins, more, external, loggers, metrics, encoder,
        registry.get(EncoderSpec.kind, backbone.name) if encoder else None, beside,
    )  # fmt: skip
    _check_fit(config, parts)
    _check_downstream(parts)
    return parts


def _metrics(config: RunConfig, registry: Registry) -> list[str]:
    """The metrics asked for; where none is, the usual ones that are installed."""
    asked = config.evaluate.metrics
    offered = registry.names(MetricSpec.kind)
    return list(dict.fromkeys([name for name in METRICS if name in offered] if asked is None else asked))


def _check_each(config: RunConfig, registry: Registry) -> None:
    """Every name and option by itself, so that all the wrong ones are told at once."""
    fusion, evaluate = config.fusion, config.evaluate
    wanted: list[tuple[type[Component], str, Mapping[str, Any]]] = [
        (MethodSpec, config.method.name, config.method.options),
        (DatasetSpec, config.data.name, config.data.options),
        *((DatasetSpec, source.name, source.options) for source in (*config.data.more, *evaluate.test_on)),
        *([(FusionSpec, fusion.name, fusion.options)] if fusion else []),
        *(
            (EvaluatorSpec, name, evaluate.options.get(name, {}))
            for name in {**dict.fromkeys(evaluate.protocols), **evaluate.options}
        ),
        *(
            (MetricSpec, name, evaluate.metric_options.get(name, {}))
            for name in {**dict.fromkeys(_metrics(config, registry)), **evaluate.metric_options}
        ),
        *((LoggerSpec, item.name, item.options) for item in config.loggers),
        *((MethodSpec, item.name, item.options) for item in evaluate.baselines or ()),
    ]
    _check_branches(config, registry)
    problems = Problems()
    for kind, name, values in wanted:
        problems.run(partial(registry.options, kind.kind, name, values, config.preset, places_in(RunConfig)))
    for item in config.loggers:
        if item.name in registry.names(LoggerSpec.kind):
            problems.run(registry.get(LoggerSpec.kind, item.name).check_installed)
    if config.backbone.encoder:
        named = config.backbone.encoder
        problems.run(partial(registry.options, EncoderSpec.kind, named.name, named.options, config.preset))
    else:
        problems.run(partial(choose_backbone, registry, config.backbone.name))
    specs = specs_of(registry, config.data, config.evaluate.test_on)
    problems.run(partial(expand, config.ehr.features, specs))
    problems.run(partial(expand, config.ehr.impute_features, specs))
    problems.run(partial(check_named, config.data.attributes, specs))
    problems.raise_if_any()


def _chosen(
    registry: Registry, kind: type[Component], name: str, values: Mapping[str, Any], preset: str
) -> ResolvedComponent:
    return ResolvedComponent(
        registry.get(kind.kind, name), registry.options(kind.kind, name, values, preset, places_in(RunConfig))
    )


def _each(
    registry: Registry, kind: type[Component], items: Iterable[Choice], preset: str
) -> tuple[ResolvedComponent, ...]:
    return tuple(_chosen(registry, kind, item.name, item.options, preset) for item in items)


def choose_dataset(config: RunConfig, registry: Registry) -> ResolvedComponent:
    """The dataset of a configuration, its options checked.

    Raises:
        UsageError: an unknown name or key, or a value of the wrong type or range.
    """
    return _chosen(registry, DatasetSpec, config.data.name, config.data.options, config.preset)


def _check_features(features: tuple[str, ...], datasets: tuple[ResolvedComponent, ...]) -> None:
    """Of several datasets one must have a feature; in the images of the others it is marked as absent."""
    available = dict.fromkeys(feature for dataset in datasets for feature in dataset.component.features)
    check_available(features, "+".join(dataset.name for dataset in datasets), tuple(available))


def _evaluators(config: RunConfig, registry: Registry) -> tuple[ResolvedComponent, ...]:
    """The protocols asked for, each followed by those that EHR downstream runs beside it."""
    names: dict[str, None] = {}
    for name in config.evaluate.protocols:
        beside = registry.get(EvaluatorSpec.kind, name).with_ehr if config.evaluate.ehr else ()
        names |= dict.fromkeys((name, *beside))
    if config.evaluate.ehr and list(names) == list(dict.fromkeys(config.evaluate.protocols)):
        able = [name for name in registry.names(EvaluatorSpec.kind) if registry.get(EvaluatorSpec.kind, name).with_ehr]
        raise UsageError(
            f"--ehr-at-eval has no effect on {', '.join(names)}; add --eval with one of {', '.join(able)}, or leave it "
            "out"
        )
    return tuple(
        _chosen(registry, EvaluatorSpec, name, config.evaluate.options.get(name, {}), config.preset) for name in names
    )


def _downstream(
    config: RunConfig, registry: Registry, method: ResolvedComponent, fusion: ResolvedComponent | None
) -> ResolvedComponent | None:
    """The fusion that joins EHR downstream: the run's own where it joins features, else the method's usual one."""
    if fusion and fusion.component.fuses:
        return fusion
    usual = method.component.fusion
    return _chosen(registry, FusionSpec, usual, {}, config.preset) if usual in registry.names(FusionSpec.kind) else None


def _check_downstream(parts: RunComponents) -> None:
    for evaluator in parts.evaluators:
        if evaluator.component.ehr and not parts.features:
            raise UsageError(
                f"protocol '{evaluator.name}' reads EHR features, and the run has none; add --features, for example "
                "age,sex"
            )
        if evaluator.component.ehr == "fusion" and not parts.joins:
            raise UsageError(
                f"protocol '{evaluator.name}' fuses EHR features, and the run has no fusion that joins any; add "
                "--fusion, for example concat"
            )


def _choose_fusion(
    config: RunConfig, registry: Registry, method: ResolvedComponent, features: tuple[str, ...]
) -> ResolvedComponent | None:
    if not features:
        if config.fusion:
            raise UsageError(f"fusion '{config.fusion.name}' needs EHR features; add --features, for example age,sex")
        return None
    if config.ehr.start >= config.ehr.until:
        raise UsageError(
            f"EHR must be given for some time, found --ehr-from {config.ehr.start:g} and --ehr-until "
            f"{config.ehr.until:g}; let it begin before it ends"
        )
    if not method.component.trains and not config.evaluate.ehr:
        raise UsageError(f"method '{method.name}' is not trained, so it can join no features; leave out --features")
    name = config.fusion.name if config.fusion else method.component.fusion
    if not name and not method.component.trains:
        return None
    if not name:
        known = ", ".join(registry.names(FusionSpec.kind))
        raise UsageError(f"method '{method.name}' joins no features by itself; add --fusion, one of {known}")
    fusion = _chosen(registry, FusionSpec, name, config.fusion.options if config.fusion else {}, config.preset)
    # With EHR in both of two like branches, both are as wide as the fusion makes them.
    like = getattr(method.options, BRANCHES, "one") == "both"
    if method.component.same_width and not fusion.component.keeps_width and not like:
        other = f", or --{BRANCHES.replace('_', '-')} both" if hasattr(method.options, BRANCHES) else ""
        raise UsageError(
            f"method '{method.name}' has features beside the fused ones, which fusion '{name}' makes of another width; "
            f"choose a fusion that keeps it{other}"
        )
    return fusion


def _check_ehr(config: RunConfig, features: tuple[str, ...]) -> None:
    """Nothing is asked of EHR features where there are none."""
    ehr = config.ehr
    asked = {
        f"--ehr-control {ehr.control}": ehr.control != "none",
        f"--ehr-dropout {ehr.dropout:g}": ehr.dropout > 0,
        f"--ehr-from {ehr.start:g}": ehr.start > 0,
        f"--ehr-until {ehr.until:g}": ehr.until < 1,
    }
    if not features and any(asked.values()):
        given = [flag for flag, said in asked.items() if said]
        flags, need = " and ".join(given), "need" if len(given) > 1 else "needs"
        raise UsageError(f"{flags} {need} EHR features; add --features, for example age,sex")


def _check_branches(config: RunConfig, registry: Registry) -> None:
    """Branches can be chosen where a method has two that are alike."""
    if BRANCHES not in config.method.options:
        return
    component = registry.get(MethodSpec.kind, config.method.name)
    if BRANCHES not in component.options_model().model_fields:
        raise UsageError(
            f"method '{config.method.name}' has no two equal branches: EHR joins every view that is trained, and no "
            f"target; leave out --{BRANCHES.replace('_', '-')}"
        )


def _check_fit(config: RunConfig, parts: RunComponents) -> None:
    check_batch(config.pretrain)
    if parts.image_size > config.data.size and not parts.encoder:
        check_known(parts.backbone)
        raise UsageError(
            f"backbone '{parts.backbone.name}' sees {parts.image_size} px, the prepared images have "
            f"{config.data.size} px; raise --set data.size={parts.image_size}"
        )
    _check_weights(config, parts.method)
    _check_group(config, parts.method)
    patch = parts.backbone.patch_size
    if patch and parts.image_size % patch:
        raise UsageError(f"backbone.image_size must be a multiple of the patch size {patch}, found {parts.image_size}")
    if parts.method.component.masks and not patch:
        raise UsageError(masks_nothing(parts))
    if parts.method.component.uses_labels and config.data.allow_test_in_pretraining:
        raise UsageError(
            f"method '{parts.method.name}' trains on labels, so test patients must stay out of it; leave out "
            "data.allow_test_in_pretraining"
        )
    optimizer = config.pretrain.optimizer_for(patch)
    if parts.method.component.trains:
        check_parallel(config.pretrain, optimizer)
        if optimizer == "lars":
            check_lars(config.pretrain)


def _check_weights(config: RunConfig, method: ResolvedComponent) -> None:
    """Weights of the user's are there where a method needs them, and are not where they would have no effect."""
    if method.component.needs_weights and not (config.backbone.init or config.backbone.encoder):
        raise UsageError(f"method '{method.name}' evaluates given weights; add --encoder NAME=PATH, or --init FILE")
    if config.backbone.init and not (method.component.trains or method.component.needs_weights):
        raise UsageError(
            f"method '{method.name}' is the untrained encoder; leave out --init or use method '{PRETRAINED}'"
        )


def _check_group(config: RunConfig, method: ResolvedComponent) -> None:
    """A group is declared for weights from elsewhere: a run that pretrains is a replicate by itself."""
    check_declared(config.group, config.pretraining_seed)
    if config.group and not method.component.needs_weights:
        raise UsageError(
            f"--group declares whose pretraining given weights are, and method '{method.name}' takes none; leave it out"
        )


def masks_nothing(parts: RunComponents) -> str:
    """The sentence for a method that drops patches with a backbone that has none to drop."""
    return (
        f"method '{parts.method.name}' drops patches and needs a ViT; backbone '{parts.backbone.name}' cannot drop "
        "any; choose vit-tiny or another method"
    )
