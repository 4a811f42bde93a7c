"""Numbers as every table and sentence prints them."""

from __future__ import annotations

import pytest

from ssl_bench.numbers import counted, duration, ends_text, interval_text, number_text, p_equals, p_text, range_text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (45, "45 s"), (600, "10 min"), (12600, "3.5 h"), (3.6e7, "10,000.0 h")]
)
def test_a_duration_has_the_unit_of_its_size(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_one_thing_is_counted_in_the_singular() -> None:
    assert [counted(number, "test") for number in (0, 1, 2000)] == ["0 tests", "1 test", "2,000 tests"]
    assert counted(1, "study", "studies") == "1 study"
    assert counted(3, "image is", "images are") == "3 images are"


@pytest.mark.parametrize(
    ("p", "text", "said"),
    [(0.21, "0.210", "p = 0.210"), (0.034, "0.034", "p = 0.034"), (0.001, "0.001", "p = 0.001"),
     (0.0004, "< 0.001", "p < 0.001"), (0.0, "< 0.001", "p < 0.001"), (1.0, "1.000", "p = 1.000")],
)  # fmt: skip
def test_a_p_value_is_never_printed_as_0(p: float, text: str, said: str) -> None:
    assert (p_text(p), p_equals(p)) == (text, said)
    assert (p_text(None), p_text(None, "-")) == ("", "-")


def test_an_interval_stands_behind_its_value() -> None:
    assert interval_text(0.7416, 0.7009, 0.7793) == "0.742 [0.701, 0.779]"
    assert interval_text(0.03, -0.01, 0.07, "+.2f") == "+0.03 [-0.01, +0.07]"
    assert (interval_text(0.5), interval_text(None, 0.1, 0.2)) == ("0.500", "-")
    assert (ends_text(None, None), ends_text(0.1, 0.25)) == ("", "[0.100, 0.250]")


def test_a_mean_stands_before_its_range() -> None:
    assert range_text([0.65, 0.75]) == "0.700 (0.650 to 0.750)"
    assert (range_text([0.5]), range_text([])) == ("0.500", "-")
    assert (number_text(0.5), number_text(None), number_text(None, "")) == ("0.500", "-", "")
