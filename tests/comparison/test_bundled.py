"""Results to pass on: nothing private, predictions where they may go, and numbers that do not follow are refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssl_bench.comparison.bundled import MANIFEST, check_manifest, rescored, write_bundle
from ssl_bench.errors import DataError
from ssl_bench.files import sha256, write_json
from ssl_bench.plugin.registry import discover
from ssl_bench.report.leaderboard import read_board
from ssl_bench.results import record_file
from ssl_bench.results.record import Record
from ssl_bench.results.rundir import RunDirectory

WriteArm = Callable[..., Path]


@pytest.fixture
def runs(write_arm: WriteArm, tmp_path: Path) -> list[Path]:
    """Two finished runs on generated images, with a folder of this machine in their configuration."""
    (tmp_path / "private").mkdir()
    made = [write_arm(tmp_path / "private", name, 0, signal, pixels=0.3, random=0.2, replicates=100)
            for name, signal in (("msn", 1.0), ("dino", 1.5))]  # fmt: skip
    for path in made:
        record = RunDirectory(path).read_record()
        data = record.data.but(splits_sha256="5917", datasets=("toy",))
        RunDirectory(path).write_record(record.but(synthetic=True, data=data))
    return made


def numbers(paths: list[Path]) -> dict[str, Any]:
    board = read_board(paths, replicates=100)
    return {entry.name: [(cell.interval.value, cell.interval.low, cell.interval.high) for cell in entry.cells.values()]
            for entry in board.entries}  # fmt: skip


def test_a_bundle_ranks_as_its_runs_do_and_names_no_folder(runs: list[Path], tmp_path: Path) -> None:
    made = write_bundle(runs, tmp_path / "out", discover())
    assert (made.runs, made.withheld) == (2, ())
    assert numbers([tmp_path / "out"]) == numbers(runs)
    assert json.loads((tmp_path / "out" / MANIFEST).read_text())["sha256"] == made.sha256
    for path in (tmp_path / "out").rglob("*"):
        if path.suffix in (".json", ".yaml"):
            assert "private" not in path.read_text(), path
    told = json.loads((tmp_path / "out" / MANIFEST).read_text())["runs"]["run-1"]
    assert told["splits_sha256"] == "5917"


def test_predictions_of_patients_stay_unless_the_dataset_says_otherwise(
    write_arm: WriteArm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_arm(tmp_path, "msn", 0, 1.0, replicates=100)
    made = write_bundle([run], tmp_path / "out", discover())
    assert made.withheld == ("toy",)
    assert not list((tmp_path / "out").rglob("*.parquet"))
    with pytest.raises(DataError, match="no predictions are in the bundle, so none of its numbers"):
        read_board([tmp_path / "out"], replicates=100)
    assert not discover().get("dataset", "mimic-cxr").share_predictions
    assert discover().get("dataset", "nih14").share_predictions
    record = RunDirectory(run).read_record()
    config = {**record.config, "data": {"name": "nih14"}}
    RunDirectory(run).write_record(record.but(data=record.data.but(name="toy"), config=config))
    assert write_bundle([run], tmp_path / "free", discover()).withheld == ()
    assert write_bundle([run], tmp_path / "kept", discover(), predictions=False).withheld == ("toy",)


def forged(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """A record with another number, with every hash made anew, as somebody would who wants to be believed."""
    run = RunDirectory(folder / "run-1")
    record = json.loads(run.record.read_text())
    row = next(
        row
        for row in record["metrics"]
        if (row["encoder"], row["metric"], row["label"]) == ("trained", "auroc", "macro")
    )
    change(row)
    record_file.write(run.record, Record.model_validate(record))
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["runs"]["run-1"]["files"]["record.json"] = sha256(run.record)
    del manifest["sha256"]
    write_json(folder / MANIFEST, {**manifest, "sha256": record_file.digest(manifest)})


@pytest.mark.parametrize("name", ["value", "ci_low", "ci_high"])
def test_a_number_that_does_not_follow_refuses_its_run_alone(runs: list[Path], tmp_path: Path, name: str) -> None:
    write_bundle(runs, tmp_path / "out", discover())
    forged(tmp_path / "out", lambda row: row.update({name: row[name] + 0.01}))
    check_manifest(tmp_path / "out")
    board = read_board([tmp_path / "out"], replicates=100)
    assert {entry.method for entry in board.entries} >= {"dino"}
    assert "msn" not in {entry.method for entry in board.entries}
    (excluded,) = board.excluded
    assert f"{name} " in excluded.reason
    assert excluded.reason.endswith("its numbers do not follow from its predictions")


def test_a_run_of_a_bundle_is_checked_by_itself_too(runs: list[Path], tmp_path: Path) -> None:
    write_bundle(runs, tmp_path / "out", discover())
    shutil.copytree(tmp_path / "out" / "run-1", tmp_path / "alone")
    assert len(rescored(tmp_path / "alone", RunDirectory(tmp_path / "alone").read_record()).metrics) > 0


@pytest.mark.parametrize("change", ["manifest", "record", "predictions", "gone", "added"])
def test_a_changed_bundle_is_refused(runs: list[Path], tmp_path: Path, change: str) -> None:
    out = tmp_path / "out"
    write_bundle(runs, out, discover())
    predictions = sorted(out.glob("run-1/predictions/*/*.parquet"))
    if change == "manifest":
        (out / MANIFEST).write_text((out / MANIFEST).read_text().replace('"msn"', '"byol"'))
    elif change == "record":
        (out / "run-1" / "record.json").write_text((out / "run-1" / "record.json").read_text() + " ")
    elif change == "predictions":
        shutil.copyfile(predictions[0], predictions[1])
    elif change == "gone":
        predictions[0].unlink()
    else:
        (out / "run-1" / "more.json").write_text("{}")
    with pytest.raises(DataError):
        check_manifest(out)
    with pytest.raises(DataError, match="no finished run") as refused:
        read_board([out], replicates=100)
    assert str(refused.value).count("download") == 1


def test_rows_that_cannot_be_computed_again_are_not_shown(runs: list[Path], tmp_path: Path) -> None:
    run = RunDirectory(runs[0])
    record = run.read_record()
    macro = next(row for row in record.metrics if row.label == "macro")
    gap = macro.but(subgroup="sex", metric="auroc_gap", value=0.3)
    run.write_record(record.but(metrics=(*record.metrics, gap)))
    write_bundle([run.path], tmp_path / "out", discover())
    kept = RunDirectory(tmp_path / "out" / "run-1").read_record()
    assert any(row.metric == "auroc_gap" for row in kept.metrics)
    assert not any(row.metric == "auroc_gap" for row in rescored(tmp_path / "out" / "run-1", kept).metrics)


def test_the_command_writes_and_refuses(runs: list[Path], sslbench: Any, tmp_path: Path) -> None:
    done = sslbench("bundle", *runs, "--out", tmp_path / "out")
    assert done.code == 0, done.err
    manifest = json.loads((tmp_path / "out" / MANIFEST).read_text())
    assert manifest["sha256"] in done.out
    again = sslbench("bundle", *runs, "--out", tmp_path / "out")
    assert again.code == 2
    assert "is not empty; give a new folder" in again.err
    assert sslbench("leaderboard", tmp_path / "out", "--replicates", "100").code == 0


def test_metadata_are_valid_and_hold_no_row(runs: list[Path], sslbench: Any, tmp_path: Path) -> None:
    mlc, crates = pytest.importorskip("mlcroissant"), pytest.importorskip("rocrate.rocrate")
    done = sslbench("bundle", *runs, "--out", tmp_path / "out", "--metadata")
    assert done.code == 0, done.err
    found = mlc.Dataset(jsonld=str(tmp_path / "out" / "croissant-1.json")).metadata
    assert not found.issues.errors
    assert found.name == "toy"
    columns = {field.name for field in found.record_sets[0].fields}
    assert columns == {"image_id", "patient_id", "study_id", "split", "Edema", "Mass_50%"}
    assert "i11" not in (tmp_path / "out" / "croissant-1.json").read_text()
    crate = crates.ROCrate(str(tmp_path / "out"))
    actions = [one for one in crate.get_entities() if one.type == "CreateAction"]
    assert [one["name"] for one in actions] == ["msn, seed 0", "dino, seed 0"]
    for part in json.loads((tmp_path / "out" / "ro-crate-metadata.json").read_text())["@graph"]:
        if part["@type"] == "File":
            assert sha256(tmp_path / "out" / part["@id"]) == part["sha256"]
    check_manifest(tmp_path / "out")
