"""What a person does with a further hospital, by command: write it, look at it, test encoders on it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssl_bench.results.record import Record
from sslbench_datasets.hospitals.components import HOSPITALS

NAMES = [component.name for component in HOSPITALS]
TINY = ("--preset", "smoke", "--method", "msn", "--epochs", "1", "--eval", "linear", "--set", "evaluate.baselines=[]",
        "--set", "evaluate.replicates=100", "--set", "data.size=32")  # fmt: skip
THREE, FOUR = ("padchest", "brax", "vindr-cxr"), ("openi", "taix-ray", "shenzhen", "chexpert-plus")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where :func:`test_it_is_written_checked_and_described` leaves each hospital."""
    return tmp_path_factory.mktemp("written")


@pytest.fixture(autouse=True)
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ssl_bench.api.start.report_or_warn", lambda *_: None)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_written_checked_and_described(name: str, written: Path, sslbench: Callable[..., Any]) -> None:
    root = written / name
    answer = sslbench("data", "synth", root, "--layout", name, "--patients", 40, "--size", 32)
    assert answer.code == 0, answer.err
    assert f"next: sslbench run --data {name} --root {root} --preset smoke" in answer.out
    answer = sslbench("data", "check", name, "--root", root, "--json")
    assert answer.code == 0, answer.err
    assert not [found for found in json.loads(answer.out)["findings"] if found["status"] == "problem"]
    answer = sslbench("data", "stats", name, "--root", root)
    assert answer.code == 0, answer.err
    assert "SYNTHETIC" in answer.out


@pytest.mark.slow
def test_one_encoder_is_tested_on_every_one(written: Path, sslbench: Callable[..., Any]) -> None:
    asked = [part for name in NAMES for part in ("--test-on", f"{name}={written / name}")]
    answer = sslbench("run", *TINY, *asked, "--out", "run")
    assert answer.code == 0, answer.err
    assert with_numbers(Path("run")) == {"synthetic", *NAMES}


@pytest.mark.slow
def test_three_are_pretrained_on_and_four_others_tested(written: Path, sslbench: Callable[..., Any]) -> None:
    data = [part for name in THREE for part in ("--data", f"{name}={written / name}")]
    asked = [part for name in FOUR for part in ("--test-on", f"{name}={written / name}")]
    answer = sslbench("run", *TINY, *data, *asked, "--out", "run")
    assert answer.code == 0, answer.err
    assert {*FOUR} < with_numbers(Path("run"))
    answer = sslbench("run", *TINY, *data, "--test-on", f"brax={written / 'brax'}", "--out", "again")
    assert answer.code == 3
    assert answer.sentence.endswith("is the run's own dataset, which is tested anyway; leave it out")


def with_numbers(run: Path) -> set[str]:
    """Datasets with a macro AUROC of the trained encoder on their test split."""
    record = Record.model_validate(json.loads((run / "record.json").read_text()))
    return {row.dataset for row in record.metrics if (row.label, row.metric, row.split, row.encoder)
            == ("macro", "auroc", "test", "trained") and row.value is not None}  # fmt: skip
