"""Where every number of a configuration comes from, without paths of this machine and names of images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import yaml

from ssl_bench.comparison.run import EncoderRun, Setting
from ssl_bench.report.leaderboard import Entry
from ssl_bench.report.run_tables import METRICS
from ssl_bench.report.summary import commit_text
from ssl_bench.report.table import NO_VALUE, Table
from ssl_bench.results.record import Record
from ssl_bench.results.row import MACRO
from ssl_bench.results.shared import share, share_config, share_options, share_row


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
    group = entries[0].group
    records = [share(run.record.but(metrics=(), comparisons=())) for run in group.runs]
    names = {run.path: f"run {number}" for number, run in enumerate(group.runs, start=1)}
    parts = {(part.kind, part.name, f"{part.distribution} {part.version}"): None
             for record in records for part in record.components}  # fmt: skip
    numbers = tuple(
        _numbers(names[run.path], run, entry.setting) for entry in entries for run in entry.line.runs.values()
    )
    return Provenance(
        group.name,
        tuple(dict.fromkeys(str(note) for record in records for note in record.notes)),
        Table(("run", "seed", "git commit", "data", "data fingerprint", "split hash"),
              tuple(_run(names[run.path], run.seed, record)
                    for run, record in zip(group.runs, records, strict=True))),
        Table(("protocol", "run", "seed", *(f"macro {name}" for name in METRICS.values()), "settings"), numbers),
        Table(("kind", "component", "from"), tuple(parts)),
        Table(("", ""), tuple(_versions(records))),
        public_config(records[0]),
    )  # fmt: skip


def _run(name: str, seed: int, record: Record) -> tuple[str, ...]:
    """Where a run lies is of this machine; its fingerprints tell which it is."""
    data = record.data
    told = (
        commit_text(record.environment),
        data.name,
        data.fingerprint,
        data.splits_sha256,
    )
    return (name, str(seed), *(str(value or NO_VALUE) for value in told))


def _numbers(called: str, run: EncoderRun, setting: Setting) -> tuple[str, ...]:
    protocol, dataset, fitted_on = setting
    name = f"{protocol} on {dataset}" + (f", fitted on {fitted_on}" if fitted_on != dataset else "")
    rows = [run.row(setting, MACRO, metric) for metric in METRICS]
    values = [None if row is None else row.value for row in rows]
    chosen = ", ".join(f"{key} {value}" for key, value in share_row(run.rows(setting)[0]).settings.items())
    numbers = (NO_VALUE if value is None else f"{value:.6f}" for value in values)
    return (name, called, str(run.seed), *numbers, chosen or NO_VALUE)


def _versions(records: Iterable[Record]) -> Iterable[tuple[str, str]]:
    """Each package and machine, all values that occur."""
    found: dict[str, dict[str, None]] = {}
    for record in records:
        where = record.environment
        told = {**where.packages, "Python": where.python, "platform": where.platform,
                "processor": where.processor, "GPU": where.gpu}  # fmt: skip
        for name, value in told.items():
            if value:
                found.setdefault(name, {})[str(value)] = None
    return [(name, ", ".join(values)) for name, values in found.items()]


def public_config(record: Record) -> str:
    """The configuration as YAML, as far as it may be shared."""
    shown = {**share_config(record.config), "resolved options": share_options(record.options)}
    return str(yaml.safe_dump(shown, sort_keys=False))
