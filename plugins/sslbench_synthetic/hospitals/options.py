"""Options of the layout writers; pydantic only."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from ssl_bench.plugin.options import WriterOptions


class MimicCxrWriterOptions(WriterOptions):
    """Options of the writer of ``mimic-cxr``."""

    release: Literal["2.0.0", "2.1.0"] = Field("2.1.0", description="2.1.0 adds the test set labelled by hand")
    mimic_iv: Literal["v1", "v3"] = Field("v3", description="MIMIC-IV tables: v1 (core, ethnicity), v3 (hosp, race)")


class ChexpertWriterOptions(WriterOptions):
    """Options of the writer of ``chexpert``."""

    paths: Literal["small", "full", "bare"] = Field(
        "small", description="folder and first part of each Path: CheXpert-v1.0-small, CheXpert-v1.0, or none"
    )


class Nih14WriterOptions(WriterOptions):
    """Options of the writer of ``nih14``."""

    release: Annotated[Literal["2020", "2017"], BeforeValidator(str)] = Field(
        "2020", description="label file: 2017 has ages such as 057Y"
    )
    folders: Literal["split", "flat"] = Field("split", description="images_001 to images_012, or one folder")
