"""``sslbench data synth``: what it writes, says and refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ssl_bench.plugin.registry import Registry
from sslbench_datasets.nih14 import Nih14


def test_a_layout_is_written_and_the_next_command_named(sslbench: Callable[..., Any], tmp_path: Path) -> None:
    out = tmp_path / "my clinic"
    wanted = ("--patients", 20, "--seed", 3, "--size", 32, "--set", "release=2017")
    answer = sslbench("data", "synth", "--layout", "nih14", *wanted, out)
    assert answer.code == 0, answer.err
    first, second = answer.out.splitlines()
    assert first.startswith(f"{out}: nih14 (SYNTHETIC DATA), 20 patients, ")
    assert second == f"next: sslbench run --data nih14 --root '{out}' --preset smoke"
    cohort = Nih14().read(out)
    assert cohort.synthetic
    assert cohort.frame["patient_id"].nunique() == 20
    assert json.loads((out / "synthetic.json").read_text())["options"]["release"] == "2017"


def test_wrong_requests_are_one_sentence(sslbench: Callable[..., Any], tmp_path: Path) -> None:
    out = tmp_path / "out"
    answer = sslbench("data", "synth", "--layout", "nih", out)
    assert answer.code == 2
    assert "unknown layout 'nih'; did you mean 'nih14'?" in answer.sentence
    answer = sslbench("data", "synth", "--layout", "nih14", "--mimic-iv", "v1", out)
    assert answer.code == 2
    assert "unknown key 'mimic_iv' of writer 'nih14'" in answer.sentence
    out.mkdir()
    (out / "mine.txt").touch()
    answer = sslbench("data", "synth", "--layout", "nih14", out)
    assert answer.code == 2
    assert "expected a new or an empty folder, found mine.txt" in answer.sentence


def test_every_writer_of_the_registry_loads(registry: Registry) -> None:
    writers = [offer.component for offer in registry.offers("dataset") if getattr(offer.component, "writer", "")]
    assert writers
    for dataset in writers:
        assert callable(dataset.load_writer())  # type: ignore[attr-defined]
        assert {"patients", "seed", "size"} <= set(dataset.writer_options_model().model_fields)  # type: ignore[attr-defined]
