"""Writes the research clinic in the layout of NIH ChestX-ray14, with the official lists.

Quirks that are written: findings joined by ``|``, ages that nobody has, PNG files with four channels, lists without a
final newline, twelve folders or one, and the older label file whose ages have a unit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ssl_bench.plugin.labels import NIH14
from sslbench_synthetic.cohort.writer import FOLDERS, HEADER, IMPOSSIBLE_AGES, RGBA_EVERY, is_test, save_png
from sslbench_synthetic.hospitals.device import Pixels
from sslbench_synthetic.hospitals.films import write_films
from sslbench_synthetic.hospitals.labels import nih_truth
from sslbench_synthetic.hospitals.options import Nih14WriterOptions
from sslbench_synthetic.hospitals.population import draw_films, draw_studies, stream
from sslbench_synthetic.hospitals.profiles import RESEARCH

LABELS = {"2020": "Data_Entry_2017_v2020.csv", "2017": "Data_Entry_2017.csv"}
FILM = 2048
"""Side in px of the original films, of which the release's are reductions."""

SPACING = 0.143
"""Of an original pixel, in mm."""


def write(options: Nih14WriterOptions, folder: Path) -> dict[str, int]:
    """Write images, label file and lists into ``folder``; see :class:`ssl_bench.plugin.contracts.Writer`."""
    studies = draw_studies(RESEARCH, options.patients, options.seed)
    rng = stream(options.seed, RESEARCH, 2)
    truth = nih_truth(studies, rng)
    films = draw_films(RESEARCH, studies, options.seed, options.size)
    films["image"] = [f"{row.patient:08d}_{row.study:03d}.png" for row in films.itertuples()]
    films["path"] = _folders(len(films), options.folders) + films["image"]
    films["findings"] = ["|".join(np.array(NIH14)[row > 0]) or "No Finding" for row in truth.to_numpy()]
    films["shown_age"] = _ages(films["age"], options.release, rng)
    lines = "\n".join([HEADER, *(_line(row) for row in films.itertuples())])
    (folder / LABELS[options.release]).write_text(lines + "\n", encoding="utf-8")
    test = is_test(films["patient"], options.seed)
    for name, rows in (("train_val_list.txt", ~test), ("test_list.txt", test)):
        (folder / name).write_text("\n".join(films.loc[rows, "image"]), encoding="utf-8")  # no final newline
    write_films(RESEARCH, films, options.seed, folder, _save)
    return {"patients": options.patients, "images": len(films)}


def _folders(count: int, kind: str) -> pd.Series:
    number = np.arange(count) * FOLDERS // count + 1
    return pd.Series("images/" if kind == "flat" else [f"images_{one:03d}/images/" for one in number], range(count))


def _ages(ages: pd.Series, release: str, rng: np.random.Generator) -> pd.Series:
    """Ages as text, a few of them impossible."""
    shown = ages.astype(str)
    for row, age in zip(rng.choice(len(shown), len(IMPOSSIBLE_AGES), replace=False), IMPOSSIBLE_AGES, strict=True):
        shown.iloc[int(row)] = age
    return shown.str.zfill(3) + "Y" if release == "2017" else shown


def _line(row: Any) -> str:
    sex = "M" if row.male else "F"
    return (
        f"{row.image},{row.findings},{row.study},{row.patient},{row.shown_age},{sex},{row.view},"
        f"{FILM},{FILM},{SPACING},{SPACING}"
    )


def _save(pixels: Pixels, path: Path, number: int) -> None:
    save_png(pixels, path, rgba=number % RGBA_EVERY == 5)
