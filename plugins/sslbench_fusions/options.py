"""Options of the built-in fusions. Imports pydantic only."""

from __future__ import annotations

from pydantic import Field

from ssl_bench import Options


class ConcatOptions(Options):
    """Concatenation as in the paper (arXiv 2407.04449)."""

    ehr_dim: int = Field(128, ge=1, description="width of the embedded EHR features")
