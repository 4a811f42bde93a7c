"""The examples of the documentation are there, filled, and of the cohort that is drawn now."""

from __future__ import annotations

import json

import pytest

from benchmarks import examples_doc as module
from sslbench_synthetic.cohort.writer import VERSION


@pytest.mark.parametrize("name", module.EXAMPLES)
def test_each_example_stands_on_its_page(name: str) -> None:
    text = (module.ROOT / module.EXAMPLES[name].page).read_text(encoding="utf-8")
    _, found, rest = text.partition(f"<!-- {name} -->\n")
    assert found
    assert len(rest.partition("<!-- / -->")[0].splitlines()) > 2


def test_the_examples_are_of_the_cohort_as_it_is_drawn() -> None:
    made = json.loads(module.MADE.read_text(encoding="utf-8"))
    assert made == {"cohort": VERSION, "examples": sorted(module.EXAMPLES)}


def test_every_run_is_needed_by_an_example() -> None:
    assert {folder for example in module.EXAMPLES.values() for folder in example.needs} == set(module.RUNS)
