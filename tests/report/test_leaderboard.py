"""The ranking: who is in it, in which order, tested against whom, and what is left out with which reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ssl_bench.comparison import run as members
from ssl_bench.comparison.groups import read_groups
from ssl_bench.comparison.run import read_kept
from ssl_bench.errors import UsageError
from ssl_bench.report.leaderboard import Board, expanded, read_board
from ssl_bench.report.leaderboard_text import difference_cell, metric_cells, print_board
from ssl_bench.report.page.grid import grid
from ssl_bench.report.paper import paper
from ssl_bench.results.record import Record
from ssl_bench.results.rundir import RunDirectory
from ssl_bench.stats.predictions import PredictionTable

SIGNALS = {"weak": 0.3, "strong": 2.5}


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory, write_arm: Callable[..., Path]) -> list[Path]:
    """Two methods with five seeds each."""
    folder = tmp_path_factory.mktemp("seeds")
    return [write_arm(folder, method, seed, signal) for method, signal in SIGNALS.items() for seed in range(5)]


@pytest.fixture(scope="module")
def board(seeds: list[Path]) -> Board:
    return read_board(seeds, replicates=100, baseline="weak")


def test_configurations_are_ranked_by_macro_auroc(board: Board) -> None:
    assert board.entries[0].group.name == "strong"
    values = [entry.cells["auroc"].interval.value for entry in board.entries]
    assert values == sorted(values, reverse=True)
    assert [entry.rank for entry in board.entries] == [1, 2, 3]
    assert board.entries[0].seeds == [0, 1, 2, 3, 4]


def test_numbers_tests_and_marks_are_those_of_the_papers_tables(board: Board, seeds: list[Path]) -> None:
    shown = paper(read_groups(seeds), ["linear"], per_label=False, replicates=100)
    cells = {(c.group, c.metric): c for c in shown.cells}
    for entry in board.entries:
        for metric, cell in entry.cells.items():
            expected = cells[entry.group.name, metric]
            assert (cell.interval, cell.sd, cell.p_holm, cell.mark) == (
                expected.interval, expected.sd, expected.p_holm, expected.mark,
            )  # fmt: skip
    assert board.entries[0].cells["auroc"].mark == "*"
    assert any(note.startswith("*: the method differs from weak") for note in board.notes())


def test_kept_predictions_are_read_once(seeds: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten trained encoders and five random ones, which both methods hold: fifteen files."""
    read: list[Path] = []

    def counted(path: Path) -> PredictionTable:
        read.append(path)
        return read_kept(path)

    monkeypatch.setattr(members, "read_kept", counted)
    read_board(seeds, replicates=100)
    assert len(read) - len(set(read)) <= len(seeds)  # two that may be one encoder are looked at beforehand
    assert len(set(read)) <= 20


def test_the_random_encoder_is_the_baseline_unless_another_is_named(seeds: list[Path]) -> None:
    assert read_board(seeds[:2], replicates=100).baseline.name == "random"
    assert read_board(seeds[:2], replicates=100, baseline=str(seeds[0])).baseline.name == "weak"
    with pytest.raises(UsageError, match=r"unknown baseline 'stong'.*strong"):
        read_board(seeds, baseline="stong", replicates=100)


def test_too_few_seeds_give_a_difference_without_interval_and_mark(seeds: list[Path]) -> None:
    board = read_board([*seeds[:3], *seeds[5:8]], baseline="weak", replicates=100)
    strong, weak = (next(e for e in board.entries if e.group.name == name) for name in ("strong", "weak"))
    text = str(metric_cells(strong, "auroc")[2])
    away = (strong.cells["auroc"].interval.value or 0) - (weak.cells["auroc"].interval.value or 0)
    assert text == f"{away:+.3f}"
    assert str(metric_cells(weak, "auroc")[2]) == "-"
    assert "Not tested: 3 paired seeds, a claim about methods needs 5." in board.notes()


