"""Writes a virtual population to disk in the native layout of NIH ChestX-ray14, quirks included."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from PIL import Image

from ssl_bench.data.synthetic import MARKER
from ssl_bench.files import new_folder
from sslbench_synthetic.cohort.population import FINDINGS, draw_population
from sslbench_synthetic.options import SyntheticOptions

if TYPE_CHECKING:
    from sslbench_synthetic.cohort.radiograph import Pixels

VERSION = 3
"""Raised whenever the same options give other files."""

DESCRIPTION = MARKER
LABELS = "Data_Entry_2017_v2020.csv"
HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
FOLDERS = 12
TEST_SHARE = 0.2
RGBA_EVERY = 97
"""One image in so many has four channels, as some of NIH's have."""

IMPOSSIBLE_AGES = ("414", "155", "0")
"""Ages that the release of 2017 has; the first rows of the last patients carry them."""


def folder_name(options: SyntheticOptions) -> str:
    """The name of the folder for one set of options, ``nih14-<images>-<hash>``."""
    key = json.dumps({"version": VERSION, **options.model_dump()}, sort_keys=True)
    return f"nih14-{options.images}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def write_once(options: SyntheticOptions, cache: Path) -> Path:
    """The folder of these options under ``cache``, written where it is not there yet.

    It is written beside its place and renamed, so that a folder with that name is always complete.
    """
    target = cache / folder_name(options)
    if (target / DESCRIPTION).is_file():
        return target
    try:
        with new_folder(target) as unfinished:
            write(options, unfinished)
    except OSError:
        if not (target / DESCRIPTION).is_file():  # otherwise another process was faster, with the same files
            raise
    return target


def write(options: SyntheticOptions, folder: Path) -> pd.DataFrame:
    """Write images, label file, lists and description into ``folder``.

    Returns:
        The population that was written.
    """
    population = draw_population(options.images, options.seed, options.ehr_effect)
    population["image"] = [
        f"{patient:08d}_{study:03d}.png"
        for patient, study in zip(population["patient"], population["study"], strict=True)
    ]
    _write_images(population, options, folder)
    (folder / LABELS).write_text("\n".join([HEADER, *_rows(population, options.size)]) + "\n", encoding="utf-8")
    test = is_test(population["patient"], options.seed)
    for name, rows in (("train_val_list.txt", ~test), ("test_list.txt", test)):
        (folder / name).write_text("\n".join(population.loc[rows, "image"]), encoding="utf-8")  # no final newline
    description = {
        "synthetic": "procedural radiographs of virtual patients: nothing here was measured on a person",
        "layout": "NIH ChestX-ray14",
        "version": VERSION,
        "options": options.model_dump(),
        "findings": list(FINDINGS),
        "patients": int(population["patient"].nunique()),
    }
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
    return population


def is_test(patients: pd.Series, seed: int) -> pd.Series:
    """Which rows belong to test patients: a fifth of the patients, at least one."""
    names = patients.unique()
    count = max(1, round(TEST_SHARE * len(names)))
    return patients.isin(np.random.default_rng([seed, 4]).permutation(names)[:count])


def records(population: pd.DataFrame) -> list[dict[str, Any]]:
    """One mapping a row, for :func:`draw_radiograph`."""
    return [{str(name): value for name, value in row.items()} for row in population.to_dict("records")]


def _rows(population: pd.DataFrame, size: int) -> Iterable[str]:
    """Lines of the label file."""
    ages = population["recorded_age"].to_numpy(copy=True)
    quirks = np.linspace(len(ages) * 0.3, len(ages) - 1, len(IMPOSSIBLE_AGES)).astype(int)
    ages[quirks] = IMPOSSIBLE_AGES
    spacing = 0.143 * 2048 / size
    for age, row in zip(ages, records(population), strict=True):
        findings = "|".join(finding for finding in FINDINGS if row[finding] > 0) or "No Finding"
        yield (
            f"{row['image']},{findings},{row['study']},{row['patient']},{age},{row['recorded_sex']},{row['recorded_view']},"
            f"{size},{size},{spacing:.4f},{spacing:.4f}"
        )


def _write_images(population: pd.DataFrame, options: SyntheticOptions, folder: Path) -> None:
    """Draw and write all images, by patient into the twelve folders of the release."""
    from sslbench_synthetic.cohort.radiograph import draw_radiograph  # with SciPy, which images written before need not

    folders = [folder / f"images_{number:03d}" / "images" for number in range(1, FOLDERS + 1)]
    for path in folders:
        path.mkdir(parents=True)
    rows = records(population)

    def one(number: int) -> None:
        row = rows[number]
        place = folders[number * FOLDERS // len(rows)]
        save_png(
            draw_radiograph(row, options.seed, options.size), place / str(row["image"]), rgba=number % RGBA_EVERY == 5
        )

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:  # numpy and zlib leave the interpreter lock
        list(pool.map(one, range(len(rows))))


def save_png(pixels: Pixels, path: Path, *, rgba: bool) -> None:
    """Write a PNG file, grey or with four channels."""
    image = Image.fromarray(pixels)
    (image.convert("RGBA") if rgba else image).save(path, compress_level=1)
