"""Options of the built-in loggers; no heavy import."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ssl_bench.plugin.options import Options


class WandbOptions(Options):
    """Weights & Biases. Nothing leaves the machine unless ``mode`` says so."""

    project: str = Field("sslbench", description="project")
    mode: Literal["offline", "online"] = Field(
        "offline", description="offline writes files that `wandb sync` uploads later; $WANDB_MODE wins"
    )


class MlflowOptions(Options):
    """MLflow."""

    experiment: str = Field("sslbench", description="experiment")
    uri: str = Field("", description="tracking server; empty: $MLFLOW_TRACKING_URI, else files in the run directory")
