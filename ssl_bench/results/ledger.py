"""What an encoder was pretrained on: datasets by name, and patients where manifests are there. No torch."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ssl_bench.data.families import comparable, family
from ssl_bench.errors import DataError, HandledError, shortened
from ssl_bench.plugin.cohort import SPLITS
from ssl_bench.results.record import Record, TrainedOn, TrainedSource
from ssl_bench.results.rundir import RunDirectory

if TYPE_CHECKING:
    from ssl_bench.plan.plan import Plan

FILE = "trained_on.json"
"""Patients of the pretraining by dataset, in a run's folder; it stays on the machine."""


NO_HASH = "the run's own"
"""Stands for the splits of an old record that has no hash of them."""


@dataclass(frozen=True)
class SeenDataset:
    """A dataset that was pretrained on.

    Attributes:
        name: of the dataset.
        splits: those of it that were seen; empty: unknown.
        manifest: hash of the splits; empty: none is there.
        images: how many; None: unknown.
        tests: patients of its own test split that were seen, in a run whose gate was opened; None: unknown.
        patients: their ids; None: unknown.
    """

    name: str
    splits: tuple[str, ...] = ()
    manifest: str = ""
    images: int | None = None
    tests: int | None = None
    patients: frozenset[str] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Ledger:
    """All that an encoder was pretrained on.

    Attributes:
        sources: what is known of it.
        complete: nothing else was; False: unknown.
    """

    sources: tuple[SeenDataset, ...] = ()
    complete: bool = True

    @property
    def images(self) -> int | None:
        """Images of the pretraining; None where they are not known to the last."""
        counts = [source.images for source in self.sources]
        return sum(n or 0 for n in counts) if self.complete and None not in counts else None

    def joined(self, other: Ledger) -> Ledger:
        """One pretraining after another."""
        sources = {(source.name, source.manifest): source for source in (*self.sources, *other.sources)}
        return Ledger(tuple(sources.values()), self.complete and other.complete)

    def seen(self, dataset: str, patients: Iterable[str] | None = None, manifest: str = "") -> bool:
        """Whether images of a test split were in the pretraining.

        By patient where they are known of both; of a training split by its manifest; else by the name of the dataset.

        Args:
            dataset: that was tested.
            patients: of its test split.
            manifest: hash of its splits.
        """
        tested = None if patients is None else frozenset(map(str, patients))
        return any(_holds(source, dataset, tested, manifest) for source in self.sources)

    def describe(self) -> TrainedOn:
        """As a record has it: without patients."""
        sources = tuple(
            TrainedSource(name=one.name, splits=one.splits, splits_sha256=one.manifest, images=one.images,
                          test_patients=one.tests)
            for one in self.sources
        )  # fmt: skip
        return TrainedOn(complete=self.complete, images=self.images, datasets=sources)


UNKNOWN = Ledger(complete=False)


def _holds(source: SeenDataset, dataset: str, patients: frozenset[str] | None, manifest: str) -> bool:
    if family(source.name) != family(dataset):
        return False
    if not comparable(source.name, dataset):
        return True  # the names of patients differ between copies
    if source.patients is not None and patients is not None:
        return bool(source.patients & patients)
    return not (source.manifest and source.manifest == manifest and source.tests == 0)


def planned(plan: Plan) -> Ledger:
    """What the encoder of a run will have been pretrained on."""
    config, found = plan.config.backbone, Ledger()
    if config.encoder is not None:
        card = plan.parts.encoder_component
        names = config.encoder.trained_on or (card.trained_on if card else None)
        found = UNKNOWN if names is None else Ledger(tuple(map(SeenDataset, names)))
    elif config.init is not None:
        found = of_weights(config.init)
    return found.joined(_own(plan)) if plan.parts.method.component.trains else found


def _own(plan: Plan) -> Ledger:
    splits = SPLITS if plan.config.data.pretrain_on == "all" else ("train",)
    sources = []
    for part, cohort in zip(plan.parts.datasets, plan.sources.values(), strict=True):
        rows = cohort.frame[cohort.frame["split"].isin(splits)]
        patients = frozenset(rows["patient_id"].astype(str))
        tests = len(patients & set(cohort.split("test")["patient_id"].astype(str)))
        sources.append(SeenDataset(part.name, tuple(splits), plan.manifest["sha256"], len(rows), tests, patients))
    return Ledger(tuple(sources))


