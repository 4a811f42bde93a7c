"""Predictions of a model from elsewhere as a folder like a run's, for compare, tables and leaderboard. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ssl_bench.plugin.names import MACRO
from ssl_bench.results.identity import of_predictions
from ssl_bench.results.record import SCHEMA, Data, Record, Size
from ssl_bench.results.row import Measurement, MetricRow, RowIdentity
from ssl_bench.results.rows import prediction_frame
from ssl_bench.results.rundir import RunDirectory, prediction_file
from ssl_bench.stats.predictions import IMAGES, PredictionTable, unit_of

ENCODER, PROTOCOL, SCORED = "given", "predictions", "scored"
"""In the rows of predictions that come from elsewhere, and the key of a configuration that says so."""

Setting = tuple[str, str, str]
"""Protocol, dataset that was tested, dataset that was fitted on."""


@dataclass(frozen=True)
class Scores:
    """Predictions to be kept.

    Args:
        source: the file that they come from.
        name: of the model.
        table: of the test images, and of validation images where there are some, as they were given.
        rows: of its metrics, by :func:`ssl_bench.results.rows.table_rows`.
        seed: of the resamples.
        replicates: resamples of patients.
        notes: what a reader must know.
        aggregate: how images of a study were joined for the rows; ``none``: they are of images.
    """

    source: Path
    name: str
    table: PredictionTable
    rows: Sequence[Measurement]
    seed: int
    replicates: int
    notes: Sequence[str] = ()
    aggregate: str = IMAGES

    def identity(self, split: str) -> RowIdentity:
        """What all rows of a split share."""
        data = self.source.stem
        return RowIdentity(
            encoder=ENCODER, dataset=data, fitted_on=data, protocol=PROTOCOL, seed=self.seed,
            split=split, subgroup="all", fraction=1.0, draw=0, settings={},
            unit=unit_of(self.aggregate), aggregate=self.aggregate,
        )  # fmt: skip

    def write(self, out: RunDirectory) -> None:
        """Keep predictions and record in a claimed folder."""
        splits = {"test": self.table, **({"validate": self.table.validation} if self.table.validation else {})}
        for split, table in splits.items():
            out.write_predictions(ENCODER, *prediction_file(self.identity(split)), prediction_frame(table))
        sizes = {split: Size(images=len(table.ids), patients=len(set(table.patients)))
                 for split, table in splits.items()}  # fmt: skip
        config = {"seed": self.seed, "evaluate": {"protocols": [PROTOCOL], "replicates": self.replicates}}
        out.write_config({SCORED: self.source.name, **config})
        same = of_predictions(self.table.ids, self.table.scores, self.table.labels)
        out.write_record(Record(
            version=SCHEMA, probed=self.source.name, scored=True, synthetic=False,
            notes=(), method=self.name, fusion=None, features=(), config=config, options={},
            data=Data(name=self.source.stem, labels=self.table.labels, splits=sizes),
            pretraining=None, encoders={ENCODER: same},
            metrics=tuple(MetricRow(**self.identity("test").as_json(), **row.as_json()) for row in self.rows),
            comparisons=(), seconds={},
        ))  # fmt: skip


def adopted(records: Mapping[Path, Record]) -> dict[Path, Record]:
    """Records in which predictions from elsewhere stand at every place of the runs that tested the same images."""
    found = dict(records)
    given = [path for path, record in records.items() if record.scored]
    places = dict(_places({path: record for path, record in records.items() if not record.scored})) if given else {}
    for path in given:
        rows = records[path].metrics
        own = _images(path, rows[0])
        here = [place for place, images in places.items() if np.array_equal(images, own)]
        if here:
            found[path] = records[path].but(metrics=tuple(_at(row, place) for place in here for row in rows))
    return found


def _places(records: Mapping[Path, Record]) -> Iterator[tuple[Setting, npt.NDArray[Any]]]:
    """Places of test splits with their images, sorted."""
    seen: set[Setting] = set()
    for path, record in records.items():
        for row in record.metrics:
            place = row.protocol, row.dataset, row.fitted_on
            whole = (row.split, row.subgroup, row.fraction, row.label) == ("test", "all", 1.0, MACRO)
            if whole and place not in seen:
                seen.add(place)
                yield place, _images(path, row)


def _images(path: Path, row: MetricRow) -> npt.NDArray[Any]:
    """Ids of the images behind a row, sorted; none where the file is gone, which its reader tells."""
    file = RunDirectory(path).predictions(row.encoder, *prediction_file(row.kept))
    try:
        return np.sort(pd.read_parquet(file, columns=["image_id"])["image_id"].to_numpy(dtype=str))
    except (OSError, ValueError):
        return np.array([], dtype=str)


def _at(row: MetricRow, place: Setting) -> MetricRow:
    protocol, dataset, fitted_on = place
    return row.but(protocol=protocol, dataset=dataset, fitted_on=fitted_on, kept_as=row)


def same_names(tables: Sequence[tuple[bool, dict[str, PredictionTable]]]) -> list[dict[str, PredictionTable]]:
    """Tables of runs by protocol, in which predictions from elsewhere stand for every protocol of the others.

    Args:
        tables: of each run whether it is from elsewhere, and its tables.
    """
    names = {name: table for scored, own in tables if not scored for name, table in own.items()}
    result = []
    for scored, own in tables:
        if scored and names:
            (table,) = own.values()
            ids = set(table.ids)
            alike = [name for name, other in names.items() if set(other.ids) == ids]
            own = dict.fromkeys(alike or names, table)  # none alike: the comparison says which images differ
        result.append(own)
    return result
