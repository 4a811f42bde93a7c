"""Options of the built-in datasets; pydantic only."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from ssl_bench import Options
from ssl_bench.config import split_names

Names = Annotated[tuple[str, ...], BeforeValidator(split_names)]
"""Names joined by commas, or a list of them."""


class Nih14Options(Options):
    """Options of ``nih14``."""

    labels_file: str = Field(
        "", description="label file below the root; empty: Data_Entry_2017_v2020.csv, else Data_Entry_2017.csv"
    )
    quality_lists: Names = Field(
        (), description="images to leave out: files with one image a line, or folders of them, relative to the root"
    )


class ChexpertOptions(Options):
    """Options of ``chexpert``."""

    views: Names = Field(("PA", "AP"), description="views to keep: PA, AP, LATERAL, LL; all keeps every row")
    selection: Literal["patients", "official"] = Field(
        "patients", description="validate on a tenth of the training patients, or on valid.csv (200 studies)"
    )
    test_labels: str = Field(
        "", description="truth of the test split below the root; empty: test_labels.csv, groundtruth.csv, ..."
    )


class TableOptions(Options):
    """Options of ``table``."""

    columns: str = Field("", description="YAML file that says which column is what")


class SyntheticOptions(Options):
    """Options of ``synthetic``."""

    images: int = Field(2000, ge=40, le=200_000, description="number of radiographs")
    size: int = Field(96, ge=32, le=1024, description="side of a radiograph in px")
    seed: int = Field(0, ge=0, description="of patients, findings and radiographs")
    ehr_effect: float = Field(
        1.0,
        ge=0,
        le=1,
        description="share of the patients whose age, sex and view on record are their own: 0 makes the EHR "
        "independent of images and findings, which keep their distribution",
    )
