"""Options of the built-in metrics. Imports pydantic only."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ssl_bench import Options


class OperatingOptions(Options):
    """Where scores are cut: at a rate that validation images reach."""

    fixed: Literal["specificity", "sensitivity"] = Field("specificity", description="the rate that is held")
    level: float = Field(0.9, gt=0, lt=1, description="at least this much of it, on validation images")


class BenefitOptions(Options):
    """Net benefit of treating by the model."""

    at: float = Field(0.1, gt=0, lt=1, description="probability from which a patient would be treated")
