"""Validation whose errors are one sentence each."""

from __future__ import annotations

import pytest
from pydantic import Field, ValidationError

from ssl_bench.errors import UsageError
from ssl_bench.plugin.options import Options, known_keys, validate


class Inner(Options):
    depth: int = 1


class Outer(Options):
    width: int = Field(4, ge=1, description="px")
    share: float = Field(0.5, gt=0, le=1)
    inner: Inner = Inner()


def test_values_fill_the_model() -> None:
    assert validate(Outer, {"width": "8", "inner": {"depth": 2}}, "toy") == Outer(width=8, inner=Inner(depth=2))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"wdith": 3}, "unknown key 'wdith' of toy; did you mean 'width'? (expected one of inner, share, width)"),
        ({"colour": 3}, "unknown key 'colour' of toy; expected one of inner, share, width"),
        ({"inner": {"dept": 3}}, "unknown key 'inner.dept' of toy; did you mean 'depth'? (expected one of depth)"),
        ({"width": 0}, "'width' of toy: input should be greater than or equal to 1, found 0"),
        ({"width": "wide"}, "'width' of toy: input should be a valid integer, unable to parse string as an integer, "
                            "found 'wide'"),
        ({"inner": {"depth": None}}, "'inner.depth' of toy: input should be a valid integer, found None"),
    ],
)  # fmt: skip
def test_a_fault_is_one_sentence(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError) as raised:
        validate(Outer, values, "toy")
    assert str(raised.value) == sentence
    assert raised.value.__suppress_context__


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(UsageError, match=r"(?s)^3 problems\n.*'width'.*'share'.*'colour'"):
        validate(Outer, {"width": 0, "share": 2, "colour": 1}, "toy")


def test_options_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Outer().width = 3  # type: ignore[misc]


def test_known_keys_of_a_nested_model() -> None:
    assert known_keys(Outer, ["inner"]) == ["depth"]
    assert known_keys(Outer, ["width"]) == []
