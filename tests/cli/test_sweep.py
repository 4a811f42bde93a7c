"""``sslbench sweep``: what is refused before the first run, the dry run, and a sweep of real runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ssl_bench.cli.sweep import tell_power
from ssl_bench.config.config import RunConfig
from ssl_bench.stats.power import Spread, smallest
from ssl_bench.sweep.cells import Cell, paired_seeds

Cli = Callable[..., Any]
SMALL = ("--preset", "smoke", "--eval", "linear", "--set", "evaluate.replicates=100", "--set", "pretrain.epochs=1",
         "--set", "pretrain.accelerator=cpu")  # fmt: skip


@pytest.fixture
def data(tiny_nih: Callable[..., Path]) -> tuple[object, ...]:
    return ("--data", "nih14", "--root", tiny_nih(patients=30))


@pytest.mark.usefixtures("here")
def test_cells_run_once_and_the_table_says_what_came_of_them(
    sslbench: Cli, tmp_path: Path, data: tuple[object, ...]
) -> None:
    asked = ("sweep", "--method", "random,simclr", "--seeds", 1, *SMALL, *data, "--out", tmp_path / "out", "--jobs", 1)
    first = sslbench(*asked)
    assert first.code == 0, first.err
    assert "2 done, 0 running, 0 queued, 0 failed of 2 cells" in first.out
    records = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*/record.json")}
    assert len(records) == 2
    again = sslbench(*asked)
    assert again.out
    assert first.out.endswith(again.out)  # runs of this launcher print here, too
    assert {path: path.stat().st_mtime_ns for path in records} == records
    dry = sslbench(*asked, "--dry-run")
    assert "nothing to train" in dry.out
    assert "recorded" in dry.out
    assert "2 cells, 0 s of training left" in dry.out
    assert "note: 2 configurations: 1 paired seed, a claim about methods needs 5" in dry.out


def test_power_is_that_of_the_seeds_that_all_configurations_share() -> None:
    grid = [("simclr", seed) for seed in range(8)] + [("msn", seed) for seed in range(2, 9)]
    cells = [Cell(f"{name}-{seed}", RunConfig.model_validate({"method": {"name": name}, "seed": seed}))
             for name, seed in grid]  # fmt: skip
    assert paired_seeds(cells) == (2, 6)
    found = smallest(Spread(2**0.5 * 0.005, 0.004), 6)
    assert tell_power(cells, 0.005, 0.004)[0].startswith(
        f"2 configurations: 6 paired seeds find a true difference of {found:.3f} in macro AUROC between two methods"
    )
    assert tell_power(cells[:8], 0.005, 0.004) == []
    thumbnail = Cell("pixels-0", RunConfig.model_validate({"method": {"name": "pixels"}, "seed": 0}))
    assert tell_power([*cells, thumbnail], 0.005, 0.004) == tell_power(cells, 0.005, 0.004)  # no seed changes it
    assert tell_power([cells[0], cells[-1]], 0.005, 0.004)[0].startswith("2 configurations share no seed: 0 paired")


@pytest.mark.usefixtures("here")
def test_a_cell_that_fails_is_told_and_the_others_go_on(
    sslbench: Cli, tmp_path: Path, data: tuple[object, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ssl_bench.errors import TrainingStopped

    def stop(*_: Any, **__: Any) -> None:
        raise TrainingStopped("out of memory at batch size 16")

    monkeypatch.setattr("ssl_bench.pipeline.pretrain", stop)
    asked = ("sweep", "--method", "simclr,random", "--seeds", 1, *SMALL, *data, "--out", tmp_path / "out")
    answer = sslbench(*asked)
    assert answer.code == 1
    assert "1 done, 0 running, 0 queued, 1 failed of 2 cells" in answer.out
    assert "1 of 2 cells failed, their output is in " in answer.err


def test_unknown_keys_and_impossible_cells_are_refused_all_at_once(
    sslbench: Cli, tmp_path: Path, data: tuple[object, ...]
) -> None:
    grid = {"base": {"preset": "smoke", "data.name": "nih14", "data.root": str(data[3])},
            "grid": {"method": ["msnn", "msn"], "backbone.name": ["resnet18", "vit-micro"]},
            "cells": [{"method": "random", "ehr.features": "age"}, {"fusion": "concatt"}]}  # fmt: skip
    (tmp_path / "grid.yaml").write_text(yaml.safe_dump(grid))
    answer = sslbench("sweep", tmp_path / "grid.yaml", "--out", tmp_path / "out")
    assert answer.code == 2
    lines = answer.err.splitlines()
    assert lines[0] == "sslbench: error: 4 problems"
    for part in ("unknown method 'msnn'; did you mean 'msn'?", "drops patches and needs a ViT", "unknown fusion",
                 "method 'random' is not trained"):  # fmt: skip
        assert part in answer.err
    assert not (tmp_path / "out").exists()
    (tmp_path / "grid.yaml").write_text("base: {pretrain.epoch: 3}\ngrid: {method: [msn]}\n")
    answer = sslbench("sweep", tmp_path / "grid.yaml")
    assert "unknown key 'pretrain.epoch' of the configuration; did you mean 'epochs'?" in answer.sentence


def test_wrong_keys_and_what_the_data_lack_are_told_with_all_else(
    sslbench: Cli, tmp_path: Path, tiny_nih: Callable[..., Path]
) -> None:
    root = tiny_nih(fresh=True) / "images"
    (root.parent / "Data_Entry_2017_v2020.csv").rename(root / "mine.csv")
    columns = {"table": "mine.csv", "image_path": "Image Index", "patient_id": "Patient ID",
               "features": {"age": "Patient Age", "sex": "Patient Gender"},
               "labels": {"column": "Finding Labels", "separator": "|", "findings": ["Effusion", "Mass"],
                          "none": "No Finding"}}  # fmt: skip
    (tmp_path / "columns.yaml").write_text(yaml.safe_dump(columns))
    grid = {"base": {"preset": "smoke", "data.name": "table", "data.root": str(root), "pretrain.batch_size": 16,
                     "data.options.columns": str(tmp_path / "columns.yaml")},
            "cells": [{"method": "msn-ehr", "ehr.features": "age,sex"},
                      {"method": "msn-ehr", "ehr.features": "view"},
                      {"method": "msn-ehr", "ehr.features": "icu"},
                      {"method": "msn", "backbone.name": "resnet18"},
                      {"method": "simclr", "pretrain.epochs": -1},
                      {"method": "simclr", "pretrain.batch_size": 4096},
                      {"method": "byol", "pretrain.budget": "flops"}]}  # fmt: skip
    (tmp_path / "grid.yaml").write_text(yaml.safe_dump(grid))
    answer = sslbench("sweep", tmp_path / "grid.yaml", "--out", tmp_path / "out")
    assert answer.code == 2
    for part in ("6 problems", "'pretrain.epochs' of the configuration: input should be", "drops patches and needs a",
                 "has no feature 'view'", "has no feature 'icu'", "a batch of 4096 needs as many training images",
                 "a budget of flops needs their number"):  # fmt: skip
        assert part in answer.err
    assert not (tmp_path / "out").exists()


REFUSED = [
    ((), "a sweep expects a grid file, or lists such as --method simclr,msn --seeds 3"),
    (("--seeds", "0"), "--seeds expects how many seeds to run, 1 or more, found 0"),
    (("--method", "simclr", "--features-grid", "groupes"), "unknown part of the feature grid 'groupes'"),
    (("--method", "simclr", "--preset", "smoke", "--launcher", "locall"), "unknown launcher 'locall'; did you mean"),
    (("--method", "simclr", "--preset", "smoke", "--launcher-set", "gpus=3"), "unknown key 'gpus' of launcher 'local'"),
    (("nowhere.yaml",), "config nowhere.yaml cannot be read"),
]


@pytest.mark.parametrize(("arguments", "sentence"), REFUSED)
def test_what_makes_no_sweep_is_refused(sslbench: Cli, arguments: tuple[str, ...], sentence: str) -> None:
    answer = sslbench("sweep", *arguments)
    assert answer.code == 2
    assert answer.sentence.startswith(sentence)


def test_the_papers_grid_says_in_a_sentence_what_is_missing(sslbench: Cli) -> None:
    answer = sslbench("sweep", Path(__file__).parents[2] / "sweeps" / "paper.yaml", "--dry-run")
    assert answer.code in (2, 3)
    assert "mimic-cxr" in answer.sentence


def test_a_batch_that_processes_cannot_share_is_refused(sslbench: Cli, data: tuple[object, ...]) -> None:
    answer = sslbench("run", "--preset", "smoke", *data, "--devices", 3, "--nodes", 2, "--batch-size", 16)
    assert answer.code == 2
    assert answer.sentence.startswith("a batch is shared equally by 6 processes (devices x nodes), found a batch of 16")