def test_one_run_each_speaks_of_encoders(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    paths = [write_arm(tmp_path, "msn", 0, 0.1), write_arm(tmp_path, "dino", 0, 3.0)]
    entry = read_board(paths, baseline="msn", replicates=100).entries[0]
    assert entry.cells["auroc"].mark == "†"
    text = str(difference_cell(entry.cells["auroc"], entry.differences["auroc"]))
    assert text.endswith("] †")
    assert "[" in text


def test_other_test_images_are_left_out_with_the_reason(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    paths = [write_arm(tmp_path, "msn", 0, 1.0), write_arm(tmp_path, "dino", 0, 1.0, images=110)]
    board = read_board(paths, replicates=100)
    assert {entry.group.name for entry in board.entries} == {"msn", "random"}
    assert [(one.what, "same test images only" in one.reason) for one in board.excluded] == [
        ("dino (linear, toy)", True),
    ]  # fmt: skip


def test_points_are_means_over_the_findings_that_all_hold(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    paths = [write_arm(tmp_path, "msn", 0, 1.0), write_arm(tmp_path, "dino", 0, 1.5, labels=("Edema",))]
    board = read_board(paths, replicates=100)
    assert board.excluded == ()
    for entry in board.entries:
        row = next(iter(entry.line.runs.values())).row(entry.setting, "Edema", "auroc")
        assert row is not None
        assert entry.cells["auroc"].interval.value == pytest.approx(row.value)
    note = "Macro means by linear on toy are over 1 of 2 findings (Edema); not in all rows: Mass_50%."
    assert note in board.notes()
    other = write_arm(tmp_path, "other", 0, 1.0, labels=("Hernia",))
    assert [one.what for one in read_board([*paths, other], replicates=100).excluded] == ["other (linear, toy)"]


def test_a_row_whose_record_disagrees_with_its_predictions_is_refused(
    tmp_path: Path, write_arm: Callable[..., Path]
) -> None:
    paths = [write_arm(tmp_path, "msn", 0, 1.0), write_arm(tmp_path, "dino", 0, 1.5)]
    record = RunDirectory(paths[1]).read_record().as_json()
    row = next(row for row in record["metrics"] if (row["label"], row["encoder"]) == ("macro", "trained"))
    row["value"] = 0.99
    RunDirectory(paths[1]).write_record(Record.model_validate(record))
    board = read_board(paths, replicates=100)
    assert [(one.what, "0.990000 on the record" in one.reason) for one in board.excluded] == [
        ("dino (linear, toy)", True),
    ]  # fmt: skip


def test_rows_in_which_nothing_can_differ_are_not_ranked(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    paths = [write_arm(tmp_path, name, 0, signal, protocols=("linear", "ehr-only"))
             for name, signal in (("msn", 1.0), ("dino", 1.5))]  # fmt: skip
    for path in paths:
        run = RunDirectory(path)
        run.write_record(Record.model_validate({**run.read_record().as_json(), "without_encoder": ["ehr-only"]}))
    board = read_board(paths, replicates=100)
    ranks = {(entry.setting[0], entry.name): entry.rank for entry in board.entries}
    assert ranks["ehr-only", "every encoder"] is None
    assert sorted(rank for (place, _), rank in ranks.items() if place == "linear" and rank) == [1, 2, 3]
    assert any(note.startswith("4 tests against random") for note in board.notes())


def test_unfinished_runs_are_left_out_and_folders_stand_for_their_runs(
    tmp_path: Path, write_arm: Callable[..., Path]
) -> None:
    done, stopped = write_arm(tmp_path, "msn", 0, 1.0), tmp_path / "stopped"
    stopped.mkdir()
    (stopped / "config.yaml").write_text("seed: 0")
    assert expanded([tmp_path, done]) == [done, stopped]
    board = read_board([tmp_path], replicates=100)
    assert [(one.folder, "--resume" in one.reason) for one in board.excluded] == [(stopped, True)]
    with pytest.raises(UsageError, match=r"no finished run: .*no record.json"):
        read_board([stopped])


def test_lost_predictions_leave_the_others_standing(tmp_path: Path, write_arm: Callable[..., Path]) -> None:
    paths = [write_arm(tmp_path, "msn", 0, 1.0), write_arm(tmp_path, "dino", 0, 1.0)]
    for file in (paths[1] / "predictions" / "trained").iterdir():
        file.unlink()
    board = read_board(paths, replicates=100)
    assert [one.what for one in board.excluded] == ["dino (linear, toy)"]
    with pytest.raises(UsageError, match=r"unknown protocol 'liner'.*linear"):
        read_board(paths, protocols=["liner"])


TUNED = {"budget": "8 trials", "rule": "validation", "trials": 8, "trial": 3, "sampler": "sobol", "space": "a1b2"}


@pytest.fixture
def tuned(tmp_path: Path, write_arm: Callable[..., Path]) -> Callable[..., list[Path]]:
    """``tuned(first={...}, second={})``: a run of each method, whose record says how its options were chosen."""

    def write(**methods: dict[str, object]) -> list[Path]:
        runs = [write_arm(tmp_path, method, 0, 1.0 + number) for number, method in enumerate(methods)]
        for run, tuning in zip(runs, methods.values(), strict=True):
            record = RunDirectory(run).read_record()
            record.config["tuning"] = {**TUNED, **tuning} if tuning else None
            RunDirectory(run).write_record(record)
        return runs

    return write


def test_budget_and_rule_of_a_tune_are_columns(
    tuned: Callable[..., list[Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    board = read_board(tuned(first={"budget": "8 trials"}, second={"budget": "20 trials", "pruner": "rank"}, third={}),
                       replicates=100)  # fmt: skip
    found = {entry.method: entry.tuned for entry in board.entries}
    assert found == {"first": ("8 trials", "validation"), "second": ("20 trials, pruned by rank", "validation"),
                     "third": ("-", "-"), "random": ("-", "-")}  # fmt: skip
    print_board(board)
    out = capsys.readouterr().out
    assert "budget" in out.splitlines()[2] or "rule" in out
    assert "8 trials, selected by validation" in out
    assert "third: not tuned" in out
    assert "Budgets or rules differ, so a difference may be one of tuning." in out
    assert {"budget", "rule"} <= set(grid(board).table.columns)


def test_equal_budgets_are_told_once_and_untuned_boards_are_as_before(
    tuned: Callable[..., list[Path]], board: Board
) -> None:
    notes = read_board(tuned(first=TUNED, second=TUNED), replicates=100).notes()
    (told,) = [note for note in notes if "sslbench tune" in note]
    assert "differ" not in told
    assert not [note for note in board.notes() if "sslbench tune" in note]
    assert not {"budget", "rule"} & set(grid(board).table.columns)


def test_what_was_selected_on_the_test_split_is_refused_unless_asked_for(tuned: Callable[..., list[Path]]) -> None:
    runs = tuned(honest={"rule": "validation"}, seer={"rule": "oracle"})
    board = read_board(runs, replicates=100)
    assert "seer" not in {entry.method for entry in board.entries}
    (left,) = [one for one in board.excluded if one.folder == runs[1]]
    assert left.reason.startswith("its options were selected on the test split (rule oracle)")
    shown = read_board(runs, replicates=100, oracle=True)
    assert "seer" in {entry.method for entry in shown.entries}
    assert any("selected on the test split, not comparable" in note for note in shown.notes())
    with pytest.raises(UsageError, match="no finished run: its options were selected on the test split"):
        read_board(runs[1:], replicates=100)
