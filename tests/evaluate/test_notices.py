from __future__ import annotations

import warnings

import pytest

from ssl_bench.errors import DataError
from ssl_bench.evaluate.notices import Notices


@pytest.fixture
def told() -> list[str]:
    return []


def test_a_warning_is_one_sentence_with_the_protocols_name_told_once(told: list[str]) -> None:
    notices = Notices(told.append)
    for _ in ("trained", "random"):
        with notices.of("linear"):
            warnings.warn("3 of 14 heads\n  had not converged", stacklevel=1)
    with notices.of("leakage"):
        warnings.warn("3 of 14 heads had not converged", stacklevel=1)
    sentence = "3 of 14 heads had not converged"
    assert told == [f"protocol 'linear': {sentence}", f"protocol 'leakage': {sentence}"]


def test_what_was_warned_of_is_told_where_a_protocol_fails(told: list[str]) -> None:
    def fail() -> None:
        with Notices(told.append).of("linear"):
            warnings.warn("heads had not converged", stacklevel=1)
            raise DataError("scores are not finite")

    with pytest.raises(DataError, match="not finite"):
        fail()
    assert told == ["protocol 'linear': heads had not converged"]


def test_pythons_filters_keep_their_word(told: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("error", RuntimeWarning)
        with Notices(told.append).of("linear"):
            warnings.warn("old", DeprecationWarning, stacklevel=1)
        with pytest.raises(RuntimeWarning), Notices(told.append).of("linear"):
            warnings.warn("overflow", RuntimeWarning, stacklevel=1)
    assert told == []
