"""What a command line says twice is refused or merged; the last value never wins silently."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssl_bench.cli.options import asked
from ssl_bench.errors import UsageError


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("run", "--epochs", 1, "--epochs", 2), "--epochs"),
        (("run", "--seed=1", "--lr", 1, "--seed=1", "--lr", 2), "--seed, --lr"),
        (("run", "--eval", "linear", "--eval", "knn"), "--eval"),
        (("evaluate", "RUN", "--eval", "linear", "--eval", "knn"), "--eval"),
        (("leaderboard", "RUN", "--replicates", 100, "--replicates", 200), "--replicates"),
        (("sweep", "--method", "msn", "--method", "simclr"), "--method"),
        (("data", "check", "nih14", "--root", "a", "--root", "b"), "--root"),
        (("score", "file.csv", "--seed", 1, "--seed", 2), "--seed"),
    ],
)
def test_an_option_given_twice_is_refused(sslbench: Any, arguments: tuple[object, ...], option: str) -> None:
    answer = sslbench(*arguments)
    assert answer.code == 2
    assert answer.sentence == f"{option} is given more than once; give it once, several values by comma"


def test_options_that_collect_and_switches_may_be_repeated(sslbench: Any, tiny_nih: Callable[..., Path]) -> None:
    answer = sslbench(
        "run", "--preset", "smoke", "--dry-run", "--dry-run", "--data", f"nih14={tiny_nih()}",
        "--data", f"nih14={tiny_nih(3, 30, first=2000)}", "--set", "seed=3", "--set", "data.workers=1",
    )  # fmt: skip
    assert answer.code == 0, answer.err


@pytest.mark.parametrize(
    ("flags", "settings", "sentence"),
    [
        ({"pretrain.lr": 0.1}, ["pretrain.lr=2"], "pretrain.lr is set twice, to '0.1' and to '2' by --set"),
        ({}, ["seed=1", "seed=2"], "seed is set twice, to '1' and to '2' by --set seed=2"),
        ({"method": "msn"}, ["method=simclr"], "method.name is set twice, to 'msn' and to 'simclr'"),
        ({"method": "msn"}, ["method={name: simclr}"], "method.name is set twice, to 'msn' and to 'simclr'"),
        ({}, ["data={size: 3}", "data.size=4"], "data.size is set twice, to '3' and to '4'"),
        ({"evaluate.protocols": "linear"}, ["evaluate.protocols=[knn]"], "evaluate.protocols is set twice"),
        ({"data.root": "a"}, ["data.root=b"], "data.root is set twice, to 'a' and to 'b'"),
    ],
)  # fmt: skip
def test_one_key_has_one_value(flags: dict[str, Any], settings: list[str], sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        asked(flags, settings)
    assert str(refused.value).startswith(sentence)


def test_what_is_said_twice_alike_is_said_once() -> None:
    settings = ["pretrain.lr=0.1", "method.prototypes=8", "evaluate.protocols=[linear, knn]", "seed=1", "seed=1"]
    found = asked({"pretrain.lr": 0.1, "method": "msn", "evaluate.protocols": "linear,knn", "out": None}, settings)
    assert found == {"pretrain": {"lr": 0.1}, "method": {"name": "msn", "prototypes": 8}, "seed": 1,
                     "evaluate": {"protocols": ["linear", "knn"]}}  # fmt: skip


@pytest.mark.parametrize("text", ["seed: 1\nseed: 2\n", "data: {size: 3, size: 4}\n", "a:\n  - {b: 1, b: 1}\n"])
def test_a_key_that_is_twice_in_a_file_is_refused(sslbench: Any, tmp_path: Path, text: str) -> None:
    (tmp_path / "some.yaml").write_text(text)
    answer = sslbench("run", "--config", tmp_path / "some.yaml")
    assert answer.code == 2
    assert "is there twice; keep one of them" in answer.sentence
    answer = sslbench("run", "--set", "data={size: 3, size: 4}")
    assert answer.sentence == "--set data: key 'size' is there twice; keep one of them, found '{size: 3, size: 4}'"
    answer = sslbench("sweep", tmp_path / "some.yaml")
    assert "is there twice; keep one of them" in answer.sentence


def test_a_column_that_is_mapped_twice_is_refused(sslbench: Any, tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text("table: a.csv\npatient_id: one\npatient_id: two\n")
    answer = sslbench("run", "--data", f"table={tmp_path}", "--columns", tmp_path / "map.yaml")
    assert answer.code == 2
    assert "key 'patient_id' is there twice" in answer.sentence
