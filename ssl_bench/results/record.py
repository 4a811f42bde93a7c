"""``record.json``: written with a hash of itself and of every file it speaks of, and read back whole or refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from ssl_bench.errors import DataError, UsageError
from ssl_bench.files import write_json
from ssl_bench.plugin.notes import note_of, parts_of

SCHEMA = 2
"""Version of ``record.json``; docs/record.md describes it."""

BEFORE = 1
"""The version before it, whose options are by name alone and whose notes are bare sentences; it has no hashes."""

SHAPES: dict[str, type] = {
    "metrics": list, "comparisons": list, "notes": list, "features": list, "components": list, "external": list,
    "config": dict, "data": dict, "options": dict, "files": dict, "environment": dict, "seconds": dict,
}  # fmt: skip
"""What stands under a key of a record that has it."""


def write(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record with its own hash; its notes in parts.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    notes = {"notes": parts_of(record["notes"])} if "notes" in record else {}
    body = {key: value for key, value in {**record, **notes}.items() if key != "sha256"}
    write_json(path, {**body, "sha256": digest(body)})


def digest(body: Mapping[str, Any]) -> str:
    """Hash of a record's values, whatever the order of its keys."""
    return _digest_of_parsed(json.loads(json.dumps(body, allow_nan=False)))  # a number as a key is text in JSON


def _digest_of_parsed(body: Mapping[str, Any]) -> str:
    """As :func:`digest`, of what was read from JSON and need not be written and read once more."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def read(path: Path) -> dict[str, Any]:
    """A record as it was written; its notes are :class:`ssl_bench.plugin.notes.Note`.

    Raises:
        UsageError: another version wrote it.
        DataError: it is damaged, no record, or was changed after it was written.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is damaged ({error}); restore it, or run again") from None
    if not isinstance(record, dict):
        raise DataError(f"{path} is damaged (it holds no table of keys); restore it, or run again")
    schema = record.get("schema")
    if schema not in (SCHEMA, BEFORE) or isinstance(schema, bool):
        raise UsageError(
            f"{path} has schema {json.dumps(schema)}, this version reads schema {SCHEMA}; use the version of sslbench "
            "that wrote it"
        )
    found = record.pop("sha256", None)
    if schema == SCHEMA and found != _digest_of_parsed(record):
        raise DataError(f"{path} is not what a run wrote: its values differ from the hash in it; restore it, or run "
                        "again")  # fmt: skip
    try:
        return _whole(record if schema == SCHEMA else _upgraded(record))
    except (TypeError, KeyError, AttributeError) as error:
        told = " ".join(str(error).split())
        raise DataError(f"{path} is damaged ({told}); restore it, or run again") from None


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of a record")


def _whole(record: dict[str, Any]) -> dict[str, Any]:
    """The record with notes to read.

    Raises:
        TypeError: something of another kind stands under a key.
    """
    if not isinstance(record.get("metrics", []), list) or "metrics" not in record:
        raise TypeError("it has no rows of metrics")
    for key, kind in SHAPES.items():
        if key in record and not isinstance(record[key], kind):
            raise TypeError(f"'{key}' must be a {kind.__name__}, found {type(record[key]).__name__}")
    for row in (*record["metrics"], *record.get("comparisons", ())):
        if not isinstance(row, dict):
            raise TypeError(f"a row of metrics must be a table, found {type(row).__name__}")
    return {**record, **({"notes": [note_of(note) for note in record["notes"]]} if "notes" in record else {})}


def _upgraded(record: dict[str, Any]) -> dict[str, Any]:
    """A record of the version before as one of this."""
    kinds = {part["name"]: part["kind"] for part in record.get("components", ())}
    options: dict[str, dict[str, Any]] = {}
    for name, values in record.get("options", {}).items():
        options.setdefault(kinds.get(name, "evaluator"), {})[name] = values
    return {**record, "schema": SCHEMA, **({"options": options} if "options" in record else {})}
