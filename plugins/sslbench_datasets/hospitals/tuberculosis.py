"""The tuberculosis films of Shenzhen and Montgomery County: a text file of sex, age and reading beside each film.

Jaeger et al., "Two public chest X-ray datasets for computer-aided screening of pulmonary diseases", Quantitative
Imaging in Medicine and Surgery 2014, https://doi.org/10.3978/j.issn.2223-4292.2014.11.20
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pandas as pd

from ssl_bench.data.tables import nearby
from ssl_bench.errors import DataError, shortened
from ssl_bench.plugin.options import Options
from sslbench_datasets.hospitals.draft import SEXES, Draft, Layout
from sslbench_datasets.values import parse_age

IMAGES, READINGS = "CXR_png", "ClinicalReadings"

AGE = r"(?i)(\d+(?:\.\d+)?)\s*(?:-\s*)?(y|m|w|d)[a-z]*\b"
"""``45yrs``, ``45 yrs``, ``4 months``, ``049Y``."""

SEX = r"(?i)\b(female|male|f|m)\b"


class OfTuberculosis(Layout[Options]):
    """Films whose name ends in 1 for tuberculosis and 0 for none; each is of a patient of its own."""

    model = Options
    prefix: ClassVar[str]

    def draft(self, root: Path) -> Draft:
        """The films of the folder ``CXR_png``."""
        folder = root / IMAGES
        names = sorted(path.name for path in folder.glob(f"{self.prefix}_*.png")) if folder.is_dir() else []
        if not names:
            place = nearby(root, [IMAGES])
            hint = f"it is in {place}, give --root {place}" if place and place != root.resolve() else "check --root"
            raise DataError(f"expected {IMAGES}/{self.prefix}_0001_0.png and others in {root}; found none; {hint}")
        image = pd.Series(names).str.removesuffix(".png")
        strange = image[~image.str.fullmatch(rf"{self.prefix}_\d+_[01]")]
        if len(strange):
            raise DataError(f"names in {folder} must end in _0 or _1 for tuberculosis; found {shortened(strange)}")
        draft = Draft.of(self.name, root, image, IMAGES + "/" + image + ".png", image.str.rsplit("_", n=1).str[0])
        text = pd.Series([_reading(root / READINGS / f"{name}.txt") for name in image])
        draft.counts["images without a clinical reading"] = int((text == "").sum())
        age = text.str.extract(AGE)
        said = (age[0] + age[1].str.upper()).fillna("")
        draft.age(said, parse_age(said))
        draft.category("sex", text.str.extract(SEX)[0].fillna(""), SEXES)
        draft.findings(image.str[-1].astype(float).to_frame("Tuberculosis"))
        return draft


class Shenzhen(OfTuberculosis):
    """The dataset ``shenzhen``."""

    name, prefix = "shenzhen", "CHNCXR"


class Montgomery(OfTuberculosis):
    """The dataset ``montgomery``."""

    name, prefix = "montgomery", "MCUCXR"


def _reading(path: Path) -> str:
    """The text of a reading with ``Patient's Sex`` and the like left as they are; blank where there is none."""
    try:
        return " ".join(path.read_text(encoding="utf-8-sig", errors="replace").split())
    except OSError:
        return ""
