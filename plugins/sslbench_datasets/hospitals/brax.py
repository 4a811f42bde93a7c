"""BRAX 1.1.0 as it is on disk: a hospital in São Paulo, labelled as CheXpert from reports in Portuguese.

Reis et al., "BRAX, Brazilian labeled chest x-ray dataset", Scientific Data 2022,
https://doi.org/10.1038/s41597-022-01608-8
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ssl_bench.data.tables import find, gzipped_or_plain, read_csv
from ssl_bench.plugin.labels import CHEXPERT14
from sslbench_datasets.hospitals.draft import SEXES, Draft, Layout
from sslbench_datasets.hospitals.options import BraxOptions
from sslbench_datasets.values import parse_age, parse_marks, slashed

TABLES = gzipped_or_plain(["master_spreadsheet_update", "master_spreadsheet"])
PATHS = {"png": "PngPath", "dicom": "DicomPath"}
COLUMNS = {
    "patient": "PatientID",
    "study": "AccessionNumber",
    "sex": "PatientSex",
    "age": "PatientAge",
    "view": "ViewPosition",
    "device": "Manufacturer",
    **{finding: finding for finding in CHEXPERT14},
}
VIEWS = {"PA": "PA", "AP": "AP", "L": "LATERAL", "LL": "LL", "RL": "LATERAL"}
"""Decubitus and oblique films (AP LLD, LT-DECUB, RLO) are none of ours."""


class Brax(Layout[BraxOptions]):
    """The dataset ``brax``.

    Args:
        options: views, and which copy of the images.
    """

    name = "brax"
    model = BraxOptions

    def draft(self, root: Path) -> Draft:
        """Every row of the master spreadsheet; a study is a patient's accession number."""
        path = find(root, TABLES)
        table = read_csv(path, {"path": PATHS[self.options.files], **COLUMNS}, optional=("device",))
        table.check_filled("path", "patient", "study")
        text = table.frame
        where = slashed(text["path"]).str.lstrip("/")
        name = where.str.replace(r"\.[^./]+$", "", regex=True)
        draft = Draft.of(self.name, root, name, where, text["patient"], text["patient"] + "/" + text["study"])
        draft.age(text["age"], lower_ends(text["age"]))
        draft.category("sex", text["sex"], SEXES)
        draft.category("view", text["view"], VIEWS)
        draft.text("device", text)
        draft.findings(parse_marks(text[list(CHEXPERT14)], name, path))
        draft.see(self.options.views)
        return draft


def lower_ends(text: pd.Series) -> pd.Series:
    """Years from bins of five: ``60``, ``60-64`` and ``85 or more`` are their lower ends."""
    return parse_age(text.str.replace(r"(?i)^(\d+)(?:\s*-\s*\d+|\s+or\s+(?:more|older)|\+)?$", r"\1", regex=True))
