"""Ranks and what is told apart, findings as a heat map, and one look of a configuration in all plots."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ssl_bench.comparison import group_comparison
from ssl_bench.comparison.group_comparison import admitted
from ssl_bench.comparison.ranking import cliques, rank_draws, shares_of
from ssl_bench.report.leaderboard import Board, read_board
from ssl_bench.report.page.figures import looks_of
from ssl_bench.report.page.order import INK, SCALE, finding_values
from ssl_bench.report.page.page import figures, parts
from ssl_bench.report.palette import style
from ssl_bench.results.record import Footprint
from ssl_bench.results.rundir import RunDirectory
from ssl_bench.stats.family import adjust
from ssl_bench.stats.resampled import Resampled

WriteArm = Callable[..., Path]


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory, write_arm: WriteArm) -> Board:
    """Four methods of different strength, with what an encoder costs and a log."""
    folder = tmp_path_factory.mktemp("runs")
    runs = []
    for name, signal in (("msn", 1.0), ("dino", 1.2), ("byol", 2.5), ("simclr", 0.3)):
        path = write_arm(folder, name, 0, signal, random=0.1)
        record = RunDirectory(path).read_record()
        size = {"parameters": 1, "image_flops": 1e9 * signal, "image_size": 64, "width": 8, "pretraining_images": 9}
        RunDirectory(path).write_record(record.but(footprints={"trained": Footprint.model_validate(size)}))
        (path / "log.jsonl").write_text('{"step": 1, "epoch": 1.0, "loss": 2.0, "effective_rank": 3.0}\n')
        runs.append(path)
    return read_board(runs, replicates=200)


def test_ranks_are_those_of_the_drawn_findings_and_patients() -> None:
    values = np.array([[[0.9, 0.1]], [[0.5, 0.6]], [[0.4, 0.7]]])  # (C=3, R=1, L=2)
    chosen = np.random.default_rng(0).integers(2, size=(1, 2))[0]
    means = values[:, 0, chosen].mean(axis=1)
    assert rank_draws(values)[0].tolist() == [1 + int((means > mean).sum()) + 0.5 * (int((means == mean).sum()) - 1)
                                              for mean in means]  # fmt: skip


def test_a_finding_that_a_resample_leaves_undefined_counts_for_no_row() -> None:
    values = np.array([[[0.9, np.nan]], [[0.5, 0.99]]])
    ranks = rank_draws(np.repeat(values, 50, axis=1))
    assert set(map(tuple, ranks.tolist())) == {(1.0, 2.0)}
    assert 0 < len(ranks) < 50  # draws of the undefined finding alone say nothing


def test_ties_share_their_places() -> None:
    shares = shares_of(np.array([[1.5, 1.5, 3.0], [1.0, 2.0, 3.0]]))
    assert shares.tolist() == [[0.75, 0.25, 0.0], [0.25, 0.75, 0.0], [0.0, 0.0, 1.0]]
    assert shares.sum(axis=1).tolist() == [1.0] * 3


@pytest.mark.parametrize(
    ("rows", "apart", "expected"),
    [
        (3, [], [(0, 2)]),
        (3, [(0, 2)], [(0, 1), (1, 2)]),
        (4, [(0, 1), (0, 2), (0, 3)], [(1, 3)]),
        (4, [(0, 2), (0, 3), (1, 3)], [(0, 1), (1, 2), (2, 3)]),
        (3, [(0, 1), (0, 2), (1, 2)], []),
        (5, [(0, 4)], [(0, 3), (1, 4)]),
    ],
)
def test_cliques_are_the_longest_stretches_that_nothing_tells_apart(
    rows: int, apart: list[tuple[int, int]], expected: list[tuple[int, int]]
) -> None:
    assert list(cliques(rows, apart)) == expected


def test_what_the_test_tells_apart_is_in_no_clique(board: Board) -> None:
    found = board.rankings[board.entries[0].setting]
    assert found.names[0] == "byol"
    place = {name: number for number, name in enumerate(found.names)}
    lines = {entry.name: entry.line for entry in board.entries}
    bench, _ = admitted(lines.values(), board.entries[0].setting, 200)
    pairs = list(combinations(found.names, 2))
    told = adjust([bench.test(lines[one], lines[other], "auroc") for one, other in pairs])
    apart = {pair for pair, p in zip(pairs, told, strict=True) if p is not None and p < 0.05}
    assert ("byol", "random") in apart
    for first, last in found.cliques:
        assert not apart & set(combinations(found.names[first : last + 1], 2))
    assert place["byol"] == 0
    assert found.tests == 10
    assert (found.low <= found.high).all()
    assert (np.diff(found.ranks) >= 0).all()
    assert found.shares.sum(axis=0) == pytest.approx(np.ones(5))


def test_table_ranks_and_figures_share_their_resamples(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    resample = group_comparison.by_metric

    def counted(*given: Any, **named: Any) -> dict[str, Resampled]:
        drawn.append(1)
        return resample(*given, **named)

    monkeypatch.setattr(group_comparison, "by_metric", counted)
    again = read_board([member.path for arm in board.groups for member in arm.runs], replicates=200)
    assert again.rankings.keys() == {again.entries[0].setting}
    assert parts(again)
    assert figures(again)
    assert len(drawn) == sum(len(entry.line.runs) for entry in again.entries)


def test_two_configurations_make_no_ranking(tmp_path: Path, write_arm: WriteArm) -> None:
    two = read_board([write_arm(tmp_path, "msn", 0, 1.0)], replicates=100)
    assert two.rankings == {}
    assert "ranks" not in {part.anchor for part in parts(two)}


def test_the_heat_map_has_the_numbers_of_the_records(board: Board) -> None:
    labels, values = finding_values(board.entries)
    assert labels == ["Edema", "Mass_50%"]
    for entry, row in zip(board.entries, values, strict=True):
        (member,) = entry.line.runs.values()
        expected = [member.row(entry.setting, name, "auroc") for name in labels]
        assert row == [one.value for one in expected if one is not None]


def test_a_configuration_has_one_look_in_every_plot(board: Board) -> None:
    assert {part.anchor for part in parts(board)} >= {"plots", "findings", "ranks", "pareto", "training"}
    seen: dict[str, set[tuple[str, str]]] = {}
    for figure in figures(board):
        for trace in figure.spec["data"]:
            if trace.get("name") in looks_of(board.entries) and "marker" in trace:
                seen.setdefault(trace["name"], set()).add((trace["marker"]["color"], trace["marker"]["symbol"]))
    assert set(seen) == {"msn", "dino", "byol", "simclr", "random"}
    assert all(len(looks) == 1 for looks in seen.values())
    assert len(set.union(*seen.values())) == 5


def test_forty_nine_things_look_different() -> None:
    looks = [style(number) for number in range(49)]
    assert len({(look.color, look.marker) for look in looks}) == 49
    assert len({(look.color, str(look.dashes)) for look in looks}) == 49


def luminance(colour: str) -> float:
    """Relative luminance of a colour, as WCAG 2.2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_numbers_of_a_heat_map_can_be_read_in_every_cell() -> None:
    contrast = [(luminance(ground) + 0.05) / (luminance(INK) + 0.05) for _, ground in SCALE]
    assert min(contrast) >= 7  # the enhanced level of WCAG
    assert luminance(SCALE[0][1]) > luminance(SCALE[-1][1])
