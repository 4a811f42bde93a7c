"""What was run on what, as names and texts: configuration, data, provenance, pretraining."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ssl_bench.numbers import counted, duration
from ssl_bench.report.table import NO_VALUE, Table
from ssl_bench.results.record import Data, Environment, External, Record


def run_table(record: Record) -> Table:
    """The configuration in words, with fingerprints of data and splits."""
    config, data = record.config, record.data
    lines = [
        ("pretraining", f"{record.method}, recipe {record.recipe}{_options(record, 'method', record.method)}"),
        ("EHR features", _features(record)),
        ("encoder", _encoder(config["backbone"])),
        ("data", f"{data.name}, labels {data.label_space or config['data']['labels']}, "
                 f"uncertain labels: {config['data']['uncertain']}, blank labels: {config['data']['blank']}"),
        ("splits", _splits(data)),
        ("noticed", _pairs(data.counts) or "nothing unusual"),
        *(("tested on", _external(part)) for part in record.external),
        ("images left out", _pairs(data.rejected) or "none"),
        ("data fingerprint", data.fingerprint or NO_VALUE),
        ("split hash (SHA-256)", data.splits_sha256 or NO_VALUE),
        ("optimisation", _pairs(config["pretrain"], without=("log_every", "checkpoint_every", "accelerator"))),
        ("evaluation", _evaluation(record)),
        ("seed", str(config["seed"])),
    ]  # fmt: skip
    return Table(("", ""), tuple(lines))


def component_table(record: Record) -> Table:
    """Every component with the distribution it comes from."""
    rows = tuple((part.kind, part.name, f"{part.distribution} {part.version}") for part in record.components)
    return Table(("kind", "component", "from"), rows)


def environment_table(record: Record) -> Table:
    """Packages and machine."""
    where = record.environment
    rows = (
        ("packages", _pairs({name: version for name, version in where.packages.items() if version})),
        ("Python", where.python or NO_VALUE),
        ("platform", where.platform or NO_VALUE),
        ("processor", f"{where.processor}, {where.cores} cores, {where.threads} threads used"),
        ("GPU", where.gpu or "none"),
        ("git commit", commit_text(where)),
    )
    return Table(("", ""), rows)


def commit_text(where: Environment) -> str:
    """The commit of the suite's code, and whether the code was another one."""
    return f"{where.git_commit or NO_VALUE}{', with changes' * bool(where.git_changed)}"


def pretraining_table(record: Record) -> Table | None:
    """Length, speed and last logged values of pretraining; None where the run had none."""
    summary = record.pretraining
    if not summary:
        return None
    final = {name: f"{value:.4g}" for name, value in summary.final.items() if name not in ("step", "epoch")}
    resumed = f", resumed at step {summary.resumed_at:,}" if summary.resumed_at else ""
    rows = (
        ("steps", f"{summary.steps:,}{resumed}"),
        ("images seen", f"{summary.images_seen:,}, as {summary.crops_seen:,} crops"),
        ("operations", f"{(record.cost.flops or 0) / 1e12:,.1f} TFLOP" if record.cost else NO_VALUE),
        ("time", f"{duration(summary.seconds)}, {summary.images_per_second:,.0f} images/s"),
        ("device", f"{summary.device}, precision {summary.precision}"),
        ("last logged values", _pairs(final)),
    )
    return Table(("", ""), rows)


def _external(part: External) -> str:
    """Another dataset that was tested on."""
    images = ", ".join(f"{name} {counted(size.images, 'image')}" for name, size in part.splits.items())
    return f"{part.name}, mode {part.mode}, {images}, {counted(len(part.labels), 'finding')}; {part.fingerprint}"


def _options(record: Record, kind: str, name: str) -> str:
    options = record.options_of(kind).get(name) or {}
    return f"; {_pairs(options)}" if options else ""


def _features(record: Record) -> str:
    if not record.features:
        return "none"
    fills = _pairs(record.ehr_fills)
    gaps = f"gaps filled with {fills}" if fills else "gaps marked as missing"
    fusion = f"{record.fusion}{_options(record, 'fusion', record.fusion)}" if record.fusion else "no fusion"
    columns = ", ".join(record.ehr_columns)
    return f"{', '.join(record.features)}, joined by {fusion}; as columns {columns}; {gaps}"


def _encoder(backbone: Mapping[str, Any]) -> str:
    size = f" at {backbone['image_size']} px" if backbone["image_size"] else ""
    options = f"; {_pairs(backbone['options'])}" if backbone["options"] else ""
    return f"{backbone['name']}{size}{options}"


def _splits(data: Data) -> str:
    order = [name for name in ("train", "validate", "test") if name in data.splits]
    sizes = [f"{name} {data.splits[name].images:,} images of {data.splits[name].patients:,} patients"
             for name in order]  # fmt: skip
    source = "the dataset's own split" if data.official_split else "split by patient here"
    return f"{'; '.join(sizes)} ({source})"


def _evaluation(record: Record) -> str:
    evaluate = record.config["evaluate"]
    texts = [f"{name}{_options(record, 'evaluator', name)}" for name in evaluate["protocols"]]
    return f"{' | '.join(texts)}; intervals from {evaluate['replicates']:,} resamples of patients"


def _pairs(values: Mapping[str, Any], without: Iterable[str] = ()) -> str:
    """``prototypes 32, temperature 0.1``."""
    return ", ".join(f"{key} {_value(value)}" for key, value in values.items() if key not in without)


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "(" + ", ".join(_value(item) for item in value) + ")"
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
