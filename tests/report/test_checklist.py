"""Reporting guidelines filled from records: facts with their place, the rest left to a person, nothing private."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssl_bench.report.checklist import ALL, fill, markdown, values
from ssl_bench.report.checklist.facts import FACTS
from ssl_bench.report.checklist.items import CLAIM, GUIDELINES, TRIPOD_AI
from ssl_bench.results.record import Record
from ssl_bench.results.rundir import RunDirectory

MakeRun = Callable[..., RunDirectory]


def test_the_items_are_those_of_the_guidelines() -> None:
    assert [item.number for item in CLAIM.items] == [str(number) for number in range(1, 45)]
    numbers = [item.number for item in TRIPOD_AI.items]
    assert len(numbers) == len(set(numbers)) == 52
    assert [int(number.rstrip("abcdefg")) for number in numbers] == sorted(int(n.rstrip("abcdefg")) for n in numbers)
    assert {int(number.rstrip("abcdefg")) for number in numbers} == set(range(1, 28))


PUBLISHED = {
    "claim": {"11": "identif", "9": "prepar",
              "12": "missing", "13": "acquired", "14": "reference", "17": "test set", "19": "partition",
              "20": "disjoint", "21": "size", "23": "software", "24": "initial", "26": "final model", "27": "ensemble",
              "30": "robust", "31": "explan", "32": "internal", "33": "external", "34": "trial", "38": "diagnostic",
              "39": "failure", "40": "limitation", "42": "protocol", "43": "availab", "44": "funding"},
    "tripod-ai": {"3c": "inequalit", "5b": "date", "6c": "treatment", "7": "preparation", "8c": "blind", "10": "size",
                  "11": "missing", "12c": "model", "12d": "cluster", "12f": "updat", "13": "imbalance", "14": "fair",
                  "15": "output", "16": "development and evaluation", "17": "ethic", "18a": "fund", "18b": "conflict",
                  "18c": "protocol", "18d": "registration", "18e": "data", "18f": "code", "19": "public", "20a": "flow",
                  "21": "participants", "22": "full model", "23b": "cluster", "24": "updat", "26": "limitation"},
}  # fmt: skip
"""What items are about, read in the published checklists (e240300, table; BMJ 385:e078378, table 2)."""


@pytest.mark.parametrize(("name", "number"), [(name, number) for name in PUBLISHED for number in PUBLISHED[name]])
def test_an_item_is_about_what_its_number_is_about(name: str, number: str) -> None:
    asks = next(item.asks for item in GUIDELINES[name].items if item.number == number)
    assert PUBLISHED[name][number] in asks


@pytest.mark.parametrize("name", GUIDELINES)
def test_every_item_names_facts_that_exist_or_what_to_write(name: str) -> None:
    for item in GUIDELINES[name].items:
        assert item.facts or item.write, item
        assert set(item.facts) <= set(FACTS), item


def test_every_fact_stands_in_some_item() -> None:
    used = {name for guideline in GUIDELINES.values() for item in guideline.items for name in item.facts}
    assert used == set(FACTS)


def test_answers_come_from_the_record(wide: RunDirectory) -> None:
    record = wide.read_record()
    found = {answer.item.number: answer for answer in fill([wide.path], "claim").answers}
    told = {number: " ".join(known.fact.text for known in answer.known) for number, answer in found.items()}
    macro = next(row for row in record.metrics if (row.encoder, row.label, row.metric, row.fraction,
                 row.subgroup) == ("trained", "macro", "auroc", 1.0, "all"))  # fmt: skip
    assert f"macro AUROC {macro.value:.3f} [" in told["37"]
    assert "60 images of 30 patients" in told["19"] + told["35"]
    assert "5917" in told["19"]
    assert "torch 2.11.0" in told["23"]
    assert "100 resamples of patients" in told["29"]
    assert "images left out as unreadable: 1" in told["35"]
    assert {known.fact.place for known in found["20"].known} == {FACTS["disjoint"][0]}
    assert found["44"].known == ()
    assert found["44"].item.write


def test_subgroups_are_told(wide: RunDirectory) -> None:
    found = {answer.item.number: answer for answer in fill([wide.path], "tripod-ai").answers}
    assert any("gap in macro AUROC by sex" in known.fact.text for known in found["14"].known)


def test_configurations_are_told_apart_and_folders_are_not_named(make_run: MakeRun, tmp_path: Path) -> None:
    first, second = make_run(tmp_path / "secret-a"), make_run(tmp_path / "secret-b")
    record = second.read_record()
    config = {**record.config, "data": {**record.config["data"], "root": "/home/jane/cxr"}}
    second.write_record(record.but(config=config, method="dino", features=(), fusion=None))
    found = fill([first.path, second.path], "claim")
    assert len(found.configurations) == 2
    text = markdown(found)
    for private in ("secret-", "jane", str(tmp_path), "i999"):
        assert private not in text
    by_number = {answer.item.number: answer for answer in found.answers}
    assert {known.of for known in by_number["7"].known} == {(ALL,)}
    assert len({known.of for known in by_number["1"].known}) == 2
    assert text.count("\n## ") == 44


def test_a_record_that_says_little_leaves_all_to_a_person(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    record = run.read_record()
    gone = {"environment", "components", "options", "cost", "seconds", "comparisons", "ehr_columns"}
    kept = {key: value for key, value in record.as_json().items() if key not in gone}
    run.write_record(Record.model_validate(kept))
    told = {item["item"]: item for item in values(fill([run.path], "claim"))["items"]}
    assert told["23"]["known"] == []
    assert "**write**: the record says nothing" in markdown(fill([run.path], "claim"))


def test_the_command_prints_writes_and_refuses(wide: RunDirectory, sslbench: Any, tmp_path: Path) -> None:
    shown = sslbench("checklist", wide.path)
    assert shown.code == 0, shown.err
    assert shown.out.startswith("# CLAIM 2024\n")
    written = sslbench("checklist", wide.path, "--guideline", "tripod-ai", "--out", tmp_path / "tripod.md")
    assert written.out.startswith(f"{tmp_path / 'tripod.md'}: 52 items, ")
    assert (tmp_path / "tripod.md").read_text().startswith("# TRIPOD+AI\n")
    refused = sslbench("checklist", wide.path, "--guideline", "tripod")
    assert refused.code == 2
    assert "did you mean 'tripod-ai'" in refused.err
