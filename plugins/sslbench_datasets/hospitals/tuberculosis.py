"""The tuberculosis films of Shenzhen and Montgomery County: a text file of sex, age and reading beside each film.

Jaeger et al., "Two public chest X-ray datasets for computer-aided screening of pulmonary diseases", Quantitative
Imaging in Medicine and Surgery 2014, https://doi.org/10.3978/j.issn.2223-4292.2014.11.20
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

import pandas as pd

from ssl_bench.data.spellings import PICTURES
from ssl_bench.data.tables import nearby
from ssl_bench.errors import DataError, shortened
from ssl_bench.plugin.options import Options
from sslbench_datasets.hospitals.draft import SEXES, Draft, Layout
from sslbench_datasets.values import parse_age

IMAGES, READINGS = "CXR_png", "ClinicalReadings"

AGE = (
    r"(?i)(?<![\d.])(\d{3})([ymwd])(?![a-z])",
    r"(?i)(?<![\d.])(\d+(?:\.\d+)?)\s*-?\s*(y(?=rs?\b|ears?\b|/?o\b|\b)|m(?=os?\b|onths?\b)|w(?=ks?\b|eeks?\b)|d(?=ays?\b))"
    r"(?![a-z]*\s*ago)",
)
"""``049Y``; ``45yrs``, ``45 yrs``, ``4 months``; no ``3 mm``, no ``45 M`` and no ``2 months ago``."""

SEX = (r"(?i)(?<![a-z])(female|male)(?![a-z])", r"(?i)\bsex\W*(f|m)\b", r"(?i)^\W*(f|m)\b")
"""The word anywhere, or a letter after ``Sex`` or at the beginning."""


class OfTuberculosis(Layout[Options]):
    """Films whose name ends in 1 for tuberculosis and 0 for none; each is of a patient of its own."""

    model = Options
    prefix: ClassVar[str]

    def draft(self, root: Path) -> Draft:
        """The films of the folder ``CXR_png``."""
        folder = root / IMAGES
        names = sorted(name for name in os.listdir(folder) if self._is_film(name)) if folder.is_dir() else []
        if not names:
            place = nearby(root, [IMAGES])
            hint = f"it is in {place}, give --root {place}" if place and place != root.resolve() else "check --root"
            raise DataError(f"expected {IMAGES}/{self.prefix}_0001_0.png and others in {root}; found none; {hint}")
        image = pd.Series(names).str.replace(r"\.[^.]+$", "", regex=True)
        strange = image[~image.str.fullmatch(rf"{self.prefix}_\d+_[01]")]
        if len(strange):
            raise DataError(f"names in {folder} must end in _0 or _1 for tuberculosis; found {shortened(strange)}")
        patient = image.str.rsplit("_", n=1).str[0]
        twice = patient[patient.duplicated()].unique()
        if len(twice):
            raise DataError(f"{folder} must have one film of each number; {shortened(twice)} have several; keep one")
        draft = Draft.of(self.name, root, image, IMAGES + "/" + pd.Series(names), patient)
        text = pd.Series([_reading(root / READINGS / f"{name}.txt") for name in image])
        draft.counts["images without a clinical reading"] = int((text == "").sum())
        said = _first([text.str.extract(pattern).sum(axis=1, skipna=False) for pattern in AGE]).str.upper()
        draft.age(said, parse_age(said))
        draft.category("sex", _first([text.str.extract(pattern)[0] for pattern in SEX]), SEXES)
        draft.findings(image.str[-1].astype(float).to_frame("Tuberculosis"))
        return draft

    def _is_film(self, name: str) -> bool:
        return name.startswith(f"{self.prefix}_") and os.path.splitext(name)[1].lower() in PICTURES


class Shenzhen(OfTuberculosis):
    """The dataset ``shenzhen``."""

    name, prefix = "shenzhen", "CHNCXR"


class Montgomery(OfTuberculosis):
    """The dataset ``montgomery``."""

    name, prefix = "montgomery", "MCUCXR"


def _first(found: list[pd.Series]) -> pd.Series:
    """What the first pattern found, else the next; blank where none did."""
    return pd.concat(found, axis=1).bfill(axis=1).iloc[:, 0].fillna("")


def _reading(path: Path) -> str:
    """The text of a reading with ``Patient's Sex`` and the like left as they are; blank where there is none."""
    try:
        return " ".join(path.read_text(encoding="utf-8-sig", errors="replace").split())
    except OSError:
        return ""
