"""A finished run as an object: its numbers, predictions, embeddings and encoder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssl_bench.api.given import folder_of
from ssl_bench.api.shown import table_html, table_text
from ssl_bench.plugin.names import MACRO

if TYPE_CHECKING:
    import pandas as pd

    from ssl_bench.report.frozen import FrozenEncoder
    from ssl_bench.results.record import MetricRow, Record
    from ssl_bench.results.rundir import RunDirectory

WHOLE = {"split": "test", "subgroup": "all", "fraction": 1.0}
"""What is usually asked of a row: the whole test split, with the labels of all training patients."""

KEPT_SPLITS = ("test", "validate")
"""Splits whose predictions a run keeps."""


class Run:
    """A finished run, read from its folder when something of it is asked for.

    Args:
        path: the run's folder.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = folder_of(path)

    @cached_property
    def directory(self) -> RunDirectory:
        """The files of the run."""
        from ssl_bench.results.rundir import RunDirectory

        return RunDirectory(self.path)

    @cached_property
    def record(self) -> Record:
        """All that the run says of itself: ``record.data.name``; ``docs/record.md`` has the names.

        Raises:
            UsageError: there is no finished run.
            DataError: the record is damaged, or was changed after it was written.
        """
        return self.directory.read_record()

    @property
    def metrics(self) -> pd.DataFrame:
        """A row a number: ``encoder``, ``dataset``, ``protocol``, ``label``, ``metric``, ``value``, ``ci_low``, ..."""
        return _frame(row.as_json() for row in self.record.metrics)

    @property
    def comparisons(self) -> pd.DataFrame:
        """A row a difference between two encoders of the run, on the same resamples of patients."""
        return _frame(row.as_json() for row in self.record.comparisons)

    @property
    def notes(self) -> list[str]:
        """What a reader of the numbers must know."""
        return [str(note) for note in self.record.notes]

    @property
    def config(self) -> Mapping[str, Any]:
        """The configuration as resolved."""
        return self.record.config

    @property
    def log(self) -> pd.DataFrame:
        """The training log, a row a logged step; empty where nothing was trained."""
        log = self.directory.log
        return _frame([json.loads(line) for line in log.read_text().splitlines()] if log.is_file() else [])

    def summary(self, metrics: Sequence[str] = ("auroc", "auprc")) -> pd.DataFrame:
        """Macro means on the whole test split: a row for each protocol, encoder and dataset."""
        found = self.metrics
        if found.empty:
            return found
        rows = found[(found["label"] == MACRO) & found["metric"].isin(metrics)]
        for key, value in WHOLE.items():
            rows = rows[rows[key] == value]
        return rows[["protocol", "encoder", "dataset", "metric", "value", "ci_low", "ci_high"]].reset_index(drop=True)

    def predictions(
        self, protocol: str, *, encoder: str = "trained", dataset: str | None = None, split: str = "test",
        fraction: float = 1.0, draw: int = 0,
    ) -> pd.DataFrame:  # fmt: skip
        """Kept predictions, a row an image: ``image_id``, ``patient_id``, ``y_<label>`` (NaN: unknown), ``p_<label>``.

        Args:
            protocol: whose, for example ``linear``.
            encoder: ``trained``, or a baseline of the run.
            dataset: that was tested; None: the run's own.
            split: ``test`` or ``validate``.
            fraction: share of the training patients whose labels were used.
            draw: of such a share.

        Raises:
            UsageError: the run has none of these; what it has is in the message.
            DataError: the file is gone, or is another one.
        """
        import pandas as pd

        from ssl_bench.errors import UsageError, unknown
        from ssl_bench.results.rundir import prediction_file

        if split not in KEPT_SPLITS:
            raise UsageError(unknown("split with predictions", str(split), KEPT_SPLITS))
        asked = {"protocol": protocol, "encoder": encoder, "dataset": dataset or self.record.data.name,
                 "fraction": fraction, "draw": draw, "subgroup": "all", "split": "test"}  # fmt: skip
        row = next((one for one in self.record.metrics if _is(one, asked)), None)
        if row is None:
            known = {_predicted(one.protocol, one.encoder, one.dataset, one.fraction, one.draw)
                     for one in self.record.metrics}  # fmt: skip
            wanted = _predicted(protocol, encoder, dataset or self.record.data.name, fraction, draw)
            raise UsageError(unknown(f"predictions in {self.path}:", wanted, known))
        kept = row.kept.but(split=split)
        path = self.directory.predictions(encoder, *prediction_file(kept))
        return pd.read_parquet(self.directory.checked(path, self.record))

    def embeddings(self, split: str = "test", *, encoder: str = "trained", dataset: str | None = None) -> pd.DataFrame:
        """Kept features of a frozen encoder: ``image_id`` as index, columns ``e_0`` to ``e_<D-1>`` in float32.

        ``.to_numpy()`` gives them as ``(N, D)``.

        Args:
            split: ``train``, ``validate`` or ``test``.
            encoder: ``trained``, or a baseline of the run.
            dataset: None: the run's own.

        Raises:
            UsageError: the run kept none of these; what it has is in the message.
            DataError: the file is another one than the record was written with.
        """
        import pandas as pd

        from ssl_bench.data.unpacking import open_arrays
        from ssl_bench.errors import UsageError, unknown

        name = f"{dataset or self.record.data.name}-{split}"
        path = self.directory.embeddings(encoder, name)
        if not path.is_file():
            known = [f"{kept.parent.name}/{kept.stem}" for kept in self.path.glob("embeddings/*/*.npz")]
            raise UsageError(unknown(f"embeddings in {self.path}", f"{encoder}/{name}", known))
        with open_arrays(self.directory.checked(path, self.record)) as kept:
            values, images = kept["embeddings"], kept["image_id"]
        columns = [f"e_{number}" for number in range(values.shape[1])]
        return pd.DataFrame(values, index=pd.Index(images, name="image_id"), columns=columns)

    def encoder(self) -> FrozenEncoder:
        """The trained encoder as a frozen torch module, with the preprocessing that belongs to it.

        Raises:
            UsageError: the run left no encoder (it evaluated the weights of others, or pixels).
            DataError: the weights are damaged.
        """
        from ssl_bench.report.frozen import open_encoder

        return open_encoder(self.directory)

    def report(self) -> Path:
        """Write ``report.md``, ``report.html`` and the pictures again, and give the former's path."""
        from ssl_bench.report.report import write_report

        return write_report(self.directory).files[0]

    def _title(self) -> str:
        from ssl_bench.report.run_tables import title

        return title(self.record)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    def __str__(self) -> str:
        return table_text(self._title(), self.summary(), self.notes)

    def _repr_html_(self) -> str:
        return table_html(self._title(), self.summary().round(3), self.notes)


def load_run(path: Path | str) -> Run:
    """A finished run.

    Args:
        path: its folder.

    Raises:
        UsageError: there is no finished run, or it is no path.
        DataError: its record is damaged.
    """
    found = Run(path)
    _ = found.record
    return found


def _is(row: MetricRow, asked: Mapping[str, Any]) -> bool:
    return all(row.named(key) == value for key, value in asked.items())


def _predicted(protocol: str, encoder: str, dataset: str, fraction: float, draw: int) -> str:
    """``linear of trained on nih14``, with the share of the labels where it is not all."""
    share = f", {fraction:g} of the labels, draw {draw}" if fraction != 1 else ""
    return f"{protocol} of {encoder} on {dataset}{share}"


def _frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([dict(row) for row in rows])
