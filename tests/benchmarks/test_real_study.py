"""The numbers in the documentation are those of the file of the study, and the file's means those of its records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import real_study
from ssl_bench.comparison.groups import groups_of
from ssl_bench.report.study import disagreements, read_study
from ssl_bench.results.record import Record


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    return read_study(real_study.FILE)


@pytest.mark.parametrize("path", [real_study.PAGE, real_study.README])
def test_the_tables_of_the_documentation_are_those_of_the_file(values: dict[str, Any], path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "<!-- methods-linear -->" in text
    assert real_study.filled(text, real_study.texts(values)) == text


def test_the_configurations_of_the_file_are_named_as_those_of_new_runs(values: dict[str, Any]) -> None:
    records = {Path(str(number)): Record.model_validate(run["record"]) for number, run in enumerate(values["runs"])
               if run["encoder"] == "trained"}  # fmt: skip
    fresh = {member.path: arm.name for arm in groups_of(records) for member in arm.runs if not member.baseline}
    assert fresh == {path: values["runs"][int(path.name)]["configuration"] for path in records}


def test_a_part_is_filled_whether_it_is_empty_or_not() -> None:
    empty = "a\n<!-- x -->\n<!-- / -->\nb\n<!-- y -->\nold\n<!-- / -->\n"
    assert real_study.filled(empty, {"x": "1", "y": "2\n3"}) == (
        "a\n<!-- x -->\n1\n<!-- / -->\nb\n<!-- y -->\n2\n3\n<!-- / -->\n"
    )


def test_the_file_holds_five_seeds_and_no_image(values: dict[str, Any]) -> None:
    trained = [run["seed"] for run in values["runs"] if run["configuration"] == "msn"]
    assert sorted(trained) == [0, 1, 2, 3, 4]
    assert not list(disagreements(values))
    assert ".png" not in real_study.FILE.read_text(encoding="utf-8")
