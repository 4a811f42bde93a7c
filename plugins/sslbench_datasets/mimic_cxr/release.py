"""The files of a MIMIC-IV release: v1.0 keeps patients in ``core/``, later ones in ``hosp/``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NamedTuple

from ssl_bench.data.tables import find, gzipped_or_plain, nearby
from ssl_bench.errors import DataError, Problems, UsageError

FOLDERS = ("mimiciv", "mimic-iv")
"""Where a release is looked for below the root of the images, before the root itself."""

LAYOUTS = ("hosp", "core")


class Tables(NamedTuple):
    """The files that EHR features come from."""

    patients: Path
    admissions: Path
    icustays: Path


def find_folder(root: Path, given: str = "") -> Path | None:
    """The folder of MIMIC-IV: the one that is given, else the first that exists at the root; None: there is none.

    Raises:
        UsageError: the one that is given is no folder.
    """
    if given:
        if not Path(given).is_dir():
            raise UsageError(f"--ehr-root expects the folder of MIMIC-IV, found no folder at {given}")
        return Path(given)
    beside = next((root / name for name in FOLDERS if (root / name).is_dir()), None)
    return beside or (root if any((root / name).is_dir() for name in LAYOUTS) else None)


def find_tables(folder: Path) -> Tables:
    """The files of the release in a folder; v1.0 has a ``hosp/`` too, without patients.

    Raises:
        DataError: naming all that are missing, or both layouts are there.
    """
    layouts = [name for name in LAYOUTS if list((folder / name).glob("patients.csv*"))]
    if len(layouts) > 1:
        raise DataError(f"expected one release of MIMIC-IV in {folder}, found patients in hosp/ and core/; remove one")
    place = layouts[0] if layouts else next((name for name in LAYOUTS if (folder / name).is_dir()), LAYOUTS[0])
    if folder.is_dir() and not any((folder / name).is_dir() for name in LAYOUTS):
        inner = nearby(folder, [f"{name}/{file}" for name in LAYOUTS for file in gzipped_or_plain(["patients"])])
        if inner:
            raise DataError(f"expected hosp/ or core/ in {folder}; they are in {inner}, give --ehr-root {inner}")
    problems, found = Problems(), list[Path]()
    for part, stem in ((place, "patients"), (place, "admissions"), ("icu", "icustays")):
        problems.run(partial(_add, found, folder / part, stem))
    problems.raise_if_any()
    return Tables(*found)


def _add(found: list[Path], folder: Path, stem: str) -> None:
    found.append(find(folder, gzipped_or_plain([stem])))
