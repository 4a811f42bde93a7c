"""The suite's numbers for anybody's predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ssl_bench.api.given import check_resamples
from ssl_bench.api.shown import table_html, table_text
from ssl_bench.errors import DataError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from ssl_bench.results.row import Measurement
    from ssl_bench.stats.measures import Gauge
    from ssl_bench.stats.predictions import PredictionTable

SHOWN = ("label", "metric", "value", "ci_low", "ci_high", "n_positive", "n_positive_patients", "chance", "note")


@dataclass(frozen=True, repr=False)
class Score:
    """Metrics of one set of predictions.

    Attributes:
        name: of the model.
        measured: a number each.
        notes: what a reader must know.
        counted: images or studies, and patients, in words.
    """

    name: str
    measured: Sequence[Measurement]
    notes: Sequence[str]
    counted: str
    unit: Mapping[str, str]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The numbers, as ``sslbench score --json`` prints them."""
        return [{**self.unit, **row.as_json()} for row in self.measured]

    @property
    def frame(self) -> pd.DataFrame:
        """A row a number: ``label``, ``metric``, ``value``, ``ci_low``, ``ci_high``, counts, ``chance``, ``note``."""
        import pandas as pd

        frame = pd.DataFrame(self.rows)
        return frame[[name for name in SHOWN if name in frame]]

    def __repr__(self) -> str:
        return f"{self.name}: {self.counted}"

    def __str__(self) -> str:
        return table_text(repr(self), self.frame, self.notes)

    def _repr_html_(self) -> str:
        return table_html(repr(self), self.frame.round(3), self.notes)


def score(
    predictions: Path | str | pd.DataFrame,
    *,
    validation: Path | str | pd.DataFrame | None = None,
    metrics: str | Sequence[str] | None = None,
    aggregate: str | None = None,
    out: Path | str | None = None,
    name: str | None = None,
    replicates: int = 1000,
    seed: int = 0,
) -> Score:
    """Metrics with patient-level intervals for the predictions of any model.

    Args:
        predictions: a file or a table with ``image_id``, ``patient_id``, ``y_<label>`` (NaN: unknown), ``p_<label>``.
        validation: the same of validation images, on which thresholds are chosen.
        metrics: beside AUROC and AUPRC; None: the usual ones.
        aggregate: score studies by the ``max`` or ``mean`` of their images.
        out: folder to keep predictions and record in, beside runs.
        name: of the model; None: the file's.
        replicates: resamples of patients, at least 100.
        seed: of the resamples.

    Raises:
        UsageError: a name is unknown.
        DataError: columns, identifiers or values are wrong, all problems at once.
    """
    check_resamples(replicates)
    with TemporaryDirectory() as private:
        files = [_file(given, Path(private) / f"{part}.parquet")
                 for part, given in (("predictions", predictions), ("validation", validation))]  # fmt: skip
        try:
            return _scored(files[0], files[1], metrics, aggregate, Path(out) if out else None, name, replicates, seed)
        except DataError as error:
            raise DataError(_without(str(error), private)) from error


def _without(message: str, private: str) -> str:
    """A message that does not name the file that stood for a table."""
    for part, called in (("predictions", "<DataFrame>"), ("validation", "<validation DataFrame>")):
        message = message.replace(str(Path(private) / f"{part}.parquet"), called)
    return message


def _file(given: Path | str | pd.DataFrame | None, place: Path) -> Any:
    """A table as a file; a file as it is."""
    if given is None or isinstance(given, str | Path):
        return Path(given) if given else None
    if not hasattr(given, "to_parquet"):
        raise UsageError(f"a table is expected as a file or a pandas DataFrame, found {type(given).__name__}")
    given.to_parquet(place, index=False)
    return place


def _scored(
    predictions: Path, validation: Path | None, metrics: str | Sequence[str] | None, aggregate: str | None,
    out: Path | None, name: str | None, replicates: int, seed: int,
) -> Score:  # fmt: skip
    from ssl_bench.errors import UsageError, unknown
    from ssl_bench.plugin.registry import discover
    from ssl_bench.results.rows import table_rows
    from ssl_bench.results.rundir import RunDirectory
    from ssl_bench.results.scored import Scores
    from ssl_bench.stats.measures import usual
    from ssl_bench.stats.predictions import in_unit_of, read_predictions

    if aggregate not in (None, "none", "max", "mean"):
        raise UsageError(unknown("aggregate", str(aggregate), ("none", "max", "mean")))
    joined = aggregate not in (None, "none")
    asked = usual(discover(), metrics)
    given = read_predictions(predictions, named=joined)
    if validation:
        given = replace(given, validation=read_predictions(validation, named=joined))
    table = in_unit_of(given, aggregate or "none", predictions)
    directory = RunDirectory(out) if out else None
    called = name or predictions.stem
    with directory.claimed() if directory else nullcontext():
        rows = list(table_rows(table, replicates, seed, asked))
        notes = [*notes_on(table), *not_measured(table, asked)]
        if directory:
            Scores(predictions, called, given, rows, seed, replicates, notes, table.aggregate).write(directory)
    counted = f"{len(table.ids)} {'studies' if joined else 'rows'} of {len(set(table.patients))} patients"
    return Score(called, rows, notes, counted, {"unit": table.unit, "aggregate": table.aggregate})


def notes_on(table: PredictionTable) -> list[str]:
    """What a reader must know about the scores."""
    if not table.outside:
        decided = [label for label, column in zip(table.labels, table.scores.T, strict=True)
                   if len(set(column[column == column].tolist())) == 2]  # fmt: skip
        told = f"{', '.join(decided)}: two different scores alone, so these look like decisions and no scores"
        return [told] if decided else []
    scores = table.scores[table.scores == table.scores]
    percent = scores.min() >= 0 and scores.max() <= 100
    hint = "; they look like percent, divide by 100" if percent else "; for log-odds give 1 / (1 + exp(-score))"
    return [
        f"{table.outside} scores lie outside [0, 1]: they are ranked as they are and are no probabilities, so nothing "
        f"of calibration is measured{hint} to have it"
    ]


def not_measured(table: PredictionTable, asked: Sequence[Gauge]) -> list[str]:
    """Which metrics need validation images that were not given."""
    if table.validation is not None:
        return []
    names = [gauge.name for gauge in asked if gauge.component.threshold]
    told = f"{', '.join(names)}: not measured; a threshold is chosen on validation images, give them by --validation"
    return [told] if names else []
