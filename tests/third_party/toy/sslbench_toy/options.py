"""Options of the method; pydantic only."""

from pydantic import Field

from ssl_bench import Options


class ToyOptions(Options):
    """Two crops look alike."""

    spread: float = Field(1.0, ge=0, description="weight of the term that keeps features apart")
