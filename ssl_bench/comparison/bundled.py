"""Results to pass on: records as far as they may be shared, and predictions where a dataset's terms allow it.

A bundle is a folder of small run directories with ``bundle.json``, which holds the hash of every file and of itself.
Who reads one computes the numbers again: a row that does not follow from its predictions refuses its run, and a row
that cannot be computed again (subgroups, other metrics, data whose predictions may not be shared) is not shown.
No torch.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ssl_bench.comparison.run import table_of
from ssl_bench.errors import DataError, HandledError, UsageError, shortened
from ssl_bench.files import new_folder, sha256, write_json
from ssl_bench.plugin.registry import Registry
from ssl_bench.results import record_file
from ssl_bench.results.record import Record
from ssl_bench.results.row import Measurement, MetricRow
from ssl_bench.results.rows import table_rows
from ssl_bench.results.rundir import RunDirectory, check_trained, prediction_file
from ssl_bench.results.shared import share
from ssl_bench.stats.intervals import NAMES
from ssl_bench.stats.predictions import in_unit_of

KIND = "sslbench bundle"
SCHEMA = 1
MANIFEST = "bundle.json"
CLOSE = 1e-6
"""A number of a record and the same computed again may differ by this: processors sum in different orders."""

COMPARED = ("value", "ci_low", "ci_high")
IDENTITY = ("encoder", "dataset", "fitted_on", "protocol", "split", "subgroup", "fraction", "draw")
SAMPLES = 1000
"""Resamples where a configuration names none, as of predictions from elsewhere."""


@dataclass(frozen=True)
class Bundle:
    """A written bundle.

    Attributes:
        path: its folder.
        sha256: of its manifest, for a paper: it stands for every file.
        runs: how many.
        withheld: datasets whose predictions may not be shared.
    """

    path: Path
    sha256: str
    runs: int
    withheld: tuple[str, ...]


def write_bundle(
    runs: Sequence[Path],
    out: Path,
    registry: Registry,
    *,
    predictions: bool = True,
    also: Callable[[Path, Mapping[str, Path]], None] | None = None,
) -> Bundle:
    """Write finished runs to pass on, all of them or nothing.

    Args:
        runs: their folders.
        out: a new folder.
        registry: whose datasets say whether their predictions may be shared.
        predictions: with them, where they may.
        also: called with the folder and each run's own by its name in it, once all is written.

    Raises:
        UsageError: the folder holds something, or a run is not finished.
        DataError: a record or a file that it speaks of is damaged.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is not empty; give a new folder")
    withheld: dict[str, None] = {}
    with new_folder(out) as folder:
        told = {}
        for number, path in enumerate(runs, start=1):
            name = f"run-{number}"
            record = RunDirectory(path).read_record()
            check_trained(record, path)
            places = _datasets(record)
            free = {place for place in places if predictions and may_share(record, place, registry)}
            withheld |= dict.fromkeys(place for place in places if place not in free)
            told[name] = _write_run(RunDirectory(path), record, RunDirectory(folder / name), free)
        values = {"kind": KIND, "schema": SCHEMA, "runs": told}
        values["sha256"] = record_file.digest(values)
        write_json(folder / MANIFEST, values)
        if also:
            also(folder, {f"run-{number}": path for number, path in enumerate(runs, start=1)})
    return Bundle(out, str(values["sha256"]), len(told), tuple(withheld))


def _datasets(record: Record) -> list[str]:
    return list(dict.fromkeys(str(row.dataset) for row in record.metrics))


def may_share(record: Record, dataset: str, registry: Registry) -> bool:
    """Whether predictions by image of a dataset may be passed on: it is generated, or its plugin says so."""
    data = record.data
    if dataset == data.name:
        if len(data.datasets) > 1:  # what may be done with one says nothing of the others
            return False
        name, synthetic = record.settings.data.name or dataset, record.synthetic
    else:
        part = next((part for part in record.external if part.name == dataset), None)
        if part is None:
            return False
        name, synthetic = part.dataset or dataset, part.synthetic
    if synthetic:
        return True
    try:
        return bool(registry.get("dataset", name).share_predictions)
    except HandledError:  # no plugin that would know
        return False


def _write_run(run: RunDirectory, record: Record, out: RunDirectory, free: set[str]) -> dict[str, Any]:
    """One run of a bundle; returns its line in the manifest."""
    shared = share(record)
    out.path.mkdir()
    out.write_config(shared.config)
    for row, told in zip(record.metrics, shared.metrics, strict=True):  # its options without words: another key
        source = run.predictions(row.encoder, *prediction_file(row))
        target = out.predictions(row.encoder, *prediction_file(told))
        if row.dataset in free and source.is_file() and not target.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(run.checked(source, record), target)
            out.remember(target)
    record_file.write(out.record, shared.but(bundled=True, files=dict(out.hashes)))
    files = {**out.hashes, out.record.name: sha256(out.record)}
    return {"method": shared.method, "seed": shared.config.get("seed"), "data": shared.data.name,
            "splits_sha256": shared.data.splits_sha256, "files": dict(sorted(files.items()))}  # fmt: skip


