"""A run as a replicate of a group: which encoder it is, its rows by setting, its kept predictions. No torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pyarrow.parquet import ParquetFile

from ssl_bench.comparison.pairs import validation_of
from ssl_bench.errors import DataError, because
from ssl_bench.plugin.components import MethodSpec
from ssl_bench.plugin.names import RANDOM
from ssl_bench.plugin.registry import installed
from ssl_bench.results.record import Record
from ssl_bench.results.row import MACRO, MetricRow
from ssl_bench.results.rundir import RunDirectory, prediction_file
from ssl_bench.results.scored import Setting as Setting
from ssl_bench.results.standing import ENCODERS, standing
from ssl_bench.stats.intervals import NAMES
from ssl_bench.stats.predictions import PredictionTable, in_unit_of


@cache
def seedless() -> frozenset[str]:
    """Baselines of the images alone, which no seed changes: so their descriptor says (``needs_initial=False``)."""
    methods = [offer.component for offer in installed().offers(MethodSpec.kind)]
    untrained = (one for one in methods if isinstance(one, MethodSpec) and not one.trains)
    return frozenset(one.name for one in untrained if not one.needs_initial)


@dataclass(frozen=True, eq=False)
class EncoderRun:
    """One encoder of one run.

    Attributes:
        path: of the run.
        record: of the run.
        encoder: its name in the record.
        split: whose images it is judged on, "test" or "validate".
    """

    path: Path
    record: Record
    encoder: str
    split: str = "test"
    _values: dict[Setting, tuple[object, ...]] = field(default_factory=dict)

    @property
    def seed(self) -> int:
        """Of the pretraining: the declared one of an encoder from elsewhere, else the run's."""
        asked = self.record.settings
        declared = asked.pretraining_seed if self.declared else None
        return asked.seed if declared is None else declared

    @property
    def baseline(self) -> bool:
        """Whether it is not what the run trained (``random``, ``pixels``) and the same whatever the method."""
        return self.encoder not in ENCODERS

    @property
    def fixed(self) -> bool:
        """Whether no seed changes it: thumbnails, and weights from elsewhere that are no declared replicate."""
        return self.encoder in seedless() or not self.replicate

    @property
    def declared(self) -> str:
        """The pretraining method that an encoder from elsewhere is declared to be of; empty: none is."""
        return "" if self.baseline else self.record.settings.group or ""

    @property
    def replicate(self) -> bool:
        """Whether another seed is another encoder: it was pretrained or initialised in its run, or is declared so."""
        trained = self.record.probed is None and self.record.pretrained
        return self.baseline or trained or bool(self.declared)

    @property
    def identity(self) -> str:
        """Hash of its weights, or of its features; empty where the record has none."""
        return self.record.identity_of(self.encoder)

    @cached_property
    def by_setting(self) -> dict[Setting, dict[tuple[str, str], MetricRow]]:
        """Rows of the whole split, fitted with the labels of all training patients, by label and metric."""
        found: dict[Setting, dict[tuple[str, str], MetricRow]] = {}
        for row in self.record.metrics:
            whole = (row.encoder, row.split, row.subgroup, row.fraction)
            if whole == (self.encoder, self.split, "all", 1.0) and row.metric in NAMES:
                found.setdefault(setting_of(row), {})[row.label, row.metric] = row
        return found

    def rows(self, setting: Setting) -> list[MetricRow]:
        """Its rows of one place."""
        return list(self.by_setting.get(setting, {}).values())

    def row(self, setting: Setting, label: str, metric: str) -> MetricRow | None:
        """One of them."""
        return self.by_setting.get(setting, {}).get((label, metric))

    def values(self, setting: Setting) -> tuple[object, ...]:
        """All numbers of a setting: predictions that are the same have the same."""
        if setting not in self._values:
            rows = sorted(self.by_setting[setting].items())
            self._values[setting] = tuple((label, metric, row.value) for (label, metric), row in rows)
        return self._values[setting]

    def predictions(self, setting: Setting, *, validated: bool = False) -> PredictionTable:
        """The kept predictions behind these rows, in the order of their ids.

        Args:
            setting: of the rows.
            validated: with those of the validation images, on which thresholds are chosen.

        Raises:
            DataError: they are gone, damaged, or others than the record was written with.
        """
        first, run = next(iter(self.by_setting[setting].values())), RunDirectory(self.path)
        path = run.checked(run.predictions(self.encoder, *prediction_file(first.kept)), self.record)
        table = in_unit_of(read_kept(path), first.aggregate, path)
        return replace(table, validation=validation_of(run, first, self.record, table.labels)) if validated else table


def read_kept(path: Path) -> PredictionTable:
    """Predictions as a run keeps them, in the order of their ids; they were checked when they were written.

    Raises:
        DataError: they are gone or damaged.
    """
    try:
        # As columns, not as a frame: of hundreds of runs making frames takes longer than reading.
        kept = ParquetFile(path).read(use_threads=False)
        table = _table(kept.column_names, lambda name: kept.column(name).to_numpy())
    except FileNotFoundError:
        raise DataError(f"predictions {path} do not exist; restore them, or evaluate the run again") from None
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"predictions {path} cannot be read: {because(error)}") from None
    return table.rows(np.argsort(table.ids))


def table_of(frame: pd.DataFrame) -> PredictionTable:
    """Predictions in the columns that a run keeps."""
    return _table([str(name) for name in frame.columns], lambda name: frame[name].to_numpy())


def _table(names: Sequence[str], column: Callable[[str], npt.NDArray[Any]]) -> PredictionTable:
    labels = tuple(name[2:] for name in names if name.startswith("y_"))
    truth, scores = (np.empty((len(column("image_id")), len(labels))) for _ in "yp")
    for number, label in enumerate(labels):
        truth[:, number], scores[:, number] = column(f"y_{label}"), column(f"p_{label}")
    ids, patients = column("image_id").astype(str), column("patient_id").astype(str)
    studies = column("study_id").astype(str) if "study_id" in names else None
    return PredictionTable(labels, ids, patients, truth, scores, studies)


def setting_of(row: MetricRow) -> Setting:
    """Protocol and datasets of a row."""
    return row.protocol, row.dataset, row.fitted_on


def settings_of(runs: Iterable[EncoderRun]) -> list[Setting]:
    """Where encoders have macro means on test splits: the run's own dataset first, in the order of the records."""
    found = dict.fromkeys(setting for run in runs for setting, rows in run.by_setting.items()
                          if any(label == MACRO for label, _ in rows))  # fmt: skip
    return sorted(found, key=lambda setting: setting[1] != setting[2])


def slim(record: Record, split: str = "test") -> Record:
    """A record without the rows that no ranking shows: with thousands of runs they would fill the memory."""
    rows = [row for row in record.metrics if row.split == split
            and (row.subgroup == "all" or row.label == MACRO)]  # fmt: skip
    return record.but(metrics=tuple(rows), comparisons=())


def runs_of(path: Path, record: Record, split: str = "test") -> list[EncoderRun]:
    """The encoder that stands for a run, and the baselines beside it."""
    present = {row.encoder for row in record.metrics}
    baselines = sorted(present.difference(ENCODERS), key=lambda name: (name != RANDOM, name))
    shown = dict.fromkeys([standing(record, present), *baselines]) if present else {}
    return [EncoderRun(path, record, encoder, split) for encoder in shown]
