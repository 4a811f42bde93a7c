"""Base of components' options, and validation whose errors are one sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ssl_bench.errors import UsageError, among, joined

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

M = TypeVar("M", bound=BaseModel)


class Options(BaseModel):
    """Base of a component's options: frozen, unknown keys refused, each field with a description."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class WriterOptions(Options):
    """Base of the options of a layout's writer (:class:`ssl_bench.plugin.contracts.Writer`)."""

    patients: int = Field(200, ge=20, le=50_000, description="number of virtual patients")
    seed: int = Field(0, ge=0, description="of patients, findings and pictures")
    size: int = Field(320, ge=32, le=2048, description="short side of a picture in px")


def validate(
    model: type[M], values: Mapping[str, Any], where: str, elsewhere: Callable[[str], Sequence[str]] = lambda key: ()
) -> M:
    """The model filled with values; ``elsewhere`` knows other places of a key, for the message.

    Raises:
        UsageError: unknown keys (with the nearest match) and values of the wrong type or range, all at once.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise joined([UsageError(explain(fault, where, model, elsewhere)) for fault in error.errors()]) from None


def explain(
    fault: ErrorDetails, where: str, model: type[Any], elsewhere: Callable[[str], Sequence[str]] = lambda key: ()
) -> str:
    """One sentence for a fault that pydantic found; of an unknown key the place where it is known, or the nearest."""
    path = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        if places := elsewhere(str(fault["loc"][-1])):
            told = " or ".join(f"'{place}'" for place in places[:3])
            return f"unknown key '{path}' of {where}; did you mean {told}?"
        return f"unknown key '{path}' of {where}; {among(str(fault['loc'][-1]), known_keys(model, fault['loc'][:-1]))}"
    return f"'{path}' of {where}: {fault['msg'].lower()}, found {fault['input']!r}"


def known_keys(model: type[Any], path: Iterable[int | str]) -> list[str]:
    """The field names of the model at a path inside a model."""
    for part in path:
        annotation = model.model_fields[str(part)].annotation
        if not hasattr(annotation, "model_fields"):
            return []
        model = annotation
    return sorted(model.model_fields)
