"""Writes the screening films of Shenzhen and Montgomery County: a reading beside each film, lung masks in Montgomery.

Quirks that are written: ages as ``45yrs``, ``45 yrs``, ``4 months`` or ``049Y``, the truth in the name of the file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ssl_bench.plugin.options import WriterOptions
from sslbench_synthetic.hospitals.files import save_png8
from sslbench_synthetic.hospitals.films import write_films
from sslbench_synthetic.hospitals.profiles import Hospital
from sslbench_synthetic.hospitals.visits import MONTGOMERY, SHENZHEN, Visits, draw

MASKS = {"leftMask": (0.56, 0.15, 0.86, 0.75), "rightMask": (0.14, 0.15, 0.44, 0.75)}
"""Shares of width and height, in the folder of the patient's side."""


def write_shenzhen(options: WriterOptions, folder: Path) -> dict[str, int]:
    """Write films and readings into ``folder``; see :class:`ssl_bench.plugin.contracts.Writer`."""
    return _write(SHENZHEN, "CHNCXR", options, folder)


def write_montgomery(options: WriterOptions, folder: Path) -> dict[str, int]:
    """Write films, readings and masks into ``folder``; see :class:`ssl_bench.plugin.contracts.Writer`."""
    return _write(MONTGOMERY, "MCUCXR", options, folder)


def _write(hospital: Hospital, prefix: str, options: WriterOptions, folder: Path) -> dict[str, int]:
    visits = draw(hospital, options)
    films = visits.films
    signs = visits.truth[["Consolidation", "Pneumonia", "Infiltration", "Tuberculosis"]].max(axis=1)
    sick = (signs > 0) | (films.index % 5 == 0)
    films["name"] = [f"{prefix}_{row + 1:04d}_{int(ill)}" for row, ill in zip(films.index, sick, strict=True)]
    (folder / "ClinicalReadings").mkdir()
    for row, ill in zip(films.itertuples(), sick, strict=True):
        text = _shenzhen(row, ill) if prefix == "CHNCXR" else _montgomery(row, ill)
        (folder / f"ClinicalReadings/{row.name}.txt").write_text(text, encoding="utf-8")
    write_films(hospital, films.assign(path="CXR_png/" + films["name"] + ".png"), options.seed, folder, save_png8)
    if prefix == "MCUCXR":
        _write_masks(visits, folder)
    return {"images": len(films), "with tuberculosis": int(sick.sum())}


def _shenzhen(row: object, ill: bool) -> str:
    number, age = row.Index, row.age  # type: ignore[attr-defined]
    shown = "4 months" if number == 7 else f"{age}yrs" if number % 3 else f"{age} yrs"
    return f"{'male' if row.male else 'female'} {shown}\n{'secondary PTB' if ill else 'normal'}\n"  # type: ignore[attr-defined]


def _montgomery(row: object, ill: bool) -> str:
    sex, age = "M" if row.male else "F", row.age  # type: ignore[attr-defined]
    return f"Patient's Sex: {sex}\nPatient's Age: {age:03d}Y\n{'cavitary infiltrate' if ill else 'normal'}\n"


def _write_masks(visits: Visits, folder: Path) -> None:
    for side, (left, top, right, bottom) in MASKS.items():
        home = folder / "ManualMask" / side
        home.mkdir(parents=True)
        films = visits.films
        for name, height, width in zip(films["name"], films["height"].tolist(), films["width"].tolist(), strict=True):
            mask = np.zeros((height, width), np.uint8)
            mask[round(top * height) : round(bottom * height), round(left * width) : round(right * width)] = 255
            Image.fromarray(mask).save(home / f"{name}.png", compress_level=1)
