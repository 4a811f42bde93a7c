"""Options of ``mimic-cxr``; pydantic only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field

from ssl_bench import Options
from ssl_bench.config.config import split_names
from sslbench_datasets.mimic_cxr.items import BY_NAME

View = Literal[
    "all",
    "AP",
    "PA",
    "LATERAL",
    "LL",
    "AP AXIAL",
    "AP LLD",
    "AP RLD",
    "PA LLD",
    "PA RLD",
    "LAO",
    "RAO",
    "LPO",
    "XTABLE LATERAL",
    "SWIMMERS",
]
"""Values of ``ViewPosition``; ``all`` keeps every image, those without one included."""


if TYPE_CHECKING:
    ItemName = str
else:
    ItemName = Literal[tuple(BY_NAME)]  # a type that is computed
"""Laboratory values and vital signs."""


class MimicCxrOptions(Options):
    """Options of ``mimic-cxr``."""

    views: Annotated[tuple[View, ...], BeforeValidator(split_names)] = Field(
        ("AP", "PA"), min_length=1, description="views that are kept, for example AP,PA,LATERAL; all: every image"
    )
    label_source: Literal["chexpert", "negbio"] = Field("chexpert", description="labeller of the reports")
    split: str = Field(
        "", description="empty: official; patients: drawn 70/10/20; or a CSV file with dicom_id, study_id or subject_id"
    )
    test_labels: bool = Field(
        False, description="truth of the test split from mimic-cxr-2.1.0-test-set-labeled.csv (read by a radiologist)"
    )
    ehr_root: str = Field(
        "", description="folder of MIMIC-IV; empty: mimiciv, mimic-iv or the root itself, as far as they exist"
    )
    ehr_join: Literal["second", "day"] = Field(
        "second", description="whether a stay holds the second of a study, or its day (the paper's)"
    )
    items: Annotated[tuple[ItemName, ...], BeforeValidator(split_names)] = Field(
        (), description="laboratory values and vital signs to read, such as creatinine,heart-rate: features of a film"
    )
    omr: bool = Field(False, description="read bmi and height of hosp/omr, up to the day of a film")
    hours: float = Field(24.0, gt=0, le=8760, description="how long before a film its last laboratory value may be")
