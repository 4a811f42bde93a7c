"""``log.jsonl`` of a run as arrays. No Matplotlib: the page reads logs too."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ssl_bench.report.palette import LeftOut

Series = dict[str, npt.NDArray[np.float64]]

MOST = 1000
"""Logged steps that are drawn; of a longer log every n-th one."""


def read_log(log: Path) -> Series:
    """Values of the log by name, each ``(steps,)`` with NaN where a step lacks it.

    Raises:
        LeftOut: the log is missing or empty.
    """
    if not log.is_file():
        raise LeftOut(f"{log.name} is missing")
    entries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
    if not entries:
        raise LeftOut(f"{log.name} is empty")
    names = dict.fromkeys(name for entry in entries for name in entry)
    every = math.ceil(len(entries) / MOST)
    chosen = [entries[place] for place in range(len(entries) - 1, -1, -every)][::-1]
    return {name: np.array([entry.get(name, math.nan) for entry in chosen], float) for name in names}


def loss_parts(series: Series) -> list[str]:
    """Names of the loss's parts: the loop writes them between the loss and the gradient norm."""
    names = list(series)
    if "loss" not in names or "grad_norm" not in names:
        return []
    return names[names.index("loss") + 1 : names.index("grad_norm")]
