"""What of a record may leave the machine: fields that are declared here, and options whose words are declared.

Everything else stays: a field that nobody has thought of is not shared. Numbers say nothing of a folder or a person; a
text is shared where it is a name of the suite (component, dataset, finding, feature, split), or one of the words that
the type of an option lists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from ssl_bench.config.config import Choice, EncoderChoice, RunConfig
from ssl_bench.errors import HandledError
from ssl_bench.plugin.registry import installed
from ssl_bench.results.record import Record
from ssl_bench.results.row import MetricRow

AS_IT_IS = (
    "schema", "synthetic", "method", "fusion", "downstream_fusion", "features", "ehr_columns", "ehr_fills", "recipe",
    "without_encoder", "cost", "seconds",
)  # fmt: skip
"""Keys of a record that hold names of the suite and numbers alone."""

DATA = ("name", "fingerprint", "content", "splits_sha256", "official_split", "splits", "labels", "label_space",
        "datasets", "counts", "grey", "dataset", "mode", "synthetic")  # fmt: skip
"""Keys of what a record says of a dataset, its own or another that was tested on."""

PARTS = {
    "components": ("kind", "name", "distribution", "version"),
    "trained_on": ("complete", "images", "datasets"),
    "footprints": ("parameters", "image_flops", "image_size", "width", "pretraining_images"),
    "environment": ("packages", "python", "processor", "cores", "threads", "gpu", "git_commit", "git_changed"),
    "pretraining": ("steps", "images_seen", "crops_seen", "seconds", "images_per_second", "precision", "device",
                    "processes", "resumed_at", "final", "nonfinite_steps"),
    "encoders": ("sha256", "of"),
    "encoder": ("name", "sha256", "verified", "trained_on", "preprocessing", "pooling", "width", "parameters",
                "image_flops"),
}  # fmt: skip

ROWS = (
    "encoder", "against", "dataset", "fitted_on", "protocol", "seed", "split", "subgroup", "fraction", "draw", "label",
    "metric", "value", "value_all", "ci_low", "ci_high", "percentile_low", "percentile_high", "p", "p_holm", "delong_p",
    "macro_labels", "all_labels", "n_images", "n_patients", "n_known", "n_known_patients", "n_positive",
    "n_positive_patients", "n_negative", "n_negative_patients", "n_studies", "chance", "threshold", "unit",
    "aggregate",
)  # fmt: skip
"""Keys of a row of metrics or comparisons; its ``settings`` are shared as far as they are numbers."""

NAMES = (
    "budget",
    "shared",
    "space",
    "preset",
    "recipe",
    "group",
    "name",
    "labels",
    "called",
    "features",
    "impute_features",
    "protocols",
    "metrics",
    "pooling",
    "normalise",
)
"""Texts of the configuration that name something of the suite, a finding or a feature."""

FOLDER = re.compile(r"[/~\\]|[A-Za-z]:[/\\]|\.{1,2}/|.*[^ ][/\\][^ ]*$")
"""Texts that name folders or files of the machine; no declared text may be one."""

PLACE = re.compile(r"(^|[\s(])([/~\\]|[A-Za-z]:[/\\]|\.{1,2}/)")
"""A folder of the machine among words that may hold an address (``github.com/google-research/simclr``)."""


def share(record: Record) -> Record:
    """The part of a record that may leave the machine.

    Args:
        record: of a finished run.
    """
    public = {"notes": [note.public() for note in record.notes]} if "notes" in record.model_fields_set else {}
    return Record.model_validate({**_shared(record.as_json()), **public})


def _shared(record: Mapping[str, Any]) -> dict[str, Any]:
    found = _some(record, AS_IT_IS)
    for key, names in PARTS.items():
        if key in record:
            found[key] = _each(record[key], names)
    if record.get("encoder"):  # words of its plugin, which may hold an address
        found["encoder"] |= {key: record["encoder"].get(key) for key in ("licence", "revision", "source")}
    if "rates_from" in record:
        told = record["rates_from"]
        found["rates_from"] = None if told is None or PLACE.search(told) else told
    if "environment" in record:  # of the system its kind alone: people name what they build
        found["environment"]["platform"] = str(record["environment"].get("platform", "")).split("-")[0]
    if "config" in record:
        found["config"] = share_config(record["config"])
    if "options" in record:
        found["options"] = share_options(record["options"])
    if "data" in record:
        found["data"] = _dataset(record["data"])
    if "external" in record:
        found["external"] = [_external(part) for part in record["external"]]
    for key in ("metrics", "comparisons"):
        if key in record:
            found[key] = [_row(row) for row in record[key]]
    return found


def share_options(options: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Resolved options by kind and name, of each what is declared."""
    return {kind: {name: _options(kind, name, values) for name, values in chosen.items()}
            for kind, chosen in options.items()}  # fmt: skip


def speakable(record: Record) -> Record:
    """The record with the configuration and options that may be shared, to make names of."""
    return record.but(config=share_config(record.config), options=share_options(record.options))


