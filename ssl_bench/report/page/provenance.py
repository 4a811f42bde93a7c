"""Where every number of a configuration comes from, without paths of this machine and names of images."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from ssl_bench.evaluate.members import Member, Place
from ssl_bench.notes import note_of
from ssl_bench.report.leaderboard import Entry
from ssl_bench.report.sections import NO_VALUE, Table
from ssl_bench.report.summary import commit_text
from ssl_bench.report.table import MACRO, METRICS

FOLDER = re.compile(r"[/~\\]|[A-Za-z]:[/\\]|\.{1,2}/|.*[^ ][/\\][^ ]*$")
"""Values of the configuration that name folders or files of the machine."""

HIDDEN = "(a path, not shown)"


@dataclass(frozen=True)
class Provenance:
    """What stands behind the numbers of one configuration.

    Attributes:
        name: of the configuration.
        notes: of its records.
        runs: a line for each run: where it is, its seed, fingerprints, commit.
        numbers: a line for each run and protocol, with the settings that the validation split chose.
        components: plugins with their versions.
        versions: packages, machines.
        config: the configuration as YAML.
    """

    name: str
    notes: tuple[str, ...]
    runs: Table
    numbers: Table
    components: Table
    versions: Table
    config: str


def provenance(entries: Sequence[Entry]) -> Provenance:
    """Everything that the records of a configuration say of its origin, from its rows at all places."""
    arm = entries[0].arm
    records = [member.record for member in arm.members]
    parts = {(part["kind"], part["name"], f"{part['distribution']} {part['version']}"): None
             for record in records for part in record.get("components", ())}  # fmt: skip
    numbers = tuple(_numbers(member, entry.place) for entry in entries for member in entry.line.members.values())
    return Provenance(
        arm.name,
        tuple(dict.fromkeys(note for record in records for note in _public_notes(record))),
        Table(("run", "seed", "git commit", "data", "data fingerprint", "split hash"),
              tuple(_run(member) for member in arm.members)),
        Table(("protocol", "run", "seed", *(f"macro {name}" for name in METRICS.values()), "settings"), numbers),
        Table(("kind", "component", "from"), tuple(parts)),
        Table(("", ""), tuple(_versions(records))),
        public_config(records[0]),
    )  # fmt: skip


def _run(member: Member) -> tuple[str, ...]:
    record, where = member.record, member.record.get("environment", {})
    data = record["data"]
    told = (commit_text(where), data["name"], data.get("fingerprint"), data.get("splits_sha256"))
    return (_folder(member), str(member.seed), *(str(value or NO_VALUE) for value in told))


def _folder(member: Member) -> str:
    """The run's folder by its last name: where it lies is of this machine."""
    return member.path.resolve().name


def _numbers(member: Member, place: Place) -> tuple[str, ...]:
    protocol, dataset, fitted_on = place
    name = f"{protocol} on {dataset}" + (f", fitted on {fitted_on}" if fitted_on != dataset else "")
    rows = [member.row(place, MACRO, metric) for metric in METRICS]
    values = [None if row is None else row["value"] for row in rows]
    settings = ", ".join(f"{key} {value}" for key, value in (member.rows(place)[0].get("settings") or {}).items())
    numbers = (NO_VALUE if value is None else f"{value:.6f}" for value in values)
    return (name, _folder(member), str(member.seed), *numbers, settings or NO_VALUE)


def _versions(records: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, str]]:
    """Each package and machine, all values that occur."""
    found: dict[str, dict[str, None]] = {}
    for record in records:
        where = record.get("environment", {})
        told = {**where.get("packages", {}), "Python": where.get("python"), "platform": where.get("platform"),
                "processor": where.get("processor"), "GPU": where.get("gpu")}  # fmt: skip
        for name, value in told.items():
            if value:
                found.setdefault(name, {})[str(value)] = None
    return [(name, ", ".join(values)) for name, values in found.items()]


def _public_notes(record: Mapping[str, Any]) -> list[str]:
    """Notes without what stays on the machine."""
    return [str(note_of(note).public()) for note in record["notes"]]


def public_config(record: Mapping[str, Any]) -> str:
    """The configuration as YAML, without folders of the machine."""
    return str(yaml.safe_dump(_public({**record["config"], "resolved options": record.get("options", {})}),
                              sort_keys=False))  # fmt: skip


def _public(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _public(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_public(part) for part in value]
    return HIDDEN if isinstance(value, str) and FOLDER.match(value) else value
