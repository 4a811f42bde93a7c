"""PadChest as it is on disk: 16-bit PNG films of San Juan Hospital (Alicante) with terms in place of label columns.

Bustos et al., "PadChest: A large chest x-ray image dataset with multi-label annotated reports", Medical Image Analysis
2020, https://arxiv.org/abs/1901.07441
"""

from __future__ import annotations

from importlib.resources import files
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from ssl_bench.data.tables import find, gzipped_or_plain, read_csv
from ssl_bench.errors import DataError, shortened
from sslbench_datasets.hospitals.draft import SEXES, Draft, Layout
from sslbench_datasets.hospitals.options import PadchestOptions
from sslbench_datasets.hospitals.readers import count_terms, without_contradictions
from sslbench_datasets.values import marks_of_names, paths_in

TABLES = gzipped_or_plain(["PADCHEST_chest_x_ray_images_labels_160K_01.02.19"])
COLUMNS = {
    "image": "ImageID",
    "folder": "ImageDir",
    "study": "StudyID",
    "patient": "PatientID",
    "born": "PatientBirth",
    "sex": "PatientSex_DICOM",
    "date": "StudyDate_DICOM",
    "view": "Projection",
    "method": "MethodLabel",
    "labels": "Labels",
    "device": "Manufacturer_DICOM",
}
OPTIONAL = ("folder", "study", "device")

VIEWS = {"PA": "PA", "AP": "AP", "AP_horizontal": "AP", "L": "LATERAL"}
"""COSTAL films show the ribs, and EXCLUDE no chest."""

FINDINGS = (
    "No Finding", "Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Emphysema", "Fibrosis", "Fracture",
    "Hernia", "Infiltration", "Mass", "Nodule", "Pleural Effusion", "Pleural_Thickening", "Pneumonia", "Pneumothorax",
    "Support Devices", "Tuberculosis",
)  # fmt: skip
NETWORK = "rnn_model"
EXCLUDE, NOTHING = "(exclude)", "(nothing)"
"""In the table of terms: the film is of no use; the term tells of no finding."""

YEAR = r"^((?:18|19|20)\d\d)"
ITEM = r"""'[^']*'|"[^"]*\""""
LIST = rf"\[\s*(?:(?:{ITEM}|nan)\s*(?:,\s*(?:{ITEM}|nan)\s*)*)?\]"
"""A list as Python prints it: terms with an apostrophe are in double quotes."""


class Padchest(Layout[PadchestOptions]):
    """The dataset ``padchest``.

    Args:
        options: views, and whose labels the test split has.
    """

    name = "padchest"
    model = PadchestOptions

    def draft(self, root: Path) -> Draft:
        """Every row of the label file, but for films that its terms exclude."""
        path = find(root, TABLES)
        table = read_csv(path, COLUMNS, optional=OPTIONAL)
        table.check_filled("image", "patient")
        text = table.frame
        name, path_of = (
            text["image"].str.replace(r"\.png$", "", regex=True),
            paths_in(root, text["image"], text.get("folder")),
        )
        draft = Draft.of(self.name, root, name, path_of, text["patient"], text.get("study"))
        physician = text["method"].str.lower() == "physician"
        other = ~physician & (text["method"].str.lower() != NETWORK)
        draft.counts["images labelled neither by Physician nor by RNN_model, taken for the latter"] = int(other.sum())
        draft.sources["rows labelled by a physician"] = int(physician.sum())
        if "study" not in text:
            draft.counts["images without a study, each its own"] = len(text)
        years, age = years_of(text["date"]) - years_of(text["born"]), text["born"].where(text["date"] != "", "")
        draft.age(age, years.where(years.between(0, 120, inclusive="right")))
        draft.category("sex", text["sex"], SEXES)
        draft.category("view", text["view"], VIEWS)
        draft.text("year", pd.DataFrame({"year": text["date"].str.extract(YEAR)[0].fillna("")}))
        draft.text("device", text)
        marks, exclude = read_terms(text["labels"], path, draft)
        draft.findings(marks)
        network = draft.rows["patient_id"].notna() & ~physician
        draft.leave_out(exclude, "images that their labels exclude (exclude, suboptimal study)")
        draft.see(self.options.views)
        self._divide(draft, network)
        return draft

    def _divide(self, draft: Draft, network: pd.Series) -> None:
        """Splits by patient, and test images labelled by a physician alone."""
        draft.rows["split"] = draft.cohort().frame["split"].to_numpy()
        if self.options.test_labels == "physician":
            spare = network[draft.rows.index] & (draft.rows["split"] == "test")
            draft.leave_out(spare, "test images that a network labelled")


def years_of(text: pd.Series) -> pd.Series:
    """The year of ``1948``, ``1948.0`` or ``20100312``; NaN where there is none."""
    return pd.to_numeric(text.str.extract(YEAR)[0], errors="coerce")


def terms_table() -> pd.DataFrame:
    """Our findings by PadChest's term: names joined by ``|``, or what the term is good for; blank: none of ours."""
    text = files("sslbench_datasets.hospitals").joinpath("padchest_terms.csv").read_text(encoding="utf-8")
    return pd.read_csv(StringIO(text), dtype=str, keep_default_na=False)


def read_terms(text: pd.Series, path: Path, draft: Draft) -> tuple[pd.DataFrame, pd.Series]:
    """Findings by image, and which images their terms exclude; terms are matched whole: ``breast mass`` is no ``mass``.

    A row whose terms say nothing (no term at all, ``unchanged``) is blank, and never normal.

    Raises:
        DataError: a cell is no list of terms.
    """
    codes, cells = pd.factorize(text)
    lists = pd.Series(cells, dtype=str)
    strange = lists[(lists != "") & ~lists.str.fullmatch(LIST)]
    if len(strange):
        raise DataError(
            f"Labels of {path} must be lists such as ['nodule', 'scoliosis']; found {shortened(strange, 3)}"
        )
    terms = lists.str.findall(ITEM).explode().str[1:-1].str.split().str.join(" ")
    terms = terms[terms.notna() & (terms != "")]
    known = terms_table()
    meaning = known.set_index(known["term"].str.lower())["findings"]
    means = terms.str.lower().map(meaning)
    images = pd.Series(np.bincount(codes, minlength=len(cells)))
    draft.unmapped |= count_terms(terms[means.fillna("") == ""], images)
    draft.counts["images with terms that are not PadChest's"] = int(images[means.index[means.isna()].unique()].sum())
    named = marks_of_names(means.dropna().str.split("|").explode(), FINDINGS, lists.index)
    marks, both = without_contradictions(named)
    draft.counts["normal images with a finding, which are not normal"] = int(images[both].sum())
    told = (means != NOTHING).groupby(level=0).any().reindex(lists.index, fill_value=False)
    exclude = (means == EXCLUDE).groupby(level=0).any().reindex(lists.index, fill_value=False)
    blank = marks.where(told, np.nan)
    return blank.iloc[codes].set_index(text.index), exclude.iloc[codes].set_axis(text.index)
