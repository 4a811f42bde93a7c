"""Options of the built-in datasets; pydantic only."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from ssl_bench import Options
from ssl_bench.config.config import split_names

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

    columns: str = Field(
        "",
        description="YAML file that says which column is what; empty: the root is a folder of images alone",
    )
    patients: str = Field(
        "",
        description="of images alone: regular expression whose first group is the patient in a path, or folder",
    )
