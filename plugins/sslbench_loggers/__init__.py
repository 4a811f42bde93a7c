"""The built-in loggers: training curves while a run trains, and the final rows once it is on record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ssl_bench import Component, LoggerSpec, hookimpl

LOGGERS = (
    LoggerSpec(name="tensorboard", target="sslbench_loggers.tensorboard:TensorBoard",
               requires={"tensorboard": "tensorboard"},
               summary="TensorBoard event files in the run directory"),
    LoggerSpec(name="wandb", target="sslbench_loggers.wandb:Wandb", options="sslbench_loggers.options:WandbOptions",
               requires={"wandb": "wandb"},
               summary="Weights & Biases, offline unless set otherwise"),
    LoggerSpec(name="mlflow", target="sslbench_loggers.mlflow:Mlflow", options="sslbench_loggers.options:MlflowOptions",
               requires={"mlflow": "mlflow-skinny", "sqlalchemy": "sqlalchemy", "alembic": "alembic"},
               summary="MLflow, in the run directory unless a server is named"),
)  # fmt: skip


@hookimpl
def sslbench_components() -> Iterable[Component]:
    """The built-in loggers."""
    return LOGGERS


@hookimpl
def sslbench_run_finished(record: Mapping[str, Any], run_dir: Path) -> None:
    """Upload the final rows to those of the built-in loggers that the run has used."""
    offered = {logger.name: logger for logger in LOGGERS}
    for asked in record["config"]["loggers"]:
        if logger := offered.get(asked["name"]):
            values = {key: value for key, value in asked.items() if key != "name"}
            target = logger.load()(logger.options_model()(**values), run_dir.name, run_dir / "loggers" / logger.name)
            target.finish(record)
