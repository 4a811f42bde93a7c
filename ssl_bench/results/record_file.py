"""``record.json``: written with a hash of itself and of every file it speaks of, and read back whole or refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from ssl_bench.errors import DataError, UsageError
from ssl_bench.files import write_json
from ssl_bench.results.record import SCHEMA, Record

BEFORE = 1
"""The version before, whose options are by name alone and whose notes are bare sentences; it has no hashes."""


def write(path: Path, record: Record) -> None:
    """Write a record with its own hash.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    body = {key: value for key, value in record.as_json().items() if key != "sha256"}
    write_json(path, {**body, "sha256": digest(body)})


def digest(body: Mapping[str, Any]) -> str:
    """Hash of a record's values, whatever the order of its keys."""
    return _digest_of_parsed(json.loads(json.dumps(body, allow_nan=False)))  # a number as a key is text in JSON


def _digest_of_parsed(body: Mapping[str, Any]) -> str:
    """As :func:`digest`, of what was read from JSON and need not be written and read once more."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def read(path: Path) -> Record:
    """A record as it was written.

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
        return Record.model_validate(record if schema == SCHEMA else _upgraded(record))
    except (TypeError, KeyError, AttributeError, ValidationError) as error:
        raise DataError(f"{path} is damaged ({_told(error)}); restore it, or run again") from None


def _told(error: Exception) -> str:
    """What is wrong in one line: of a record the first key that is."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return " ".join(f"{'.'.join(map(str, first['loc']))}: {first['msg']}".split())
    return " ".join(str(error).split())


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of a record")


def _upgraded(record: dict[str, Any]) -> dict[str, Any]:
    """A record of the version before as one of this."""
    kinds = {part["name"]: part["kind"] for part in record.get("components", ())}
    options: dict[str, dict[str, Any]] = {}
    for name, values in record.get("options", {}).items():
        options.setdefault(kinds.get(name, "evaluator"), {})[name] = values
    return {**record, "schema": SCHEMA, **({"options": options} if "options" in record else {})}


def json_schema() -> str:
    """The published schema of ``record.json``, made of the models: ``docs/record.schema.json``."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Record.model_json_schema(by_alias=True)}
    return json.dumps(schema, indent=1) + "\n"


if __name__ == "__main__":
    print(json_schema(), end="")
