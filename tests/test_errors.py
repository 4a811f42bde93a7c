"""Errors that a user can act on."""

from __future__ import annotations

import pytest
import yaml

from ssl_bench import errors
from ssl_bench.errors import DataError, HandledError, Problems, UsageError, because, nearest, shortened, unknown


def test_exit_codes_are_those_of_the_documentation() -> None:
    codes = {
        kind.__name__: kind.exit_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, HandledError)
    }
    assert codes == {
        "HandledError": 1,
        "UsageError": 2,
        "DataError": 3,
        "PluginError": 4,
        "TrainingStopped": 5,
        "Interrupted": 130,
        "Elsewhere": 1,
    }


def test_what_others_say_is_a_part_of_a_sentence() -> None:
    assert because(FileNotFoundError(2, "No such file or directory", "a.yaml")) == "no such file or directory"
    assert because(ValueError("Two\n  lines")) == "two lines"
    assert because(ValueError("CSV is not read")) == "CSV is not read"
    assert because(EOFError()) == "EOFError"
    with pytest.raises(yaml.YAMLError) as caught:
        yaml.safe_load("a: 1\nb: [\n")
    assert because(caught.value) == "expected the node content, but found '<stream end>' (line 3)"


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("msn_ehr", "msn-ehr"),
        ("MSN", "msn"),
        ("msn ehr", "msn-ehr"),
        ("batchsize", "batch_size"),
        ("batch-size", "batch_size"),
    ],
)
def test_nearest_sees_through_underscores_hyphens_and_case(name: str, match: str) -> None:
    assert nearest(name, ["msn", "msn-ehr", "random", "batch_size"]) == f"did you mean '{match}'?"


def test_a_name_that_another_begins_with_is_near() -> None:
    known = ["msn, 9 epochs, knn neighbours 20", "simclr-ehr (age, sex; shuffled)"]
    assert nearest("msn", known) == "did you mean 'msn, 9 epochs, knn neighbours 20'?"
    assert nearest("DINO", ["dino-ehr", "dino"]) == "did you mean 'dino'?"
    assert nearest("ms", known) == ""
    assert nearest("", known) == ""


def test_nothing_near_asks_nothing() -> None:
    assert nearest("transformer", ["msn", "random"]) == ""
    assert unknown("method", "transformer", ["random", "msn"]) == (
        "unknown method 'transformer'; expected one of msn, random"
    )
    assert unknown("method", "x", []) == "unknown method 'x'; there is none"


def test_long_lists_are_shortened_with_their_count() -> None:
    assert shortened(range(3)) == "0, 1, 2"
    assert shortened(range(20)).endswith(", 19")
    assert shortened(range(27)).endswith(", 19 and 7 more")
    assert shortened(map(repr, ["dev", "hold out"])) == "'dev', 'hold out'"  # as splits of a hospital that mean nothing
    assert "and 30 more" in unknown("model", "x", [f"m{number:02}" for number in range(50)])


def collect(*found: HandledError) -> HandledError:
    problems = Problems()
    for error in found:
        problems.add(error)
    with pytest.raises(HandledError) as raised:
        problems.raise_if_any()
    return raised.value


def test_no_problem_raises_nothing() -> None:
    problems = Problems()
    problems.run(lambda: None)
    problems.raise_if_any()


def test_one_problem_is_raised_as_it_is() -> None:
    lone = DataError("a file is missing")
    assert collect(lone) is lone


def test_several_problems_are_one_error_of_the_first_class() -> None:
    told = collect(DataError("first"), UsageError("second"))
    assert type(told) is DataError
    assert str(told) == "2 problems\n  1. first\n  2. second"


def test_twenty_problems_are_told_and_the_rest_counted() -> None:
    lines = str(collect(*(UsageError(f"fault {number}") for number in range(23)))).splitlines()
    assert lines[0] == "23 problems"
    assert lines[20] == "  20. fault 19"
    assert lines[21:] == ["  ... and 3 more"]


def test_a_mistake_of_ours_is_not_collected() -> None:
    def broken() -> None:
        raise KeyError("ours")

    with pytest.raises(KeyError):
        Problems().run(broken)
