"""Weights & Biases by Lightning's logger."""

from __future__ import annotations

import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import WandbLogger

from sslbench_loggers.options import WandbOptions
from sslbench_loggers.rows import final_numbers


class Wandb:
    """One W&B run for each run directory, also where that is resumed.

    Args:
        options: project and mode.
        name: of the run.
        folder: of the offline files.
    """

    def __init__(self, options: WandbOptions, name: str, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        mode = os.environ.get("WANDB_MODE", options.mode)
        same = sha256(str(folder.resolve()).encode()).hexdigest()[:12]  # a resumed run goes on in the same curves
        self._logger = WandbLogger(
            name=name, save_dir=str(folder), project=options.project, id=same, offline=mode == "offline", mode=mode,
            resume="allow" if mode == "online" else None,
        )  # fmt: skip

    def log(self, numbers: Mapping[str, float], step: int) -> None:
        """Scalars under ``train/``."""
        self._logger.log_metrics({f"train/{name}": value for name, value in numbers.items()}, step)

    def finish(self, record: Mapping[str, Any] | None = None) -> None:
        """Final numbers go to the summary, the configuration beside them."""
        run = self._logger.experiment
        if record:
            run.config.update(dict(record["config"]), allow_val_change=True)
            run.summary.update(final_numbers(record))
        run.finish()
