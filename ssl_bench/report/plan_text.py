"""The plan of a dry run in words."""

from __future__ import annotations

from collections.abc import Sequence

from ssl_bench.build.remembered import remembered
from ssl_bench.build.size import Estimate
from ssl_bench.errors import shortened
from ssl_bench.numbers import counted
from ssl_bench.plan.external import External
from ssl_bench.plan.plan import Plan
from ssl_bench.plan.settle import whose_rates
from ssl_bench.plugin.cohort import RAW
from ssl_bench.plugin.vocabulary import coverage
from ssl_bench.pretrain.accelerators import chosen_accelerator, missing_device
from ssl_bench.report.spoken import Spoken


def print_plan(plan: Plan) -> None:
    """Print what a run would do: data, splits, features, method, encoder, steps, memory."""
    console = Spoken()
    for name, text in plan_lines(plan, remembered(plan)):
        console.print(f"{name + ':':<12}{text}", soft_wrap=True)


def plan_lines(plan: Plan, size: Estimate) -> list[tuple[str, str]]:
    """The plan and its cost as names and texts."""
    config, parts, cohort = plan.config, plan.parts, plan.cohort
    lines = [
        ("data", f"{cohort.name}, {len(cohort):,} images of {cohort.frame['patient_id'].nunique():,} patients"),
        ("splits", "; ".join(_split_text(plan, name) for name in plan.manifest["patients"])),
        ("findings", ", ".join(cohort.labels)),
        ("noticed", ", ".join(f"{count} {what}" for what, count in cohort.counts.items()) or "nothing unusual"),
        ("features", _feature_text(plan)),
        ("method", f"{parts.method.name}, recipe {config.recipe}; {_options(parts.method.options.model_dump())}"),
        ("fusion", parts.fusion.name if parts.fusion else "none"),
        ("encoder", f"{parts.backbone.name} at {parts.image_size} px, {size.encoder_parameters:,} parameters"),
        ("trained", f"{size.trainable_parameters:,} parameters, heads and fusion included"),
        ("views", ", ".join(f"{group.count} {group.name} {group.size} px" for group in size.views) or "none"),
        ("steps", f"{plan.steps:,} = {counted(config.pretrain.epochs, 'epoch')} in batches of "
                  f"{config.pretrain.batch_size}"),
        *([("rates", _rate_text(plan))] if plan.steps else []),
        ("cost", f"{size.step_flops / 1e9:,.1f} GFLOP a step, {size.step_flops * plan.steps / 1e12:,.1f} TFLOP in all"),
        ("memory", f"about {size.memory_bytes / 2**30:.2f} GiB for training in float32{_sparing_text(plan)}, and "
                   f"{size.store_bytes / 2**30:.2f} GiB of prepared images ({config.data.residency})"),
        ("device", _device_text(plan)),
        ("evaluation", ", ".join(evaluator.name for evaluator in parts.evaluators)),
    ]  # fmt: skip
    for external in plan.external:
        lines += [("tested on", _external_text(external)), ("overlap", _overlap_text(cohort.labels, external))]
    return [*lines, *(("note", note) for note in plan.notes)]


def _device_text(plan: Plan) -> str:
    pretrain = plan.config.pretrain
    processes = f", {pretrain.processes} processes" if pretrain.processes > 1 else ""
    lacking = missing_device(pretrain)
    told = f"; not on this machine: {lacking}" if lacking else ""
    return f"{chosen_accelerator(pretrain)}{processes}{told}"


def _sparing_text(plan: Plan) -> str:
    pretrain = plan.config.pretrain
    asked = [f"--accumulate {pretrain.accumulate}"] if pretrain.accumulate > 1 else []
    asked += ["--checkpoint-activations"] if pretrain.checkpoint_activations else []
    return f" but for {' and '.join(asked)}, which need less" if asked else ""


def _rate_text(plan: Plan) -> str:
    pretrain, parts = plan.config.pretrain, plan.parts
    start, end = pretrain.decay
    decay = f"decay {start:g}" + (f" to {end:g}" if end != start else "")
    whose = whose_rates(plan.config, parts.method.component, parts.backbone)
    return f"{pretrain.peak:.3g} to {pretrain.lr_end:g}, {decay} ({whose})"


def _external_text(external: External) -> str:
    test, where = len(external.cohort.split("test")), "here" if external.mode == "head" else "there"
    return f"{external.name}, {test:,} images, heads fitted {where} ({external.mode}); {', '.join(external.labels)}"


def _overlap_text(home: Sequence[str], external: External) -> str:
    """What a run and another dataset share, under which names, and what either has alone."""
    own = [label for label in external.cohort.labels if f"{RAW}{label}" in external.cohort.frame]  # but for unions
    held = coverage(own, home)
    taken = {*held.direct.values(), *(part for parts in held.unions.values() for part in parts)}
    alone = [label for label in own if label not in taken]
    renamed = f" ({shortened(held.described(), 6)})" if held.described() else ""
    return (
        f"{external.name} has {len(held)} of {len(home)} findings{renamed}; only here: "
        f"{shortened(held.lacking, 6) or 'none'}; only there: {shortened(alone, 6) or 'none'}"
    )


def _split_text(plan: Plan, name: str) -> str:
    patients = len(plan.manifest["patients"][name])
    return f"{name} {len(plan.cohort.split(name)):,} images of {patients:,} patients"


def _feature_text(plan: Plan) -> str:
    if not plan.parts.features:
        return "none"
    return f"{', '.join(plan.parts.features)} as {len(plan.schema)} columns: {', '.join(plan.schema.columns)}"


def _options(values: dict[str, object]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items()) or "no options"
