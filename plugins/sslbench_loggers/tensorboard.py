"""TensorBoard by Fabric's logger."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning_fabric.loggers.tensorboard import TensorBoardLogger

from ssl_bench.plugin.options import Options
from sslbench_loggers.rows import final_numbers


class TensorBoard:
    """Event files; the final numbers stand at the training's last step.

    Args:
        options: none.
        name: of the run.
        folder: of the event files.
    """

    def __init__(self, options: Options, name: str, folder: Path) -> None:
        self._logger = TensorBoardLogger(root_dir=folder, name="", version="")

    def log(self, numbers: Mapping[str, float], step: int) -> None:
        """Scalars under ``train/``."""
        self._logger.log_metrics({f"train/{name}": value for name, value in numbers.items()}, step)

    def finish(self, record: Mapping[str, Any] | None = None) -> None:
        """Write what is buffered."""
        if record:
            trained = record["pretraining"] or {"steps": 0}
            self._logger.log_metrics(final_numbers(record), trained["steps"])
        self._logger.finalize("success")
