"""What a record says to the items of a guideline, as sentences with their place in it.

Every function takes a record of which only what may leave the machine is left (:func:`ssl_bench.results.shared.share`)
and returns sentences; no sentence means that the record has nothing to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ssl_bench.numbers import counted
from ssl_bench.report import summary
from ssl_bench.report.run_tables import METRICS, interval_text, signed_text
from ssl_bench.report.table import Table
from ssl_bench.results.record import Record
from ssl_bench.results.row import MACRO, MetricRow
from ssl_bench.results.rundir import place_name
from ssl_bench.results.standing import standing

Texts = Iterator[str]


@dataclass(frozen=True)
class Fact:
    """A sentence and the keys of ``record.json`` that it was made of."""

    text: str
    place: str


FACTS: dict[str, tuple[str, Callable[[Record], Texts]]] = {}
"""By name: the place in the record, and what reads it."""


def _fact(place: str) -> Callable[[Callable[[Record], Texts]], Callable[[Record], Texts]]:
    def register(read: Callable[[Record], Texts]) -> Callable[[Record], Texts]:
        FACTS[read.__name__.strip("_")] = (place, read)
        return read

    return register


def facts_of(record: Record) -> dict[str, list[Fact]]:
    """All that a record says, by the name of the fact; a folder of ``sslbench probe`` or ``score`` says less."""
    found = {}
    for name, (place, read) in FACTS.items():
        try:
            texts = [text for text in read(record) if text]
        except (KeyError, TypeError, StopIteration):  # a record without the part that it is in
            texts = []
        found[name] = [Fact(" ".join(text.split()), place) for text in texts]
    return found


def _line(table: Table | None, name: str) -> str:
    """A line of a table of the report."""
    return next((text for heading, text in (table.texts() if table else ()) if heading == name), "")


def _main(record: Record) -> str:
    return str(standing(record, [row.encoder for row in record.metrics]))


def _rows(record: Record, *, split: str = "test", subgroup: str = "all") -> list[MetricRow]:
    """Rows of the encoder that stands for the run, fitted with all labels."""
    name = _main(record)
    return [row for row in record.metrics if (row.encoder, row.split, row.subgroup, row.fraction)
            == (name, split, subgroup, 1.0)]  # fmt: skip


@_fact("method, features, fusion")
def _method(record: Record) -> Texts:
    joined = f", EHR features {', '.join(record.features)} joined by {record.fusion}" if record.features else ""
    yield f"self-supervised pretraining of an image encoder by {record.method}{joined}, then frozen and probed"


@_fact("data.name, data.content, synthetic")
def _sources(record: Record) -> Texts:
    data = record.data
    generated = "; the images are generated, no patient is behind them" if record.synthetic else ""
    if data.fingerprint:
        yield f"dataset {data.name}, fingerprint {data.fingerprint}{generated}"


@_fact("data.splits")
def _partitions(record: Record) -> Texts:
    yield _line(summary.run_table(record), "splits")


@_fact("data.rejected, data.counts, notes")
def _left_out(record: Record) -> Texts:
    yield f"images left out as unreadable: {record.data.rejected.get('images', 'none')}"
    if record.data.counts:
        yield f"noticed in the table: {_line(summary.run_table(record), 'noticed')}"


@_fact("config.data.size, config.data.fit, config.backbone, data.grey")
def _preparation(record: Record) -> Texts:
    data, grey = record.config["data"], record.data.grey or {}
    scaled = f", minus {grey['mean']:.4f}, divided by {grey['std']:.4f} (of training images)" if grey else ""
    deep = "16 bits to 8 by percentiles or the DICOM window"
    yield f"one grey channel of {data['size']} px ({data['fit']}); {deep}{scaled}"


@_fact("ehr_columns, ehr_fills, config.ehr")
def _ehr(record: Record) -> Texts:
    if record.features:
        yield f"EHR features in pretraining: {_line(summary.run_table(record), 'EHR features')}"


@_fact("data.labels, config.data.labels")
def _subset(record: Record) -> Texts:
    yield f"{counted(len(record.data.labels), 'finding')}: {', '.join(record.data.labels)}"


@_fact("config.ehr.impute, config.data.blank, config.data.uncertain, data.counts")
def _missing(record: Record) -> Texts:
    data = record.config["data"]
    yield f"uncertain labels: {data['uncertain']}; blank labels: {data['blank']}; unknown labels count in no number"
    if record.features:
        yield f"missing EHR values: imputation {record.config['ehr']['impute']}"
    missing = {name: number for name, number in record.data.counts.items() if name.startswith("missing")}
    if missing:
        yield ", ".join(f"{name}: {number:,} images" for name, number in missing.items())


@_fact("config.data.labels, data.label_space")
def _labels(record: Record) -> Texts:
    data = record.data
    space = data.label_space or record.config["data"]["labels"]
    yield f"labels of the release ({space}): {', '.join(data.labels)}"


@_fact("data.official_split, data.splits_sha256")
def _split(record: Record) -> Texts:
    data = record.data
    how = "the split of the release" if data.official_split else "drawn by patient from the seed"
    if data.splits_sha256:
        yield f"{how}, the same for all runs with SHA-256 {data.splits_sha256} of its patients"


@_fact("trained_on, config.data.allow_test_in_pretraining")
def _disjoint(record: Record) -> Texts:
    opened = record.config["data"].get("allow_test_in_pretraining")
    seen = [part.test_patients for part in record.trained_on.datasets] if record.trained_on else []
    yield "patients: none is in two splits" + ("" if opened else ", and no test patient in pretraining")
    if opened or any(seen):
        yield f"test patients in pretraining: {sum(number or 0 for number in seen)}"


@_fact("metrics.n_positive_patients")
def _power(record: Record) -> Texts:
    yield "no size was planned in the record; intervals say what these patients could show"


@_fact("config.backbone, footprints, cost")
def _architecture(record: Record) -> Texts:
    size = record.footprint_of(_main(record))
    counted = f", {size.parameters:,} parameters" if size.parameters else ""
    yield f"{_line(summary.run_table(record), 'encoder')}{counted}, {size.width or '?'} features"


@_fact("options")
def _options(record: Record) -> Texts:
    yield _line(summary.run_table(record), "pretraining")
    yield f"protocols: {_line(summary.run_table(record), 'evaluation')}"


@_fact("environment.packages, environment.git_commit, components")
def _software(record: Record) -> Texts:
    where = record.environment
    if not where.packages:
        return
    yield f"{_line(summary.environment_table(record), 'packages')}, Python {where.python}"
    yield f"commit {summary.commit_text(where)}"


@_fact("config.backbone.init, config.seed")
def _initial(record: Record) -> Texts:
    backbone = record.config["backbone"]
    given = record.encoder
    began = f"weights of {given.name}, SHA-256 {given.sha256}" if given else "drawn at random"
    told = "the weights of a file" if backbone.get("init") else began
    yield f"{told}; seed {record.config['seed']}"


@_fact("config.pretrain, pretraining")
def _training(record: Record) -> Texts:
    yield _line(summary.run_table(record), "optimisation")
    table = summary.pretraining_table(record)
    for name in ("steps", "images seen", "operations"):
        yield f"{name}: {_line(table, name)}" if table else ""


@_fact("options.method")
def _augmentation(record: Record) -> Texts:
    options = record.options_of("method").get(record.method, {})
    shown = {name: options[name] for name in ("flip", "brightness", "contrast", "blur", "anchor_scale", "focal_scale")
             if name in options}  # fmt: skip
    if shown:
        yield "views: " + ", ".join(f"{name} {value}" for name, value in shown.items())


@_fact("environment, pretraining")
def _hardware(record: Record) -> Texts:
    where = record.environment
    if where.cores:
        yield f"{where.gpu or where.processor}, {where.cores} cores"


@_fact("config.pretrain.evaluated, config.tuning, metrics.settings")
def _selection(record: Record) -> Texts:
    tuning = record.config.get("tuning")
    if tuning:
        yield f"options chosen by a search: budget {tuning.get('budget')}, rule {tuning.get('rule')}"
    else:
        yield "no search over training options; defaults of the method or values of the configuration"
    yield f"encoder: {record.config['pretrain']['evaluated']} of the training"
    yield "strength and neighbours of the protocols: by the validation split"


@_fact("metrics")
def _ensemble(record: Record) -> Texts:
    yield "none: each number is of one encoder"


@_fact("metrics.metric")
def _metrics(record: Record) -> Texts:
    names = dict.fromkeys(row.metric for row in record.metrics if not row.metric.endswith("_gap"))
    yield f"on the test split: {', '.join(names)}; macro mean over findings with patients enough for an interval"


@_fact("config.evaluate.replicates, comparisons")
def _uncertainty(record: Record) -> Texts:
    yield (
        f"95 % intervals from {record.config['evaluate']['replicates']:,} resamples of patients, not of images; "
        "differences paired on the same resamples; p adjusted by Holm in tables"
    )


@_fact("config.seed")
def _seeds(record: Record) -> Texts:
    yield f"seed {record.config['seed']}"


@_fact("metrics.encoder")
def _robustness(record: Record) -> Texts:
    others = sorted({row.encoder for row in record.metrics} - {_main(record)})
    if others:
        yield f"the same protocols on {' and '.join(others)}"


@_fact("metrics.dataset")
def _internal(record: Record) -> Texts:
    yield from _performance_on(record, lambda row: row.dataset == record.data.name)


@_fact("external, metrics.dataset")
def _external(record: Record) -> Texts:
    for part in record.external:
        images = ", ".join(f"{name} {size.images:,} images" for name, size in part.splits.items())
        yield f"tested on {part.name} ({part.mode}): {images}"
    yield from _performance_on(record, lambda row: row.dataset != record.data.name)


@_fact("metrics")
def _performance(record: Record) -> Texts:
    yield from _performance_on(record, lambda row: True)
    for row in record.comparisons:
        if (row.split, row.label, row.metric, row.encoder) == ("test", MACRO, "auroc", _main(record)):
            yield f"{row.protocol}: macro AUROC minus {row.against} {signed_text(row)}"


def _performance_on(record: Record, wanted: Callable[[MetricRow], bool]) -> Texts:
    for row in _rows(record):
        if row.label == MACRO and row.metric in METRICS and wanted(row):
            yield f"{place_name(row, record.data.name)}: macro {METRICS[row.metric]} {interval_text(row)}"


@_fact("metrics.n_positive_patients")
def _prevalence(record: Record) -> Texts:
    rows = [row for row in _rows(record) if row.metric == "auroc" and row.label != MACRO]
    first = [row for row in rows if row.protocol == rows[0].protocol]
    yield "test split, positive patients (images): " + ", ".join(
        f"{row.label} {row.n_positive_patients:,} ({row.n_positive:,})" for row in first)  # fmt: skip


@_fact("metrics.threshold")
def _operating(record: Record) -> Texts:
    for row in _rows(record):
        if row.label == MACRO and row.metric.startswith(("sensitivity-at", "specificity-at")):
            yield f"{row.protocol}: macro {row.metric} {interval_text(row)}, thresholds chosen on validation"


@_fact("notes")
def _notes(record: Record) -> Texts:
    for note in record.notes:
        yield str(note)


@_fact("config")
def _protocol(record: Record) -> Texts:
    yield "the whole configuration is in the record; a preregistered plan is not"


@_fact("encoders, encoder")
def _weights(record: Record) -> Texts:
    found = record.encoders.get(_main(record))
    if found:
        yield f"encoder with SHA-256 {found.sha256} ({found.of}); sslbench export writes it with a card"


@_fact("features, ehr_columns")
def _predictors(record: Record) -> Texts:
    told = f"; {', '.join(record.ehr_columns)} in pretraining alone" if record.features else ""
    yield f"the image, as {record.data.labels and 'frozen'} features of the encoder{told}"


@_fact("pretraining")
def _updating(record: Record) -> Texts:
    yield "none: no model was updated or recalibrated after its evaluation"


@_fact("options.evaluator, metrics.settings")
def _predictions(record: Record) -> Texts:
    names = ", ".join(record.config["evaluate"]["protocols"])
    yield f"scores for each finding by {names}, fitted on the training split; kept by image in predictions/"


@_fact("metrics.chance")
def _imbalance(record: Record) -> Texts:
    yield "no resampling or weighting of classes by the suite; AUPRC stands beside the prevalence of each finding"


@_fact("metrics.subgroup")
def _subgroups(record: Record) -> Texts:
    for row in record.metrics:
        whole = (row.encoder, row.split, row.label, row.fraction) == (_main(record), "test", MACRO, 1.0)
        if whole and row.metric == "auroc_gap":
            yield f"{row.protocol}: gap in macro AUROC by {row.subgroup} {signed_text(row)} ({row.note})"
