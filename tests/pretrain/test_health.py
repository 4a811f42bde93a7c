"""Trainings that ended unhealthy: which, with which note, and that nothing of them is ranked or bold."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssl_bench.comparison.groups import read_groups
from ssl_bench.plugin.notes import Note
from ssl_bench.pretrain.health import CODE, LOW_RANK, UNREADY, health_notes, read_entries, unready
from ssl_bench.pretrain.monitors import CollapseGuard
from ssl_bench.report.leaderboard import read_board
from ssl_bench.report.machine import entry_values
from ssl_bench.report.paper import footnotes, paper, paper_tables
from ssl_bench.report.study import lines_of
from ssl_bench.results.row import MetricRow
from ssl_bench.results.rundir import RunDirectory


@pytest.fixture
def log(tmp_path: Path) -> Callable[..., Path]:
    """Writes a log of losses, with ranks of the evaluated encoder or of the method's own features."""

    def write(losses: list[float], rank: float = 20.0, *, watched: bool = True) -> Path:
        path = tmp_path / "log.jsonl"
        more = {"alignment": 1.0} if watched else {}
        lines = [json.dumps({"step": step, "loss": loss, "effective_rank": rank, **more})
                 for step, loss in enumerate(losses, 1)]  # fmt: skip
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


def knn(encoder: str, value: float | None, **changes: Any) -> MetricRow:
    row = {"protocol": "knn", "split": "validate", "label": "macro", "metric": "auroc", "subgroup": "all",
           "fraction": 1.0, "dataset": "here", "fitted_on": "here"}  # fmt: skip
    return MetricRow.model_validate(row | {"encoder": encoder, "value": value} | changes)


def test_a_training_that_learnt_has_no_note(log: Callable[..., Path]) -> None:
    rows = [knn("trained", 0.7), knn("random", 0.6)]
    assert health_notes(log([3.0, 2.0, 1.0, 1.0]), rows) == []
    assert health_notes(log([3.0, 2.9]), [knn("trained", 0.6), knn("random", 0.6)]) == []


@pytest.mark.parametrize(
    ("losses", "rank", "rows", "said", "numbers"),
    [
        ([3.0, 2.0, 3.1, 3.2, 3.3], 20.0, [], "the loss began at 3 and ended at 3.2",
         {"loss_first": 3.0, "loss_last": 3.2}),
        ([3.0, 3.0], 20.0, [], "the loss began at 3 and ended at 3", {"loss_first": 3.0, "loss_last": 3.0}),
        ([3.0, 2.0], 3.9, [], "ended at an effective rank of 3.9, below 4",
         {"effective_rank": 3.9, "lowest_rank": 4.0}),
        ([3.0, 2.0], 20.0, [knn("trained", 0.59), knn("random", 0.6)],
         "kNN on validation images is 0.590, and 0.600 for the random encoder", {"knn": 0.59, "knn_random": 0.6}),
    ],
)  # fmt: skip
def test_each_rule_is_told_with_its_numbers(
    log: Callable[..., Path], losses: list[float], rank: float, rows: list[Any], said: str, numbers: dict[str, float]
) -> None:
    (note,) = health_notes(log(losses, rank), rows)
    assert note.code == CODE
    assert note.startswith("not trained long enough here: ")
    assert said in note
    assert note.numbers == pytest.approx(numbers)
    assert note.public() == note  # nothing of it stays on this machine


def test_several_complaints_are_one_note(log: Callable[..., Path]) -> None:
    (note,) = health_notes(log([1.0, 2.0], 1.0), [knn("trained", 0.5), knn("random", 0.6)])
    assert note.count(";") == 2
    assert set(note.numbers) == {"loss_first", "loss_last", "effective_rank", "lowest_rank", "knn", "knn_random"}


@pytest.mark.parametrize(
    "changes",
    [{"split": "test"}, {"protocol": "linear"}, {"fraction": 0.1}, {"subgroup": "sex:F"}, {"dataset": "external"},
     {"metric": "auprc"}, {"label": "Edema"}],
)  # fmt: skip
def test_only_the_macro_auroc_of_all_validation_images_counts(
    log: Callable[..., Path], changes: dict[str, Any]
) -> None:
    assert health_notes(log([3.0, 2.0]), [knn("trained", 0.1, **changes), knn("random", 0.6)]) == []


def test_what_is_not_known_is_no_complaint(log: Callable[..., Path], tmp_path: Path) -> None:
    assert health_notes(tmp_path / "nothing.jsonl", [knn("trained", None), knn("random", 0.6)]) == []
    assert health_notes(log([3.0], 1.0, watched=False), []) == []
    path = log([3.0, 2.0])
    path.write_text(path.read_text() + '{"step": 3, "lo')
    assert len(read_entries(path)) == 2


def test_the_floor_is_that_of_the_warning_during_training() -> None:
    guard = CollapseGuard()
    seen = [guard.check({"embedding_std": 1.0, "effective_rank": LOW_RANK}, step) for step in range(10)]
    assert seen == [None] * 10


@pytest.fixture
def arms(tmp_path: Path, write_arm: Callable[..., Path]) -> list[Path]:
    """Three methods with a seed each; the best of them is not healthy."""
    paths = [write_arm(tmp_path, name, 0, signal) for name, signal in (("weak", 0.3), ("middle", 1.0), ("best", 2.5))]
    run = RunDirectory(paths[-1])
    record = run.read_record()
    told = Note(CODE, "not trained long enough here: the loss began at 1 and ended at 2")
    record = record.but(notes=(*record.notes, told))
    assert unready(record)
    run.write_record(record)
    return paths


def test_an_unhealthy_row_is_marked_and_has_no_rank(arms: list[Path]) -> None:
    board = read_board(arms, replicates=50, baseline="weak")
    ranks = {entry.name: entry.rank for entry in board.entries}
    assert ranks["best"] is None
    assert sorted(rank for rank in ranks.values() if rank is not None) == [1, 2, 3]  # with the random encoder
    assert ranks["middle"] == 1
    unhealthy = next(entry for entry in board.entries if entry.name == "best")
    assert unhealthy.unready
    assert all(cell.mark.endswith(UNREADY) and not cell.best for cell in unhealthy.cells.values())
    assert any(note.startswith(UNREADY) for note in board.notes())
    told = {entry.name: entry_values(entry)["trained_long_enough"] for entry in board.entries}
    assert [name for name, enough in told.items() if not enough] == ["best"]
    marked = [line[2] for line in lines_of({"entries": [entry_values(entry) for entry in board.entries]})]
    assert [name for name in marked if UNREADY in name] == [f"best {UNREADY}"]


def test_an_unhealthy_row_of_the_papers_tables_is_not_bold(arms: list[Path]) -> None:
    shown = paper(read_groups(arms), ["linear"], per_label=True, replicates=50)
    assert {cell.group for cell in shown.cells if cell.best} & {"best"} == set()
    assert "middle" in {cell.group for cell in shown.cells if cell.best}
    assert any(note.startswith(UNREADY) for note in footnotes(shown))
    rows = {row[0].text: row[1:] for row in paper_tables(shown.cells)[0].contents()}
    assert all(UNREADY in cell.mark for cell in rows["best"])
    assert not any(UNREADY in cell.mark for cell in rows["middle"])
