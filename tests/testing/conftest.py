"""The samples on the path, of this process and of those that it starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from ssl_bench.testing import Check

SAMPLES = Path(__file__).parent / "samples"


@pytest.fixture(scope="session", autouse=True)
def samples() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SAMPLES)
        yield


@pytest.fixture
def sentence() -> Callable[[Sequence[Check], str], str]:
    """``sentence(checks, "loss")``: what the check of that name says; it must fail, in one line."""

    def run(checks: Sequence[Check], name: str) -> str:
        with pytest.raises(AssertionError) as raised:
            dict(checks)[name]()
        said = str(raised.value)
        assert "\n" not in said
        return said

    return run
