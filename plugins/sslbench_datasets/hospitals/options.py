"""Options of the loaders of further hospitals; pydantic only."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ssl_bench import Options
from sslbench_datasets.options import Names

Readers = Literal["majority", "any", "all"]
"""When several readers' labels are 1: for more than half of them, for one, for all of them."""

Grades = Literal["uncertain", "ones", "zeros"]
"""What a grade between absent and present is."""


class ViewOptions(Options):
    """Options of a layout with frontal and lateral films."""

    views: Names = Field(("PA", "AP"), description="views to keep: PA, AP, LATERAL, LL; all keeps every row")


class HeaderOptions(Options):
    """Options of a layout whose ages and sexes stand in DICOM headers alone."""

    headers: bool = Field(False, description="read age, sex and view from the header of each DICOM file")


class PadchestOptions(ViewOptions):
    """Options of ``padchest``."""

    test_labels: Literal["physician", "all"] = Field(
        "physician", description="test images: those that a physician labelled, or also those that a network did"
    )


class VindrOptions(HeaderOptions):
    """Options of ``vindr-cxr``."""

    readers: Readers = Field("majority", description="when the three readers of a training image agree on a finding")
    boxes: bool = Field(False, description="read boxes; how large a film with one is stands in its header, also read")


class BraxOptions(ViewOptions):
    """Options of ``brax``."""

    files: Literal["png", "dicom"] = Field("png", description="which of the two copies of an image is read")


class ChexpertPlusOptions(ViewOptions):
    """Options of ``chexpert-plus``."""

    files: Literal["png", "dicom"] = Field("png", description="which of the two copies of an image is read")
    label_source: Literal["impression", "findings", "report"] = Field(
        "impression", description="part of the report that CheXbert's labels are from"
    )


class TaixOptions(Options):
    """Options of ``taix-ray``."""

    fold: int = Field(0, ge=0, description="fold of split.csv")
    questionable: Grades = Field("uncertain", description="what grade 1 (questionable, borderline) is")


class NihExpertsOptions(Options):
    """Options of ``nih14-experts``."""

    experts: str = Field("", description="folder of the expert labels below the root; empty: the root, or one in it")