def check_manifest(folder: Path) -> None:
    """Every file of a bundle is there and is the one that its manifest was written with.

    Raises:
        DataError: naming what differs.
    """
    path = folder / MANIFEST
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        found = values.pop("sha256", None)
        files = {f"{run}/{place}": str(digest) for run, told in values["runs"].items()
                 for place, digest in told["files"].items()}  # fmt: skip
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} cannot be read as the manifest of a bundle ({error!r}); download the bundle again"
        ) from None
    if values.get("kind") != KIND or values.get("schema") != SCHEMA:
        raise DataError(f"{path} is no manifest of schema {SCHEMA}; use the version of sslbench that wrote it")
    if found != record_file.digest(values):
        raise DataError(f"{path} was changed after it was written; download the bundle again")
    wrong = [place for place, digest in files.items() if not _same(folder / place, digest)]
    inside = {file.relative_to(folder).as_posix() for file in folder.glob("run-*/**/*") if file.is_file()}
    if wrong or inside - set(files):
        told = shortened([*wrong, *sorted(inside - set(files))], 3)
        raise DataError(f"{folder} is not the bundle that was written: {told}; download it again")


def _same(path: Path, digest: str) -> bool:
    return path.is_file() and sha256(path) == digest


def follows(path: Path, record: Record, whole: set[Path]) -> Record:
    """The record of a run; of one in a bundle, once its files and numbers are known to be right.

    Args:
        path: of the run.
        record: of it.
        whole: bundles whose files are known to be right already; gets the run's own.

    Raises:
        DataError: the bundle was changed, or numbers of the run do not follow from its predictions.
    """
    inside = (path.parent / MANIFEST).is_file()
    if not inside and not record.bundled:
        return record
    if inside and path.parent not in whole:
        check_manifest(path.parent)
        whole.add(path.parent)
    return rescored(path, record)


def rescored(path: Path, record: Record) -> Record:
    """The record of a bundled run with those rows alone that were computed again here.

    Args:
        path: the run's folder.
        record: of it.

    Raises:
        DataError: its predictions are not in the bundle, or a number does not follow from them.
    """
    run = RunDirectory(path)
    kept: list[MetricRow] = []
    wrong: list[str] = []
    replicates = record.settings.evaluate.replicates or SAMPLES
    for rows in _by_file(run, record):
        new = _again(run, rows[0], record, replicates)
        for row in rows:
            told = new.get((row.label, row.metric))
            wrong += [] if told is None else list(_differences(row, told))
            kept += [] if told is None else [row]
    if wrong:
        raise DataError(f"{path}: {shortened(wrong, 3)}; its numbers do not follow from its predictions")
    if not kept:
        raise DataError(f"{path}: no predictions are in the bundle, so none of its numbers can be computed again")
    return record.but(metrics=tuple(kept), comparisons=())


def _by_file(run: RunDirectory, record: Record) -> Iterator[list[MetricRow]]:
    """AUROC and AUPRC of all images of a test split, together with the others from the same predictions."""
    found: dict[tuple[Any, ...], list[MetricRow]] = {}
    for row in record.metrics:
        whole = (row.split, row.subgroup) == ("test", "all") and row.metric in NAMES
        if whole and run.predictions(row.encoder, *prediction_file(row)).is_file():
            found.setdefault(tuple(row.named(name) for name in IDENTITY), []).append(row)
    yield from found.values()


def _again(run: RunDirectory, first: MetricRow, record: Record, replicates: int) -> dict[tuple[str, str], Measurement]:
    path = run.checked(run.predictions(first.encoder, *prediction_file(first)), record)
    try:
        table = table_of(pd.read_parquet(path))
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} cannot be read ({error}); download the bundle again") from None
    rows = table_rows(in_unit_of(table, first.aggregate, path), replicates, first.seed)
    return {(row.label, row.metric): row for row in rows}


def _differences(row: MetricRow, again: Measurement) -> Iterator[str]:
    for name in COMPARED:
        told, here = row.named(name), again.named(name)
        if (told is None) != (here is None) or (told is not None and abs(told - here) > CLOSE):
            yield f"{row.metric} of {row.label} ({row.encoder}, {row.protocol}): {name} {told}, here {here}"
