"""The mark of a result that is not above the thumbnails of its images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import mean

import pytest

from ssl_bench.comparison.cleared import unclear_encoder, unclear_line
from ssl_bench.comparison.group_comparison import GroupComparison
from ssl_bench.comparison.groups import read_groups
from ssl_bench.comparison.lines import lines_of
from ssl_bench.plugin.names import PIXELS
from ssl_bench.report.paper import footnotes, paper
from ssl_bench.results.row import Comparison

PLACE = ("linear", "toy", "toy")


def bench_of(paths: list[Path]) -> GroupComparison:
    arms = read_groups(paths)
    return GroupComparison(PLACE, lines_of(arms, PLACE)[0], 200)


@pytest.mark.parametrize(("signal", "marked"), [(3.0, False), (0.6, True)])
@pytest.mark.parametrize("seeds", [1, 5])
def test_an_arm_is_marked_that_does_not_clear_the_thumbnails(
    tmp_path: Path, write_arm: Callable[..., Path], signal: float, marked: bool, seeds: int
) -> None:
    paths = [write_arm(tmp_path, "msn", seed, signal, random=0.1, pixels=0.7) for seed in range(seeds)]
    bench = bench_of(paths)
    assert [line.name for line in bench.lines] == ["msn", "random", "pixels"]
    assert [unclear_line(bench, line, "auroc") for line in bench.lines] == [marked, False, False]
    shown = paper(read_groups(paths), ["linear"], per_label=False, replicates=200)
    assert [cell.mark for cell in shown.cells if cell.group == "msn" and cell.metric == "auroc"] == ["§" * marked]
    told = any(note.startswith("§: not shown to be better than pixels") for note in footnotes(shown))
    assert told is any(cell.unclear for cell in shown.cells)


def test_thumbnails_of_one_run_stand_beside_every_seed(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    """No seed changes them: measured once, they are compared with the method of all seeds."""
    paths = [write_arm(tmp_path, "msn", seed, 3.0, **({} if seed else {"pixels": 0.7})) for seed in range(5)]
    bench = bench_of(paths)
    line, pixels = (next(one for one in bench.lines if one.name == name) for name in ("msn", "pixels"))
    test = bench.test(line, pixels, "auroc")
    assert test.level == "methods"
    assert test.difference.value == pytest.approx(mean(bench.values(line, "auroc")) - bench.values(pixels, "auroc")[0])
    assert test.difference.low is not None
    assert not unclear_line(bench, line, "auroc")


def test_too_few_seeds_clear_nothing(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    bench = bench_of([write_arm(tmp_path, "msn", seed, 3.0, pixels=0.2) for seed in range(2)])
    assert unclear_line(bench, bench.lines[0], "auroc")


def test_nothing_is_marked_where_no_thumbnails_were_measured(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    bench = bench_of([write_arm(tmp_path, "msn", 0, 0.1, random=0.5)])
    assert not unclear_line(bench, bench.lines[0], "auroc")


@pytest.mark.parametrize(("low", "marked"), [(0.01, False), (0.0, True), (-0.2, True), (None, True)])
def test_an_encoder_is_marked_by_the_interval_of_its_difference(low: float | None, marked: bool) -> None:
    row = Comparison(encoder="trained", against=PIXELS, label="macro", metric="auroc", ci_low=low)
    beside = row.but(against="random", ci_low=-1.0)
    assert unclear_encoder([beside, row], "trained", "auroc") is marked
    assert not unclear_encoder([beside], "trained", "auroc")
    assert not unclear_encoder([row], "trained", "auprc")
