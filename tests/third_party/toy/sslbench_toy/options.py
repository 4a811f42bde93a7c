"""Options of the method and the dataset; pydantic only."""

from pydantic import Field

from ssl_bench import Options


class ToyOptions(Options):
    """Two crops look alike."""

    spread: float = Field(1.0, ge=0, description="weight of the term that keeps features apart")


class ToyWardOptions(Options):
    """A table of one hospital."""

    ward: str = Field("", description="ward whose images are read; empty: all")
    ward_table: str = Field("", description="file with one row for each image; empty: ward.csv below the root")
