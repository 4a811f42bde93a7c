"""``sslbench tune``: what it refuses before anything runs, and what it says it would search."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssl_bench.cli.tune import methods_of
from ssl_bench.plugin.registry import discover

Cli = Callable[..., Any]
TINY = ("--preset", "smoke")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--method", "simclr", "--search", "method.temprature=0.1..1"),
         "unknown hyperparameter 'method.temprature'"),
        (("--method", "simclr", "--search", "method.temperature=1..0.1"), "--search method.temperature: the range"),
        (("--method", "simclr", "--search", "method.temperature=0..1:log"), "begins above 0"),
        (("--method", "simclr", "--search", "method.temperature=a..b"), "the ends of a range are numbers"),
        (("--method", "simclr", "--search", "method.temperature=1"), "a range is LOW..HIGH, found '1'"),
        (("--method", "simclr", "--search", "method.temperature=0.1..1:cubic"), "a scale is one of linear, log"),
        (("--method", "simclr", "--search", "temperature"), "--search expects KEY=LOW..HIGH"),
        (("--method", "simclr", "--search", "a=1..2", "--search", "a=1..3"), "--search names a twice"),
        (("--method", "simcrl"), "unknown method 'simcrl'"),
        (("--method", ","), "--method expects methods to tune"),
        (("--method", "byol,byol"), "--method names a method twice"),
        (("--method", "simclr", "--trials", "0"), "--trials expects how many trials"),
        (("--method", "simclr", "--budget", "euros=5"), "unknown budget 'euros'"),
        (("--method", "simclr", "--budget", "gpu-hours=-1"), "with a number above 0"),
        (("--method", "simclr", "--budget", "flops"), "--budget expects flops=NUMBER"),
        (("--method", "simclr", "--rule", "test"), "unknown selection rule 'test'"),
        (("--method", "simclr", "--rule", "validation:nih14"), "needs 'nih14' among the other datasets"),
        (("--method", "simclr", "--sampler", "grid"), "unknown sampler 'grid'"),
        (("--method", "simclr", "--pruner", "loss"), "unknown pruner 'loss'"),
        (("--method", "msn-ehr", "--controls", "shufled"), "unknown control 'shufled'"),
        (("--method", "simclr", "--shared", "simclr,msn"), "unknown method 'msn'"),
        (("--method", "msn,msn-ehr", "--shared", "msn,msn-ehr", "--pruner", "rank"), "a pruner looks at one training"),
        (("--method", "simclr", "--set", "pretrain.lrr=1"), "unknown key 'pretrain.lrr'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence_before_anything_runs(
    sslbench: Cli, tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    done = sslbench("tune", *arguments, *TINY, "--baselines", "none", "--out", tmp_path / "tune")
    assert done.code == 2
    assert told in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "tune").exists()


def test_a_dry_run_prints_the_search_and_writes_nothing(sslbench: Cli, tmp_path: Path) -> None:
    out = sslbench("tune", "--method", "byol", "--set", "pretrain.lr=0.001", "--search", "method.scale=fixed",
                   "--dry-run", "--out", tmp_path / "tune", *TINY).out  # fmt: skip
    assert "method.momentum" in out
    assert "0.9 to 0.9995, one-minus" in out
    byol = out[out.index("byol") : out.index("pixels")]
    assert "pretrain.lr" not in byol, "what is set is not searched"
    assert "method.scale" not in byol
    assert "4 studies of 20 trials each, then 5 fresh seeds" in out
    assert not (tmp_path / "tune").exists()


def test_baselines_with_options_get_the_budget_too() -> None:
    registry = discover()
    assert methods_of("simclr", "auto", registry) == ("simclr", "pixels", "random", "supervised")
    assert methods_of("simclr", "none", registry) == ("simclr",)
    assert methods_of("simclr,pixels", "pixels,random", registry) == ("simclr", "pixels", "random")


def test_a_dry_run_tells_a_machine_the_same(sslbench: Cli, tmp_path: Path) -> None:
    out = sslbench("tune", "--method", "simclr", "--baselines", "none", "--trials", "4", "--seeds", "3", "--dry-run",
                   "--json", "--out", tmp_path / "tune", *TINY).out  # fmt: skip
    found = json.loads(out)
    assert list(found) == ["studies", "budget", "final_seeds"]
    assert (found["budget"], found["final_seeds"]) == ("4 trials", 3)
    assert [one["key"] for one in found["studies"][0]["space"]] == [
        "pretrain.lr", "pretrain.weight_decay", "method.scale", "method.temperature",
    ]  # fmt: skip
