"""Metadata that machines read: Croissant of a cohort, without its rows, and RO-Crate of a bundle.

Both are written by the libraries of those who keep the formats (``mlcroissant``, ``rocrate``: the extra ``paper``).
Croissant 1.0: https://docs.mlcommons.org/croissant/docs/croissant-spec.html. RO-Crate: https://w3id.org/ro/crate.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ssl_bench import __version__
from ssl_bench.errors import UsageError
from ssl_bench.files import sha256, write_json
from ssl_bench.numbers import counted
from ssl_bench.plugin.names import MACRO
from ssl_bench.report.run_tables import on_test
from ssl_bench.results.record import Record
from ssl_bench.results.rundir import RunDirectory

CRATE = "ro-crate-metadata.json"

IDS = {"image_id": "id of the image", "patient_id": "id of the patient", "study_id": "id of the study",
       "split": "train, validate or test"}  # fmt: skip


def _library(module: str) -> Any:
    """An optional package.

    Raises:
        UsageError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        raise UsageError("metadata need mlcroissant and rocrate; pip install 'sslbench[paper]'") from None


def croissant(record: Record, table: str = "") -> dict[str, Any]:
    """Croissant of the cohort behind a record: its columns and counts, and no row.

    The table itself stays on the machine; who has the release makes the same by the split's hash.

    Args:
        record: as far as it may be shared.
        table: SHA-256 of ``cohort.parquet``; empty: unknown.

    Raises:
        UsageError: mlcroissant is not installed.
    """
    mlc = _library("mlcroissant")
    data = record.data
    source = mlc.FileObject(
        id="cohort", name="cohort.parquet", content_url="cohort.parquet", encoding_formats=["application/x-parquet"],
        sha256=table or "0" * 64, description="the cohort as sslbench made it of the release; not distributed",
    )  # fmt: skip
    columns = [(name, told, mlc.DataType.TEXT) for name, told in IDS.items()]
    columns += [(name, "EHR feature", mlc.DataType.FLOAT if name == "age" else mlc.DataType.TEXT)
                for name in record.features]  # fmt: skip
    columns += [(name, "finding: 1 present, 0 absent, blank unknown", mlc.DataType.FLOAT) for name in data.labels]
    fields = [
        mlc.Field(id=f"images/{name}", name=name, description=told, data_types=kind,
                  source=mlc.Source(file_object="cohort", extract=mlc.Extract(column=name)))
        for name, told, kind in columns
    ]  # fmt: skip
    rows = mlc.RecordSet(id="images", name="images", description="a row an image", fields=fields)
    found = mlc.Metadata(name=data.name, description=_described(record), version="1.0.0",
                         distribution=[source], record_sets=[rows])  # fmt: skip
    return dict(json.loads(json.dumps(found.to_json(), default=str)))


def _described(record: Record) -> str:
    data = record.data
    sizes = ", ".join(f"{name} {size.images:,} images of {size.patients:,} patients"
                      for name, size in data.splits.items())  # fmt: skip
    generated = "Generated images: they say nothing about patients. " if record.synthetic else ""
    hashes = f"Fingerprint {data.fingerprint or 'unknown'}, split {data.splits_sha256 or 'unknown'}."
    return f"{generated}Cohort of {data.name}: {sizes}. {hashes}"


def described(folder: Path, sources: Mapping[str, Path]) -> None:
    """Croissant of every cohort of a bundle (``croissant-1.json``, ...) and RO-Crate over all of it.

    Args:
        folder: of the bundle.
        sources: the run directories that it was made of, by their folder in it.
    """
    records = {name: RunDirectory(folder / name).read_record() for name in sources}
    cohorts: dict[str, str] = {}
    for name, record in records.items():
        cohorts.setdefault(_cohort(record), name)
    for number, name in enumerate(cohorts.values(), start=1):
        table = (RunDirectory(sources[name]).read_record().files or {}).get("cohort.parquet", "")
        write_json(folder / f"croissant-{number}.json", croissant(records[name], str(table)))
    write_crate(folder, records)


def _cohort(record: Record) -> str:
    return f"#cohort-{record.data.fingerprint or record.data.name}"


def write_crate(folder: Path, records: Mapping[str, Record]) -> Path:
    """Write ``ro-crate-metadata.json`` over a bundle: what every run was, made by what, from which cohort.

    Args:
        folder: of the bundle, with its files.
        records: of its runs by their folder in it, as far as they may be shared.

    Raises:
        UsageError: rocrate is not installed.
    """
    crates, entities = _library("rocrate.rocrate"), _library("rocrate.model.contextentity")
    crate = crates.ROCrate()
    crate.name = f"sslbench study of {counted(len(records), 'run')}"
    crate.description = "; ".join(dict.fromkeys(_described(record) for record in records.values()))

    def entity(key: str, kind: str, **properties: Any) -> Any:
        return crate.add(entities.ContextEntity(crate, key, properties={"@type": kind, **properties}))

    software = entity("#sslbench", "SoftwareApplication", name="sslbench", softwareVersion=__version__)
    cohorts: dict[str, Any] = {}
    for name, record in records.items():
        key = _cohort(record)
        if key not in cohorts:
            cohorts[key] = entity(key, "Dataset", name=str(record.data.name), description=_described(record))
        files = [_file(crate, folder, path) for path in sorted((folder / name).rglob("*")) if path.is_file()]
        scores = {f"{row.protocol} macro {row.metric}": row.value for row in on_test(record.metrics)
                  if row.label == MACRO and row.metric in ("auroc", "auprc")}  # fmt: skip
        action = entity(f"#{name}", "CreateAction", name=f"{record.method}, seed {record.config.get('seed')}",
                        description=json.dumps(scores))  # fmt: skip
        action["instrument"], action["object"], action["result"] = software, cohorts[key], files
    for path in sorted(folder.glob("*.json")):
        _file(crate, folder, path)
    write_json(folder / CRATE, _undated(crate.metadata.generate()))
    return folder / CRATE


def _file(crate: Any, folder: Path, path: Path) -> Any:
    place = path.relative_to(folder).as_posix()
    return crate.add_file(path, dest_path=place, properties={"name": path.name, "sha256": sha256(path),
                                                             "contentSize": str(path.stat().st_size)})  # fmt: skip


def _undated(values: dict[str, Any]) -> dict[str, Any]:
    """The crate with the day alone it was made on, and no folder of this machine."""
    for part in values["@graph"]:
        if "datePublished" in part:
            part["datePublished"] = str(part["datePublished"])[:10]
    return values


def check_installed() -> None:
    """Refuse before anything is written.

    Raises:
        UsageError: a package is not there.
    """
    for name in ("mlcroissant", "rocrate"):
        _library(name)
