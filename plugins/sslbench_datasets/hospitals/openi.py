"""Open-i (Indiana University) as it is on disk: films of two views with a report in XML, indexed by MeSH terms.

Demner-Fushman et al., "Preparing a collection of radiology examinations for distribution and retrieval", JAMIA 2016,
https://doi.org/10.1093/jamia/ocv080
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd

from ssl_bench.data.tables import read_csv
from ssl_bench.errors import DataError
from ssl_bench.plugin.notes import Note
from ssl_bench.plugin.options import Options
from sslbench_datasets.hospitals.draft import Draft, Layout
from sslbench_datasets.hospitals.readers import count_terms, without_contradictions
from sslbench_datasets.values import marks_of_names, paths_in

PLACES = ("NLMCXR_png", "images", "images/images_normalized", "images_normalized", ".")
REPORTS = ("NLMCXR_reports/ecgen-radiology", "ecgen-radiology", "NLMCXR_reports", "reports")

TERMS = {
    "normal": "No Finding",
    "Atelectasis": "Atelectasis",
    "Pulmonary Atelectasis": "Atelectasis",
    "Cardiomegaly": "Cardiomegaly",
    "Consolidation": "Consolidation",
    "Pulmonary Edema": "Edema",
    "Emphysema": "Emphysema",
    "Pulmonary Emphysema": "Emphysema",
    "Pulmonary Fibrosis": "Fibrosis",
    "Fractures, Bone": "Fracture",
    "Hernia, Hiatal": "Hernia",
    "Infiltrate": "Infiltration",
    "Mass": "Mass",
    "Nodule": "Nodule",
    "Opacity": "Lung Opacity",
    "Airspace Disease": "Lung Opacity",
    "Pleural Effusion": "Pleural Effusion",
    "Thickening/pleura": "Pleural_Thickening",
    "Pneumonia": "Pneumonia",
    "Pneumothorax": "Pneumothorax",
    "Catheters, Indwelling": "Support Devices",
    "Medical Device": "Support Devices",
    "Implanted Medical Device": "Support Devices",
    "Tube, Inserted": "Support Devices",
}
"""Our finding by the head of a MeSH term (``Cardiomegaly/mild``), or by the whole of one."""

UNREADABLE = ("no indexing", "technical quality of image unsatisfactory")
"""Heads that say nothing of the chest."""

FINDINGS = tuple(dict.fromkeys(TERMS.values()))
PROJECTIONS = "indiana_projections.csv"
"""Of a copy that goes around; it says which films are lateral."""


class Openi(Layout[Options]):
    """The dataset ``openi``: a report is a study, and counts as a patient."""

    name = "openi"
    model = Options

    def draft(self, root: Path) -> Draft:
        """The films that reports name."""
        folder = next((root / place for place in REPORTS if any((root / place).glob("*.xml"))), None)
        if folder is None:
            raise DataError(
                f"expected reports in {root / REPORTS[0]} or {root / REPORTS[1]}; found no XML file; check --root"
            )
        reports = [read_report(path) for path in sorted(folder.glob("*.xml"))]
        rows = pd.DataFrame([(image, report, terms) for report, images, terms in reports for image in images],
                            columns=["image", "report", "terms"])  # fmt: skip
        if rows.empty:
            raise DataError(f"reports in {folder} name no image; download them again")
        draft = Draft.of(self.name, root, rows["image"], paths_in(root, rows["image"] + ".png", below=PLACES),
                         rows["report"], rows["report"])  # fmt: skip
        draft.sources.pop("patients")
        draft.sources["reports"] = len(reports)
        draft.counts["reports without an image"] = sum(not images for _, images, _ in reports)
        draft.findings(read_terms(rows["terms"], draft))
        self._views(draft, root)
        draft.notes.append(Note("no-patients", "Open-i has no patient ids: each report counts as a patient of its own"))
        return draft

    def _views(self, draft: Draft, root: Path) -> None:
        """Lateral films are left out where a table says which they are."""
        if not (root / PROJECTIONS).is_file():
            draft.notes.append(
                Note("views-unknown", f"frontal and lateral films cannot be distinguished without {PROJECTIONS}")
            )
            return
        text = read_csv(root / PROJECTIONS, {"file": "filename", "side": "projection"}).frame
        # That copy names films without CXR in front, and with another ending: 1_IM-0001-4001.dcm.png
        name = "CXR" + text["file"].str.replace(r"(\.dcm)?\.png$", "", regex=True).str.removeprefix("CXR")
        side = draft.rows["image_id"].map(text["side"].set_axis(name)[~name.duplicated().to_numpy()])
        draft.counts["images without a known projection"] = int(side.isna().sum())
        draft.leave_out(side.str.lower() == "lateral", "lateral images left out")


def read_report(path: Path) -> tuple[str, list[str], list[str]]:
    """The name of a report, its images and its MeSH terms.

    Raises:
        DataError: it is no XML.
    """
    try:
        tree = ElementTree.parse(path)
    except (ElementTree.ParseError, OSError) as error:
        raise DataError(f"report {path} cannot be read: {' '.join(str(error).split())}; download it again") from None
    images = [str(node.get("id")) for node in tree.iter("parentImage") if node.get("id")]
    return path.stem, list(dict.fromkeys(images)), [" ".join((node.text or "").split()) for node in tree.iter("major")]


def read_terms(terms: pd.Series, draft: Draft) -> pd.DataFrame:
    """Findings by image; an image of a report that was not indexed is unknown."""
    every = terms.explode()
    head = every.str.split("/").str[0].str.strip()
    whole = every.str.split("/").str[:2].str.join("/")
    meaning = {term.lower(): finding for term, finding in TERMS.items()}
    ours = whole.str.lower().map(meaning).fillna(head.str.lower().map(meaning))
    says = head.notna() & (head != "") & ~head.str.lower().isin(UNREADABLE)
    other = head[says & ours.isna()]
    draft.unmapped |= count_terms(other, pd.Series(1, index=terms.index))
    marks, both = without_contradictions(marks_of_names(ours.dropna(), FINDINGS, terms.index))
    draft.counts["normal images with a finding, which are not normal"] = int(both.sum())
    return marks.where(says.groupby(level=0).any(), np.nan)
