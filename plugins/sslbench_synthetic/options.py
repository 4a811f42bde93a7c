"""Options of the synthetic cohort; pydantic only."""

from __future__ import annotations

from pydantic import Field

from ssl_bench import Options


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
