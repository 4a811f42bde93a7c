"""``sslbench ablate``: cells, going on, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssl_bench.cli import ablate as command

Cli = Callable[..., Any]
Make = Callable[..., Path]

TINY = ("--preset", "smoke", "--data", "nih14", "--batch-size", 8, "--epochs", 1, "--backbone", "vit-micro",
        "--set", "backbone.image_size=32", "--set", "backbone.options={embed_dim: 32, depth: 1, num_heads: 2}",
        "--set", "evaluate.replicates=100", "--set", "pretrain.threads=1",
        "--set", "evaluate.options.leakage.replicates=100")  # fmt: skip


def test_from_cells_to_a_verdict_and_on_again(
    sslbench: Cli, tiny_nih: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    arguments = ("ablate", "--method", "msn", "--features", "age,sex", "--arms", "none,real,shuffled", "--seeds", 1,
                 "--root", tiny_nih(), "--out", out, *TINY)  # fmt: skip
    answer = sslbench(*arguments)
    assert answer.code == 0, answer.err
    assert "cell 3 of 3" in answer.err
    assert answer.err.startswith("note: 1 paired seed, a claim about methods needs 5, so no difference of methods will")
    assert answer.err.count("8 of 10 cases") == 1
    assert answer.out == (out / "ablation.md").read_text()
    result = json.loads((out / "ablation.json").read_text())
    assert [row["arm"] for row in result["arms"]] == ["pixels", "untrained encoder", "none", "real", "shuffled"]
    assert [one["primary"] for one in result["contrasts"]] == [True, False]
    assert result["verdict"] == [
        "1 paired seeds: nothing is claimed about methods; a claim needs at least 5 (--seeds 5)"
    ]
    assert all("age R2" in row["people"] and "sex=F AUROC" in row["people"] for row in result["arms"])
    record = json.loads((out / "shuffled-seed0" / "record.json").read_text())
    assert (record["fusion"], record["config"]["ehr"]["control"]) == ("concat", "shuffled")
    assert any("each image got the row of another patient" in note["text"] for note in record["notes"])

    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.parent != out}
    again = sslbench(*arguments)
    assert (again.code, again.out) == (0, answer.out)
    assert "cell" not in again.err
    assert "8 of 10" not in again.err
    fewer = sslbench(*arguments, "--min-patients", 40)
    notes = json.loads((out / "ablation.json").read_text())["notes"]
    assert fewer.code == 0
    assert any("none has 40 positive and negative patients, so nothing is claimed" in note for note in notes)
    assert "the means of the arms are those of the records, over findings with at least 5 patients of a class" in notes
    assert sslbench(*arguments).out == answer.out
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.parent != out}

    other = sslbench(*arguments, "--lr", 0.5)
    assert other.code == 2
    assert "was run with another configuration (pretrain.lr: 0.001 -> 0.5); repeat the first" in other.sentence


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--method", "msn"], "an ablation needs EHR features; add --features, for example age,sex"),
        (["--features", "icu"], "dataset 'nih14' has no feature 'icu'; it has age, sex, view"),
        (["--features", "age", "--features-grid", "all"], "--features and --features-grid exclude each other"),
        (["--features-grid", "pairs"], "the feature grid pairs holds no set that a dataset with age, sex, view has"),
        (["--set", "ehr.control=noise"], "an ablation sets ehr.control for each arm; leave it out, and choose by"),
        (["--set", "pretrain.budget=flops", "--set", "pretrain.tflop=1"], "an ablation holds epochs equal, so that"),
        (["--arms", "real"], "an ablation compares 'real' with 'shuffled', found real; name both"),
        (["--features", "age", "--method", "random"], "method 'random' is not trained, so it can join no features"),
        (["--fusion", "concat-noproj", "--method", "byol", "--features", "age"], "method 'byol' has features beside"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_runs(
    sslbench: Cli, tiny_nih: Make, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    out = tmp_path / "out"
    answer = sslbench("ablate", "--root", tiny_nih(), "--out", out, *TINY, *arguments)
    assert answer.code == 2
    assert answer.sentence.startswith(sentence)
    assert not out.exists()


def test_every_flag_arrives_and_a_grid_becomes_cells(
    sslbench: Cli, monkeypatch: pytest.MonkeyPatch, tiny_nih: Make, tmp_path: Path
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(command, "run_cells", lambda planned, configs, *_: seen.extend((planned, configs)))
    monkeypatch.setattr(command, "conclude", lambda *_, **__: None)
    (tmp_path / "work" / "more.toml").write_text("[evaluate]\nreplicates = 200\n")
    answer = sslbench(
        "ablate", "--out", "out", "--method", "simclr", "--features-grid", "single,groups,ages", "--seeds", 2,
        "--seed", 3, "--fusion", "film", "--root", tiny_nih(), *TINY, "--lr", 0.01, "--config", "more.toml",
        "--eval", "linear", "--ehr-at-eval", "--cache", "here",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    planned, configs = seen
    assert len(planned) == 2 * (1 + 8 * 4)  # age, sex, view, demographic; those with the age in three forms
    assert "sets are left out: dataset 'nih14' lacks a feature" in answer.err
    assert {config.seed for config in configs} == {3, 4}
    assert {config.fusion.name for config in configs} == {"none", "film"}
    assert {(config.pretrain.lr, config.evaluate.ehr, config.method.name) for config in configs} == {
        (0.01, True, "simclr")
    }
