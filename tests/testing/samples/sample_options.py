"""Options of the samples."""

from types import MappingProxyType

from pydantic import Field

from ssl_bench import Options


class Plain(Options):
    """One option."""

    width: int = Field(16, ge=1, description="of the head")


class Mute(Options):
    """One option that nobody explains."""

    width: int = 16


class Foreign:
    """No options at all."""

    model_fields = MappingProxyType({})
