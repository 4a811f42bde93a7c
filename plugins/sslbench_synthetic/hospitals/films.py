"""Draws the films of a hospital and writes them, several at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from sslbench_synthetic.cohort.radiograph import draw_radiograph
from sslbench_synthetic.hospitals.device import Pixels, develop
from sslbench_synthetic.hospitals.lateral import draw_lateral
from sslbench_synthetic.hospitals.population import person, records
from sslbench_synthetic.hospitals.profiles import Hospital

DRAWN = 192
"""Largest side in px at which a chest is drawn; larger pictures are enlarged and get their grain afterwards."""

QUALITY = 92
"""Of JPEG files."""

Save = Callable[[Pixels, Path, int], None]


def draw_film(hospital: Hospital, film: Mapping[str, Any], seed: int) -> Pixels:
    """The picture of one row of ``draw_films``, ``(height, width)``."""
    row = person(hospital, film)
    draw = draw_lateral if film["view"] == "LATERAL" else draw_radiograph
    drawn = draw(row, seed, min(DRAWN, max(film["height"], film["width"])))
    rng = np.random.default_rng([seed, 6, row["patient"], row["study"]])
    return develop(drawn, hospital.look, film["height"], film["width"], rng)


def write_films(hospital: Hospital, films: pd.DataFrame, seed: int, folder: Path, save: Save | None = None) -> None:
    """Write the picture of every row to its ``path`` below ``folder``.

    Args:
        hospital: where the films are taken.
        films: from ``draw_films``, with the column ``path``.
        seed: of the population.
        folder: which the paths are relative to.
        save: called as ``(pixels, path, number)`` for each row; JPEG files if not given.
    """
    rows = records(films)
    for parent in {(folder / row["path"]).parent for row in rows}:
        parent.mkdir(parents=True, exist_ok=True)

    def one(number: int) -> None:
        row = rows[number]
        (save or _jpeg)(draw_film(hospital, row, seed), folder / row["path"], number)

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:  # numpy and the coders leave the interpreter lock
        list(pool.map(one, range(len(rows))))


def _jpeg(pixels: Pixels, path: Path, number: int) -> None:
    Image.fromarray(pixels).save(path, quality=QUALITY)
