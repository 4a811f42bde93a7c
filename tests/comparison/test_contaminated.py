"""Marks of results on images that the encoder has seen, by dataset and by patient."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssl_bench.comparison.groups import read_groups
from ssl_bench.errors import DataError
from ssl_bench.report.leaderboard import read_board
from ssl_bench.report.leaderboard_text import metric_cells
from ssl_bench.report.paper import footnotes, paper, refuse_seen
from ssl_bench.report.paper_text import rendered
from ssl_bench.results.ledger import FILE, UNKNOWN, Ledger, SeenDataset, of_record, of_weights
from ssl_bench.results.record import EncoderCard, Record
from ssl_bench.results.rundir import RunDirectory

WriteArm = Callable[..., Path]


@pytest.mark.parametrize(
    ("trained", "tested", "seen"),
    [
        ("nih14", "nih14", True),
        ("nih14", "rsna-pneumonia", True),
        ("siim-acr", "google-nih", True),
        ("chexpert-plus", "chexpert", True),
        ("CheXpert", "chexpert", True),
        ("nih14", "chexpert", False),
        ("ImageNet-1k", "nih14", False),
    ],
)
def test_copies_of_the_same_images_count_as_one_dataset(trained: str, tested: str, seen: bool) -> None:
    assert Ledger((SeenDataset(trained),)).seen(tested, ["p1"], "hash") is seen


def test_patients_and_manifests_decide_where_they_are_known() -> None:
    own = SeenDataset("nih14", ("train",), "hash", 3, 0, frozenset({"p1", "p2"}))
    assert not Ledger((own,)).seen("nih14", ["p3"], "other")
    assert Ledger((own,)).seen("nih14", ["p3", "p2"], "other")
    assert Ledger((own,)).seen("rsna-pneumonia", ["q1"])  # ids of a copy are others, so its patients tell nothing
    assert not Ledger((SeenDataset("nih14", ("train",), "hash", tests=0),)).seen("nih14", None, "hash")
    assert Ledger((SeenDataset("nih14", ("train",), "hash", tests=2),)).seen("nih14", None, "hash")
    assert Ledger((SeenDataset("nih14", ("train",), "hash", tests=0),)).seen("nih14", None, "other")


def stating(path: Path, *sources: dict[str, Any], complete: bool = True) -> Path:
    """A run whose record states what its encoder was pretrained on."""
    run = RunDirectory(path)
    stated = {"complete": complete, "datasets": list(sources)}
    run.write_record(Record.model_validate({**run.read_record().as_json(), "trained_on": stated}))
    return path


def marks(paths: list[Path]) -> dict[str, str]:
    return {
        cell.group: cell.seen for cell in paper(read_groups(paths), ["linear"], per_label=False, replicates=100).cells
    }


def test_a_cell_is_marked_and_its_legend_stands_only_then(tmp_path: Path, write_arm: WriteArm) -> None:
    clean = stating(write_arm(tmp_path, "own", 0, 2.0), {"name": "elsewhere"})
    seen = stating(write_arm(tmp_path, "seen", 0, 2.1), {"name": "toy"})
    strange = stating(write_arm(tmp_path, "strange", 0, 2.2), complete=False)
    old = write_arm(tmp_path, "old", 0, 2.3)  # a record that states nothing: its own training split
    paths = [clean, seen, strange, old]
    assert marks(paths) == {"own": "", "seen": "‡", "strange": "?", "old": "", "random": ""}
    shown = paper(read_groups(paths), ["linear"], per_label=True, replicates=100)
    text = rendered(shown, "markdown")
    assert text.count("‡ seen in pretraining") == 1
    assert "what the encoder was pretrained on is not known" in text
    assert {cell.seen for cell in shown.cells if cell.group == "seen"} == {"‡"}
    assert "seen_in_pretraining" in rendered(shown, "csv")
    with pytest.raises(DataError, match=r"seen in pretraining: seen by linear on toy; test on other data"):
        refuse_seen(shown.cells)
    plain = paper(read_groups([clean, old]), ["linear"], per_label=False, replicates=100)
    assert not [note for note in footnotes(plain) if "pretrain" in note and ("‡" in note or "?" in note)]
    refuse_seen(plain.cells)
    board = read_board(paths, replicates=100)
    texts = {entry.name: str(metric_cells(entry, "auroc")[0]) for entry in board.entries}
    assert texts["seen"].endswith(" ‡")
    assert texts["strange"].endswith(" ?")
    assert not texts["own"].endswith(("‡", "?"))
    assert sum("seen in pretraining" in note for note in board.notes()) == 1


@pytest.mark.parametrize(("patients", "mark"), [(["p1", "p900"], "‡"), (["p900"], "")])
def test_patients_that_a_run_keeps_acquit_or_convict(
    tmp_path: Path, write_arm: WriteArm, patients: list[str], mark: str
) -> None:
    path = write_arm(tmp_path, "own", 0, 2.0)
    run = RunDirectory(path)
    run.write_kept_json(FILE, [{"name": "toy", "splits_sha256": "other", "patients": patients}])
    stating_run = {"complete": True, "datasets": [{"name": "toy", "splits_sha256": "other", "test_patients": 0}]}
    record = json.loads(run.record.read_text())
    run.write_record(
        Record.model_validate({**record, "trained_on": stating_run, "files": {**record["files"], **run.hashes}})
    )
    assert marks([path])["own"] == mark


def test_weights_of_no_run_are_unknown(tmp_path: Path) -> None:
    assert of_weights(tmp_path / "weights.pth") == UNKNOWN
    assert of_record(Record(config={"backbone": {"init": "weights.pth"}}, pretraining=None, metrics=())) == UNKNOWN
    assert of_record(Record(config={}, probed="x.npz", metrics=())) == UNKNOWN
    assert of_record(Record(config={}, encoder=EncoderCard(trained_on=("nih14",)), metrics=())).seen("nih14")


def test_runs_state_their_ledger_and_refuse(tiny_nih: Any, sslbench: Callable[..., Any], tmp_path: Path) -> None:
    """An own run is clean at home, also by ``--init``, and says what it saw; one with the gate opened is not."""
    root = tiny_nih()
    home = ["--data", "nih14", "--root", root, "--preset", "smoke", "--eval", "knn", "--set", "evaluate.replicates=100"]
    own, again = tmp_path / "own", tmp_path / "again"
    answer = sslbench("run", "--method", "simclr", *home, "--refuse-contaminated", "--out", own)
    assert answer.code == 0, answer.err
    stated = json.loads((own / "record.json").read_text())["trained_on"]
    [dataset] = stated["datasets"]
    assert stated["complete"] is True
    assert (dataset["name"], dataset["splits"], dataset["test_patients"]) == ("nih14", ["train"], 0)
    assert dataset["images"] > 0
    seen = ["--set", "data.pretrain_on=all", "--set", "data.allow_test_in_pretraining=true"]
    answer = sslbench("run", "--method", "simclr", *home, *seen, "--refuse-contaminated", "--out", tmp_path / "no")
    assert answer.code == 3
    assert answer.sentence.count("test images were seen in pretraining: the encoder on nih14") == 1
    init = ["--method", "pretrained", "--init", own / "encoder"]
    answer = sslbench("run", *init, *home, "--refuse-contaminated", "--out", again)
    assert answer.code == 0, answer.err
    assert json.loads((again / "record.json").read_text())["trained_on"] == stated
    assert of_weights(own) == of_weights(own / "encoder" / "model.safetensors") == of_weights(again / "encoder")
    assert not set(marks_by("knn", [own, again]).values()) - {""}
    # Test patients of another split of the same films are those that the weights were trained on.
    splits = json.loads((own / "splits.json").read_text())["patients"]
    turned = {"train": "test", "test": "train", "validate": "validate"}
    rows = [f"{patient},{turned[split]}" for split, patients in splits.items() for patient in patients]
    (tmp_path / "split.csv").write_text("\n".join(["patient_id,split", *rows]) + "\n")
    answer = sslbench("run", *init, *home, "--split", tmp_path / "split.csv", "--refuse-contaminated", "--out",
                      tmp_path / "turned")  # fmt: skip
    assert answer.code == 3, answer.err


def marks_by(protocol: str, paths: list[Path]) -> dict[str, str]:
    shown = paper(read_groups(paths), [protocol], per_label=False, replicates=100)
    return {cell.group: cell.seen for cell in shown.cells}