def share_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration without folders and without texts that are not declared; it still can be run."""
    return _section(RunConfig, config)


def _some(table: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    found = {name: _texts(table[name]) for name in names if name in table}
    return {name: value for name, value in found.items() if value is not None or table[name] is None}


def _each(part: Any, names: Iterable[str]) -> Any:
    """Some keys of a table, of each table in a list, or of each in a table of tables."""
    if isinstance(part, list | tuple):
        return [_some(item, names) for item in part]
    if isinstance(part, Mapping) and part and all(isinstance(value, Mapping) for value in part.values()):
        return {key: _some(value, names) for key, value in part.items()}
    return None if part is None else _some(part, names)


def _texts(value: Any) -> Any:
    """Declared values; a text among them that names a folder is none that was meant."""
    if isinstance(value, Mapping):
        return {key: _texts(part) for key, part in value.items() if not FOLDER.match(str(key))}
    if isinstance(value, list | tuple):
        return [_texts(part) for part in value]
    return None if isinstance(value, str) and FOLDER.match(value) else value


def _dataset(data: Mapping[str, Any]) -> dict[str, Any]:
    """Counts instead of the names of images that were left out."""
    rejected = data.get("rejected")
    counted = {} if rejected is None else {"rejected": {"images": len(rejected)} if rejected else {}}
    return {**_some(data, DATA), **counted}


def _external(part: Mapping[str, Any]) -> dict[str, Any]:
    component = {"component": _some(part["component"], PARTS["components"])} if "component" in part else {}
    options = {"options": _options("dataset", str(part.get("dataset")), part["options"])} if "options" in part else {}
    return {**_dataset(part), **component, **options}


def share_row(row: MetricRow) -> MetricRow:
    """What of a row of metrics may be shared."""
    return MetricRow.model_validate(_row(row.as_json()))


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    """What of a row of metrics or comparisons may be shared."""
    # A note of the core is made of counts, findings and groups; one that names a file is a plugin's.
    note = {"note": "" if FOLDER.match(str(row["note"])) else row["note"]} if "note" in row else {}
    settings = {"settings": _numbers(row["settings"])} if "settings" in row else {}
    return {**_some(row, ROWS), **settings, **note}


def _numbers(value: Any) -> Any:
    """Numbers, switches and none, in tables and lists as they stand; texts are left out."""
    if isinstance(value, Mapping):
        return {key: _numbers(part) for key, part in value.items() if not isinstance(part, str)}
    if isinstance(value, list | tuple):
        return [_numbers(part) for part in value if not isinstance(part, str)]
    return value


def _section(model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        field = model.model_fields.get(key)
        if field is not None:
            _put(found, key, _field(key, field, value, values))
    return found


HIDDEN = object()
"""In the place of a value that stays."""


def _put(table: dict[str, Any], key: str, value: Any) -> None:
    if value is not HIDDEN:
        table[key] = value


def _field(key: str, field: Any, value: Any, beside: Mapping[str, Any]) -> Any:
    kind = {"method": "method", "fusion": "fusion", "loggers": "logger", "baselines": "method"}.get(key)
    inner = next((part for part in _leaves(field.annotation) if isinstance(part, type) and issubclass(part, BaseModel)),
                 None)  # fmt: skip
    if value is None:
        return None
    if kind == "logger":  # where curves go is of this machine, or names a project and its host
        return [{"name": chosen["name"]} if isinstance(chosen, Mapping) else chosen for chosen in value]
    if inner is Choice:
        several = isinstance(value, list | tuple)
        return [_chosen(str(kind), item) for item in value] if several else _chosen(str(kind), value)
    if inner is EncoderChoice:
        return _chosen("encoder", value) | _section(EncoderChoice, value)
    if inner is not None:
        return [_section(inner, item) for item in value] if isinstance(value, list | tuple) else _section(inner, value)
    if "protocols" in beside and (part := {"options": "evaluator", "metric_options": "metric"}.get(key)):
        return {name: _options(part, name, values) for name, values in value.items()}
    if key == "options":
        dataset = "image_size" not in beside
        return _options("dataset", str(beside.get("name")), value) if dataset else _texts(value)
    return _value(value, field, declared=key in NAMES)


def _chosen(kind: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """A component by name with those of its options that may be shared."""
    return {"name": value["name"], **_options(kind, value["name"], value)} if "name" in value else {}


def _options(kind: str, name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Options whose values are numbers, words that their type lists, or declared as shareable."""
    model = _model(kind, name)
    found: dict[str, Any] = {}
    for key, value in values.items():
        if model is None:
            if key != "name" and not isinstance(value, str):
                found[key] = _numbers(value)
        elif key in model.model_fields:
            field = model.model_fields[key]
            extra = field.json_schema_extra
            _put(found, key, _value(value, field, declared=isinstance(extra, dict) and bool(extra.get("shareable"))))
    return found


@cache
def _model(kind: str, name: str) -> type[BaseModel] | None:
    """The options of a component; None where no plugin here has it, or not under this name."""
    try:
        return installed().get(kind, name).options_model()  # type: ignore[no-any-return]
    except HandledError:
        return None


def _value(value: Any, field: Any, *, declared: bool) -> Any:
    """A value of a field, :data:`HIDDEN` where a text in it is not declared."""
    if isinstance(value, str):
        known = declared or value in _literals(field.annotation)
        if known and not FOLDER.match(value):
            return value
        return None if type(None) in _leaves(field.annotation) else HIDDEN
    if isinstance(value, list | tuple):
        items = [_value(item, field, declared=declared) for item in value]
        return HIDDEN if any(item is HIDDEN for item in items) else items
    if isinstance(value, Mapping):
        table = {key: _value(part, field, declared=declared) for key, part in value.items()}
        return {key: item for key, item in table.items() if item is not HIDDEN}
    return value


@cache
def _literals(annotation: Any) -> frozenset[str]:
    """The words that a type lists."""
    if get_origin(annotation) is Literal:
        return frozenset(item for item in get_args(annotation) if isinstance(item, str))
    return frozenset().union(*(_literals(part) for part in get_args(annotation) if _hashable(part)))


def _leaves(annotation: Any) -> list[Any]:
    parts = [part for part in get_args(annotation) if part is not Ellipsis]
    return [leaf for part in parts for leaf in _leaves(part)] if parts else [annotation]


def _hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True
