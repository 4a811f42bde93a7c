"""MLflow by its client."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sslbench_loggers.options import MlflowOptions
from sslbench_loggers.rows import final_numbers, flat

LONGEST, AT_ONCE = 500, 100
"""Limits of MLflow: characters of a parameter, values in one call."""


class Mlflow:
    """One MLflow run for each run directory, also where that is resumed; its id is kept beside the files.

    Lightning's logger for MLflow needs the whole ``mlflow`` and not ``mlflow-skinny``.

    Args:
        options: experiment and server.
        name: of the run.
        folder: of the files where no server is named.
    """

    def __init__(self, options: MlflowOptions, name: str, folder: Path) -> None:
        from mlflow.tracking import MlflowClient  # an extra, so that this module loads without it

        folder.mkdir(parents=True, exist_ok=True)
        uri = options.uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{folder.resolve()}/mlflow.db"
        self._client = MlflowClient(tracking_uri=uri)
        kept = folder / "run-id"
        if not kept.is_file():
            found = self._client.get_experiment_by_name(options.experiment)
            experiment = found.experiment_id if found else self._client.create_experiment(options.experiment)
            kept.write_text(self._client.create_run(experiment, run_name=name).info.run_id)
        self._run = kept.read_text()

    def log(self, numbers: Mapping[str, float], step: int) -> None:
        """Scalars under ``train/``."""
        self._send({f"train/{name}": value for name, value in numbers.items()}, step)

    def _send(self, numbers: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        metrics = [Metric(name, value, 0, step) for name, value in numbers.items()]
        for start in range(0, len(metrics), AT_ONCE):
            self._client.log_batch(self._run, metrics=metrics[start : start + AT_ONCE])

    def finish(self, record: Mapping[str, Any] | None = None) -> None:
        """Final numbers at the training's last step, the configuration as parameters."""
        from mlflow.entities import Param

        if record:
            self._send(final_numbers(record), (record["pretraining"] or {"steps": 0})["steps"])
            params = [Param(key, str(value)[:LONGEST]) for key, value in flat(record["config"]).items()]
            for start in range(0, len(params), AT_ONCE):
                self._client.log_batch(self._run, params=params[start : start + AT_ONCE])
            self._client.set_terminated(self._run)