def of_weights(path: Path) -> Ledger:
    """Of the encoder in a run's folder, or of the run; of any other file nothing is known."""
    inside = path / "encoder"
    folder = inside if inside.is_dir() else path if path.is_dir() else path.parent
    run = RunDirectory(folder.parent)
    if folder.name != run.encoder.name or not run.record.is_file():
        return UNKNOWN
    try:
        record = run.read_record()
        kept = json.loads((folder / "config.json").read_text(encoding="utf-8"))["sha256"]
    except (HandledError, OSError, ValueError, KeyError, TypeError):
        return UNKNOWN
    if (record.files or {}).get("encoder/model.safetensors") != kept:
        return UNKNOWN  # the folder was given other weights
    return of_record(record, run.path)


def of_record(record: Record, path: Path | None = None) -> Ledger:
    """Of a record, with patients where its run still has them."""
    told = record.trained_on
    if told is None:
        return _older(record)
    patients = _patients(path, record) if path else {}
    sources = tuple(
        SeenDataset(one.name, one.splits or (), one.splits_sha256 or "", one.images, one.test_patients,
               patients.get((one.name, one.splits_sha256 or "")))
        for one in told.datasets
    )  # fmt: skip
    return Ledger(sources, told.complete)


def _older(record: Record) -> Ledger:
    """Of a record that states nothing: by its configuration."""
    asked, card = record.settings, record.encoder
    if card:
        return UNKNOWN if card.trained_on is None else Ledger(tuple(map(SeenDataset, card.trained_on)))
    if record.probed is not None:
        return UNKNOWN
    found = UNKNOWN if asked.backbone.init else Ledger()
    if not record.pretrained:
        return found
    # Unless the gate was opened, no test patient was there.
    tests = None if asked.data.allow_test_in_pretraining else 0
    sha = record.data.splits_sha256 or NO_HASH
    names = asked.data.names or [record.data.name]
    return found.joined(Ledger(tuple(SeenDataset(name, manifest=sha, tests=tests) for name in names)))


def write_patients(run: RunDirectory, ledger: Ledger) -> None:
    """Keep the patients of the pretraining beside the record."""
    kept = [{"name": one.name, "splits_sha256": one.manifest, "patients": sorted(one.patients)}
            for one in ledger.sources if one.patients is not None]  # fmt: skip
    if kept:
        run.write_kept_json(FILE, kept)


def _patients(path: Path, record: Record) -> dict[tuple[str, str], frozenset[str]]:
    """By dataset and manifest; empty where the file is gone or another than the record was written with."""
    run = RunDirectory(path)
    if not (path / FILE).is_file() or FILE not in (record.files or {}):
        return {}
    parts = json.loads(run.checked(path / FILE, record).read_text(encoding="utf-8"))
    return {(part["name"], part["splits_sha256"]): frozenset(part["patients"]) for part in parts}


def tested_datasets(record: Record, name: str) -> list[tuple[str, str]]:
    """The datasets behind the name of a test set in a record, each with the hash of its splits."""
    for other in record.external:
        if other.name == name:
            return [(other.dataset or name, other.splits_sha256)]
    names = record.settings.data.names
    home = name == record.data.name and names
    return [(one, record.data.splits_sha256 or NO_HASH) for one in (names if home else [name])]


def refuse_seen(plan: Plan) -> None:
    """Refuse a run whose encoder has seen images that it is tested on.

    Raises:
        DataError: naming the test sets.
    """
    ledger = planned(plan)
    tests = [(part.name, name, cohort) for part, (name, cohort) in
             zip(plan.parts.datasets, plan.sources.items(), strict=True)]  # fmt: skip
    tests += [(other.dataset.name, other.name, other.cohort) for other in plan.external]
    found = [name for dataset, name, cohort in tests if ledger.seen(dataset, cohort.split("test")["patient_id"])]
    if found:
        raise contaminated([f"the encoder on {name}" for name in dict.fromkeys(found)])


def contaminated(where: Iterable[str]) -> DataError:
    """The refusal of ``--refuse-contaminated``."""
    return DataError(
        f"test images were seen in pretraining: {shortened(list(where))}; test on other data, or leave out "
        "--refuse-contaminated, and the results are marked"
    )
