"""Options of the samples."""

from types import MappingProxyType
from typing import Annotated

from pydantic import Field

from ssl_bench import Options, Search


class Plain(Options):
    """One option."""

    width: int = Field(16, ge=1, description="of the head")


class Elsewhere(Options):
    """One option whose search lacks its default."""

    width: Annotated[int, Search(low=32, high=64, whole=True)] = Field(16, ge=1, description="of the head")


class Beyond(Options):
    """One option whose search leaves what it takes."""

    width: Annotated[int, Search(low=0, high=64, whole=True)] = Field(16, ge=1, description="of the head")


class Tuned(Options):
    """One option with a search."""

    width: Annotated[int, Search(low=8, high=64, scale="log", whole=True)] = Field(16, ge=1, description="of the head")


class Mute(Options):
    """One option that nobody explains."""

    width: int = 16


class Foreign:
    """No options at all."""

    model_fields = MappingProxyType({})
