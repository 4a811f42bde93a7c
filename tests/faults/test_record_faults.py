"""One truth: a record, the files it speaks of and the commands that read them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ssl_bench.results.record import Record
from ssl_bench.results.rundir import RunDirectory

Arm = Callable[..., Path]
READERS = {
    "leaderboard": lambda runs: ("leaderboard", *runs, "--replicates", 100),
    "tables": lambda runs: ("tables", *runs, "--replicates", 100),
    "compare": lambda runs: ("compare", *runs, "--replicates", 100),
}


def flip(path: Path) -> None:
    """Turn a finding around in kept predictions."""
    frame = pd.read_parquet(path)
    frame["y_Edema"] = 1 - frame["y_Edema"]
    frame.to_parquet(path, index=False)


def refusal(answer: Any, reader: str) -> str:
    """Why a run cannot stand in what was asked for; a leaderboard goes on with the others."""
    if reader == "leaderboard":
        assert answer.code == 0
        told = next(line for line in answer.out.splitlines() if line.startswith("left out: "))
        return told.removeprefix("left out: ").split(": ", 1)[1]
    assert answer.code == 3
    return str(answer.sentence)


def trained(run: Path) -> Path:
    return next((run / "predictions/trained").iterdir())


@pytest.mark.parametrize("reader", READERS)
def test_fault_33_predictions_that_are_not_those_of_the_record_are_refused(
    sslbench: Any, write_arm: Arm, tmp_path: Path, reader: str
) -> None:
    runs = [write_arm(tmp_path, "msn", seed, 1.0) for seed in (0, 1)]
    assert sslbench(*READERS[reader](runs)).code == 0
    path = trained(runs[1])
    flip(path)
    assert refusal(sslbench(*READERS[reader](runs)), reader) == (
        f"{path} is not the file that the record of the run was written with; restore it, or make it again by "
        f"sslbench evaluate {runs[1]}"
    )
    path.unlink()
    assert f"{path} is missing, although the record of the run lists it" in refusal(
        sslbench(*READERS[reader](runs)), reader
    )


@pytest.mark.parametrize("reader", [*READERS, "export", "evaluate", "report"])
def test_fault_33_a_record_that_was_edited_is_refused(
    sslbench: Any, write_arm: Arm, tmp_path: Path, reader: str
) -> None:
    runs = [write_arm(tmp_path, "msn", seed, 1.0) for seed in (0, 1)]
    path = runs[0] / "record.json"
    record = json.loads(path.read_text())
    record["metrics"][0]["value"] = 0.999
    path.write_text(json.dumps(record))
    alone = {"export": ("export", runs[0], tmp_path / "out"), "evaluate": ("evaluate", runs[0]),
             "report": ("report", runs[0])}  # fmt: skip
    answer = sslbench(*(alone[reader] if reader in alone else READERS[reader](runs)))
    assert refusal(answer, reader).startswith(f"{path} is not what a run wrote: its values differ from the hash in it")


def test_fault_33_embeddings_that_are_not_those_of_the_record_are_made_again(tmp_path: Path) -> None:
    run, images = RunDirectory(tmp_path), np.array(["a", "b"])
    arrays = {"image_id": images, "embeddings": np.eye(2, dtype=np.float32), "fingerprint": np.array("f")}
    path = run.write_embeddings("trained", "tiny-test", arrays)
    run.write_config({})
    run.write_record(Record.model_validate({"schema": 2, "metrics": [], "comparisons": []}))
    again = RunDirectory(tmp_path)
    again.read_record()
    found = again.read_embeddings("trained", "tiny-test", images, "f")
    assert found is not None
    assert found.tolist() == [[1, 0], [0, 1]]
    whole = path.read_bytes()
    with path.open("wb") as file:
        np.savez(file, **{**arrays, "embeddings": np.ones((2, 2), np.float32)})
    assert again.read_embeddings("trained", "tiny-test", images, "f") is None
    for size in (0, 4, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert again.read_embeddings("trained", "tiny-test", images, "f") is None
        assert RunDirectory(tmp_path).read_embeddings("trained", "tiny-test", images, "f") is None
    path.write_bytes(whole)
    assert again.read_embeddings("trained", "tiny-test", images, "f") is not None
