"""Writes a clinic in the layout of Open-i: films of two views and a report in XML with MeSH terms.

Quirks that are written: terms with their places behind slashes, reports without indexing, terms of no finding of ours,
a report without an image.
"""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

from ssl_bench.plugin.options import WriterOptions
from sslbench_synthetic.hospitals.files import save_png8
from sslbench_synthetic.hospitals.films import write_films
from sslbench_synthetic.hospitals.population import records
from sslbench_synthetic.hospitals.visits import INDIANA, draw

TERMS = {
    "Atelectasis": "Pulmonary Atelectasis/base/left", "Cardiomegaly": "Cardiomegaly/mild",
    "Consolidation": "Consolidation/lung/lower lobe/right", "Edema": "Pulmonary Edema",
    "Emphysema": "Pulmonary Emphysema",
    "Fibrosis": "Pulmonary Fibrosis", "Fracture": "Fractures, Bone/ribs/right", "Hernia": "Hernia, Hiatal/large",
    "Infiltration": "Infiltrate/lung/bilateral", "Mass": "Mass/lung/hilum", "Nodule": "Nodule/lung/upper lobe/right",
    "Pleural Effusion": "Pleural Effusion/right/small", "Pleural_Thickening": "Thickening/pleura/apex",
    "Pneumonia": "Pneumonia", "Pneumothorax": "Pneumothorax/left", "Support Devices": "Catheters, Indwelling/right",
}  # fmt: skip
OTHER = "Thoracic Vertebrae/degenerative/mild"
REPORT = """<?xml version="1.0" encoding="utf-8"?>
<eCitation><uId id="CXR{number}"/><MedlineCitation><Article><AbstractText Label="IMPRESSION">{text}</AbstractText>
</Article></MedlineCitation><MeSH>{terms}</MeSH>{images}</eCitation>
"""


def write(options: WriterOptions, folder: Path) -> dict[str, int]:
    """Write films and reports into ``folder``; see :class:`ssl_bench.plugin.contracts.Writer`."""
    visits = draw(INDIANA, options)
    films = visits.films
    number = (films["row"] + 1).astype(str)
    films["image"] = "CXR" + number + "_1_IM-" + number.str.zfill(4) + "-" + (1001 + films["film"] * 1000).astype(str)
    home = folder / "NLMCXR_reports/ecgen-radiology"
    home.mkdir(parents=True)
    for row, images in films.groupby("row"):
        truth = records(visits.truth.loc[images.index[:1]])[0]
        terms = [term for finding, term in TERMS.items() if truth[finding] > 0] or ["normal"]
        terms = ["no indexing"] if int(str(row)) % 25 == 3 else [*terms, *[OTHER] * (int(str(row)) % 4 == 1)]
        _report(home, int(str(row)) + 1, terms, list(images["image"]))
    _report(home, int(films["row"].max()) + 2, ["normal"], [])
    write_films(INDIANA, films.assign(path="NLMCXR_png/" + films["image"] + ".png"), options.seed, folder, save_png8)
    return {"reports": int(films["row"].nunique()) + 1, "images": len(films)}


def _report(home: Path, number: int, terms: list[str], images: list[str]) -> None:
    marks = "".join(f"<major>{escape(term)}</major>" for term in terms)
    shown = "".join(f'<parentImage id="{image}"><figureId>F</figureId></parentImage>' for image in images)
    text = REPORT.format(number=number, text="See terms &amp; films.", terms=marks, images=shown)
    (home / f"{number}.xml").write_text(text, encoding="utf-8")
