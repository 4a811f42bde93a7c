"""What a run's configuration says of the tune that chose its options. No torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ssl_bench.plugin.options import Options

ORACLE = "oracle"
"""The rule that selects on the test split: its numbers flatter and stand beside no others."""


class Tuning(Options):
    """How the options of a run were chosen (``sslbench tune``)."""

    budget: str = Field(description="what the method's trials cost, for example 20 trials")
    rule: Literal["validation", "oracle"] | str = Field(
        description="what selected among them: validation, validation:NAME or oracle"
    )
    trials: int = Field(ge=1, description="trials, those that failed too")
    failed: int = Field(0, ge=0, description="trials that failed")
    trial: int = Field(ge=0, description="number of the chosen one; 0: the official default")
    sampler: Literal["sobol", "halton", "random", "tpe"] = Field(description="where trials looked")
    pruner: Literal["none", "rank", "probe"] = Field("none", description="what ended hopeless trials")
    shared: tuple[str, ...] = Field((), description="methods that share the search, and so the setting")
    space: str = Field(description="hash of what was searched")
