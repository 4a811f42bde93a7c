"""``sslbench ablate``: cells, going on, and what it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest

from ssl_bench.cli import ablate as command
from ssl_bench.errors import TrainingStopped
from ssl_bench.sweep.ablation import as_sweep
from ssl_bench.sweep.cells import Cell, Grouped

Cli = Callable[..., Any]
Make = Callable[..., Path]

ICU = ["--features", "icu", "--seeds", "1", "--arms", "none,real,shuffled"]

TINY = ("--preset", "smoke", "--data", "nih14", "--batch-size", 8, "--epochs", 1, "--backbone", "vit-micro",
        "--set", "backbone.image_size=32", "--set", "backbone.options={embed_dim: 32, depth: 1, num_heads: 2}",
        "--set", "evaluate.replicates=100", "--set", "pretrain.threads=1",
        "--set", "evaluate.options.leakage.replicates=100")  # fmt: skip

DOCUMENTED = Path(__file__).parents[2] / "docs" / "json.md"


def kept(out: Path) -> dict[Path, int]:
    """When each file of the runs was written."""
    return {path: path.stat().st_mtime_ns for path in out.glob("*-seed*/**/*")}


@pytest.mark.usefixtures("here")
def test_from_cells_to_a_verdict_and_on_again(sslbench: Cli, tiny_nih: Make, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ("ablate", "--method", "msn", "--features", "age,sex", "--arms", "none,real,shuffled", "--seeds", 1,
                 "--root", tiny_nih(), "--out", out, *TINY)  # fmt: skip
    dry = sslbench(*arguments, "--dry-run")
    assert dry.code == 0, dry.err
    assert "3 cells, " in dry.out
    assert dry.out.count("8 of 10 cases") == 1
    assert not out.exists()
    answer = sslbench(*arguments)
    assert answer.code == 0, answer.err
    assert "shuffled-seed0: done  linear 0." in answer.err
    assert answer.err.startswith("note: 1 paired seed, a claim about methods needs 5, so no difference of methods will")
    assert answer.err.count("8 of 10 cases") == 1
    page = (out / "ablation.md").read_text()
    assert answer.out.endswith(page)  # runs of this launcher print here, too
    result = json.loads((out / "ablation.json").read_text())
    section = DOCUMENTED.read_text().split("## `sslbench ablate`")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(result)
    assert [row["arm"] for row in result["arms"]] == ["pixels", "untrained encoder", "none", "real", "shuffled"]
    assert [one["primary"] for one in result["contrasts"]] == [True, False]
    assert result["verdict"] == [
        "1 paired seed: nothing is claimed about methods; a claim needs at least 5 (--seeds 5)"
    ]
    assert all("age R2" in row["people"] and "sex=F AUROC" in row["people"] for row in result["arms"])
    record = json.loads((out / "shuffled-seed0" / "record.json").read_text())
    assert (record["fusion"], record["config"]["ehr"]["control"]) == ("concat", "shuffled")
    assert any("each image got the row of another patient" in note["text"] for note in record["notes"])

    before = kept(out)
    again = sslbench(*arguments)
    assert (again.code, again.out) == (0, page)
    assert "running" not in again.err
    assert "8 of 10" not in again.err
    fewer = sslbench(*arguments, "--min-patients", 40)
    notes = json.loads((out / "ablation.json").read_text())["notes"]
    assert fewer.code == 0
    assert any("none has 40 positive and negative patients, so nothing is claimed" in note for note in notes)
    assert "the means of the arms are those of the records, over findings with at least 5 patients of a class" in notes
    rmtree(out / ".sweep")  # as in a folder from before there was a sweep in it
    assert sslbench(*arguments).out == page
    assert before == kept(out)

    other = sslbench(*arguments, "--lr", 0.5)
    assert other.code == 2
    assert "was run with another configuration (pretrain.lr: 0.001 -> 0.5); repeat the first" in other.sentence
    with (out / "real-seed0" / "config.yaml").open("a") as config:
        config.write("speed: 3\n")
    older = sslbench(*arguments)
    assert older.code == 2
    assert older.sentence.startswith("real-seed0: it was begun by another version of sslbench (unknown key 'speed'")
    assert older.sentence.endswith("; choose another --out")
    assert before.keys() == kept(out).keys()


@pytest.mark.usefixtures("here")
def test_a_cell_that_fails_is_told_and_no_arm_is_compared(
    sslbench: Cli, tiny_nih: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise TrainingStopped("out of memory at batch size 8")

    monkeypatch.setattr("ssl_bench.pipeline.pretrain", stop)
    out = tmp_path / "out"
    answer = sslbench("ablate", "--features", "age", "--arms", "real,shuffled", "--seeds", 1, "--root", tiny_nih(),
                      "--out", out, *TINY)  # fmt: skip
    assert answer.code == 1
    assert "0 done, 0 running, 0 queued, 2 failed of 2 cells" in answer.out
    assert "exit code 5" in answer.out
    assert f"2 of 2 cells failed, their output is in {out / '.sweep' / 'logs'}; --retry-failed" in answer.err
    assert not (out / "ablation.json").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--method", "msn"], "an ablation needs EHR features; add --features, for example age,sex"),
        (ICU, "none-seed0, real-seed0, shuffled-seed0: dataset 'nih14' has no feature 'icu'; it has age, sex, view"),
        (["--features", "age", "--features-grid", "all"], "--features and --features-grid exclude each other"),
        (["--features-grid", "pairs"], "the feature grid pairs holds no set that a dataset with age, sex, view has"),
        (["--set", "ehr.control=noise"], "an ablation sets ehr.control for each arm; leave it out, and choose by"),
        (["--set", "pretrain.budget=flops", "--set", "pretrain.tflop=1"], "an ablation holds epochs equal, so that"),
        (["--features", "age", "--launcher", "locall"], "unknown launcher 'locall'; did you mean 'local'?"),
        (["--features", "age", "--launcher-set", "gpus=3"], "unknown key 'gpus' of launcher 'local'"),
        (["--arms", "real"], "an ablation compares 'real' with 'shuffled', found real; name both"),
        (
            ["--arms", "real,shuffled", "--seeds", "1", "--features", "age", "--method", "random"],
            "real-seed0, shuffled-seed0: method 'random' is not trained, so it can join no features",
        ),
        (
            [
                "--arms",
                "real,shuffled",
                "--seeds",
                "1",
                "--fusion",
                "concat-noproj",
                "--method",
                "byol",
                "--features",
                "age",
            ],
            "real-seed0, shuffled-seed0: method 'byol' has features beside",
        ),
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

    def check(planned: Any, out: Path, configured: Any, *_: Any) -> tuple[list[Cell], dict[str, Any]]:
        cells = as_sweep(planned, out, configured, Grouped())
        seen.extend((planned, [cell.config for cell in cells]))
        return cells, {}

    monkeypatch.setattr(command, "check", check)
    monkeypatch.setattr(command, "carry_out", lambda *_, **given: seen.append(given) or {})
    monkeypatch.setattr(command, "conclude", lambda *_, **__: None)
    (tmp_path / "work" / "more.toml").write_text("[evaluate]\nreplicates = 200\n")
    answer = sslbench(
        "ablate", "--out", "out", "--method", "simclr", "--features-grid", "single,groups,ages", "--seeds", 2,
        "--seed", 3, "--fusion", "film", "--root", tiny_nih(), *TINY, "--lr", 0.01, "--config", "more.toml",
        "--eval", "linear", "--ehr-at-eval", "--cache", "here", "--retry-failed",
        "--allow-inexact-resume",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    planned, configs, given = seen
    assert given == {"retry_failed": True, "inexact": True}
    assert len(planned) == 2 * (1 + 8 * 4)  # age, sex, view, demographic; those with the age in three forms
    assert "sets are left out: dataset 'nih14' lacks a feature" in answer.err
    assert {config.seed for config in configs} == {3, 4}
    assert {config.fusion.name for config in configs} == {"none", "film"}
    assert {(config.pretrain.lr, config.evaluate.ehr, config.method.name) for config in configs} == {
        (0.01, True, "simclr")
    }
