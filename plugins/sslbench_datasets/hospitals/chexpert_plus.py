"""CheXpert Plus as it is on disk: the patients of CheXpert with reports, demographics and CheXbert's labels of both.

Chambon et al., "CheXpert Plus: Augmenting a large chest X-ray dataset with text radiology reports, patient demographics
and additional image formats", 2024, https://arxiv.org/abs/2405.19538
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from ssl_bench.data.tables import find, gzipped_or_plain, read_csv, unique_rows
from ssl_bench.errors import DataError, shortened
from ssl_bench.plugin.labels import CHEXPERT14
from sslbench_datasets.attributes import ETHNICITIES, INSURANCES, RACES
from sslbench_datasets.hospitals.draft import SEXES, Draft, Layout
from sslbench_datasets.hospitals.options import ChexpertPlusOptions
from sslbench_datasets.values import slashed

TABLES = gzipped_or_plain(["df_chexpert_plus_240401"])
COLUMNS = {
    "path": "path_to_image",
    "dicom": "path_to_dcm",
    "side": "frontal_lateral",
    "view": "ap_pa",
    "patient": "deid_patient_id",
    "age": "age",
    "sex": "sex",
    "split": "split",
    "race": "race",
    "ethnicity": "ethnicity",
    "insurance": "insurance_type",
    "bmi": "recent_bmi",
}
SOCIAL = {"race": RACES, "ethnicity": ETHNICITIES, "insurance": INSURANCES}
OPTIONAL = (*SOCIAL, "bmi")
"""What extracts of the table may lack."""

VIEWS = {"PA": "PA", "AP": "AP", "LL": "LL", "RL": "LATERAL", "LATERAL": "LATERAL"}
FOLDERS = {"png": ("PNG/PNG", "PNG", ""), "dicom": ("DICOM/DICOM", "DICOM", "")}
"""Where the archives of the release unpack to."""


class ChexpertPlus(Layout[ChexpertPlusOptions]):
    """The dataset ``chexpert-plus``.

    Args:
        options: views, which copy of the images, and labels of which part of the report.
    """

    name = "chexpert-plus"
    model = ChexpertPlusOptions

    def draft(self, root: Path) -> Draft:
        """Every row of the table; its ``valid`` rows are the test split, for there is no other."""
        path = find(root, TABLES)
        table = read_csv(path, COLUMNS, optional=(*OPTIONAL, *(("dicom",) if self.options.files == "png" else ())))
        table.check_filled("path", "patient")
        text = table.frame.assign(path=slashed(table.frame["path"]))
        name = text["path"].str.replace(r"\.[^./]+$", "", regex=True)
        study = text["path"].str.rsplit("/", n=1).str[0]
        draft = Draft.of(self.name, root, name, self._paths(root, text), text["patient"], study)
        draft.age(text["age"])
        draft.category("sex", text["sex"], SEXES)
        lateral = (text["side"].str.lower() == "lateral") & (text["view"] == "")
        draft.category("view", text["view"].mask(lateral, "LATERAL"), VIEWS)
        for feature, meanings in SOCIAL.items():
            draft.told(feature, text, meanings)
        draft.number("bmi", text)
        draft.findings(self._labels(root, text["path"]))
        split = text["split"].str.lower()
        draft.official_split(split.mask(split == "valid", "test"), path)
        draft.counts["rows of split valid that are the test split"] = int((split == "valid").sum())
        draft.see(self.options.views)
        return draft

    def _paths(self, root: Path, text: pd.DataFrame) -> pd.Series:
        """Table paths end in .jpg, and the files in .png or .dcm."""
        column, ending = ("path", ".png") if self.options.files == "png" else ("dicom", ".dcm")
        paths = slashed(text[column])
        first = paths.iloc[0].split("/")[0]
        places = FOLDERS[self.options.files]
        place = next((place for place in places if (root / place / first).is_dir()), places[0])
        bare = paths.str.replace(r"\.[^./]+$", "", regex=True)
        return (f"{place}/" if place else "") + bare + ending

    def _labels(self, root: Path, paths: pd.Series) -> pd.DataFrame:
        """CheXbert's labels by image; an image that the file lacks is unknown."""
        folder = root / "chexbert_labels" if (root / "chexbert_labels").is_dir() else root
        path = find(folder, [f"{self.options.label_source}_fixed.json"])
        rows = pd.DataFrame(read_lines(path))
        lacking = [name for name in ("path_to_image", *CHEXPERT14) if name not in rows]
        if lacking:
            raise DataError(f"{path} lacks {shortened(lacking)}; found {shortened(rows.columns)}; download it again")
        rows = rows[["path_to_image", *CHEXPERT14]]
        rows = unique_rows(rows.assign(path_to_image=slashed(rows["path_to_image"].astype(str))), path,
                           ["path_to_image"]).set_index("path_to_image")  # fmt: skip
        if not paths.isin(rows.index).any():
            raise DataError(f"{path} has labels of none of the images, such as {paths.iloc[0]}; its first are of "
                            f"{shortened(rows.index)}; download it again")  # fmt: skip
        marks = rows[list(CHEXPERT14)].apply(pd.to_numeric, errors="coerce")
        wrong = (marks.isna() & rows[list(CHEXPERT14)].notna()).any(axis=1)
        if wrong.any():
            raise DataError(f"labels must be 1, 0, -1 or null; {path} has others for {shortened(rows.index[wrong])}")
        found: pd.DataFrame = marks.reindex(paths).astype(np.float64)
        return found.set_axis(paths.index)


def read_lines(path: Path) -> Iterator[dict[str, object]]:
    """The objects of a file with one JSON object a line.

    Raises:
        DataError: a line is none; naming the first.
    """
    for number, line in enumerate(_lines(path), start=1):
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise DataError(f"{path} must have a JSON object on each line; line {number} is none; download it again")
        yield value


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text: {' '.join(str(error).split())}; download it again") from None
    return [line for line in text.split("\n") if line.strip()]
