"""The run directory: append-only, one writer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from ssl_bench.errors import DataError, UsageError
from ssl_bench.results.record import SCHEMA, Record
from ssl_bench.results.rundir import RunDirectory, new_run_path


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path / "runs" / "one")
    directory.path.mkdir(parents=True)
    return directory


def test_a_new_run_needs_a_free_folder(run: RunDirectory) -> None:
    run.check()
    RunDirectory(run.path / "absent").check()
    (run.path / ".lock").touch()
    run.check()
    (run.path / "notes.txt").touch()
    with pytest.raises(UsageError, match=r"one is not empty; choose another --out"):
        run.check()


def test_a_run_is_not_written_over(run: RunDirectory) -> None:
    run.write_config({"seed": 1})
    with pytest.raises(
        UsageError, match=r"one already holds a run; continue with --resume .*one or choose another --out"
    ):
        run.check()
    run.check(resume=True)


def test_only_an_unfinished_run_is_resumed(run: RunDirectory) -> None:
    with pytest.raises(UsageError, match="holds no run to resume"):
        run.check(resume=True)
    run.write_config({"seed": 1})
    run.write_record(Record.model_validate({"metrics": []}))
    with pytest.raises(UsageError, match="holds a finished run; there is nothing to resume"):
        run.check(resume=True)


def test_a_file_is_no_run_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="file is a file, a run needs a folder"):
        RunDirectory(tmp_path / "file").check()
    with (
        pytest.raises(UsageError, match="cannot be made: Not a directory"),
        RunDirectory(tmp_path / "file" / "run").claimed(),
    ):
        pass


def test_fault_20_two_runs_do_not_share_a_folder(run: RunDirectory) -> None:
    with run.claimed(), pytest.raises(DataError, match=r"one is in use by .* pid"), RunDirectory(run.path).claimed():
        pass
    with run.claimed():
        pass


def test_claiming_makes_the_folder_and_checks_it_under_the_lock(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "a" / "b")
    with run.claimed():
        assert run.path.is_dir()
        run.write_config({"seed": 1})
    with pytest.raises(UsageError, match="already holds a run"), run.claimed():
        pass
    with run.claimed(resume=True):
        pass


def test_the_configuration_keeps_its_order(run: RunDirectory) -> None:
    run.write_config({"seed": 1, "data": {"name": "nih14", "root": None}})
    assert run.config.read_text() == "seed: 1\ndata:\n  name: nih14\n  root: null\n"
    assert yaml.safe_load(run.config.read_text())["data"]["name"] == "nih14"


def test_fault_18_a_torn_log_line_is_dropped_on_resume(run: RunDirectory) -> None:
    run.forget_log_after(3)
    assert not run.log.exists()
    for step in range(1, 6):
        run.append_log({"step": step, "loss": 1 / step})
    with run.log.open("a") as log:
        log.write('{"step": 6, "lo')
    run.forget_log_after(3)
    assert [json.loads(line)["step"] for line in run.log.read_text().splitlines()] == [1, 2, 3]
    run.append_log({"step": 4})
    assert len(run.log.read_text().splitlines()) == 4


def test_embeddings_come_back_as_they_were(run: RunDirectory) -> None:
    arrays = {"image_id": np.array(["007", "NA"]), "embeddings": np.arange(6, dtype=np.float32).reshape(2, 3)}
    path = run.write_embeddings("trained", "nih14-test", arrays)
    assert path.relative_to(run.path).as_posix() == "embeddings/trained/nih14-test.npz"
    with np.load(path, allow_pickle=False) as kept:
        assert set(kept.files) == set(arrays)
        assert all((kept[name] == array).all() for name, array in arrays.items())


def test_predictions_are_keyed_by_their_settings(run: RunDirectory) -> None:
    frame = pd.DataFrame({"image_id": ["007", "NA"], "p_Mass": [0.25, 0.75]})
    first = run.write_predictions("trained", "nih14-test-linear", {"draw": 0}, frame)
    again = run.write_predictions("trained", "nih14-test-linear", {"draw": 0}, frame)
    other = run.write_predictions("trained", "nih14-test-linear", {"draw": 1}, frame)
    assert first == again != other
    assert first.relative_to(run.path).as_posix().startswith("predictions/trained/nih14-test-linear-")
    pd.testing.assert_frame_equal(pd.read_parquet(first), frame, check_dtype=False)


def test_the_record_and_its_rows(run: RunDirectory) -> None:
    run.write_config({"seed": 1})
    values = {"macro": 0.5, "Mass": None}
    rows = [{"label": label, "metric": "auroc", "value": value} for label, value in values.items()]
    record = {"schema": SCHEMA, "metrics": rows}
    run.write_record(Record.model_validate(record))
    found = run.read_record().as_json()
    assert set(found.pop("files")) == {"config.yaml", "metrics.csv"}
    assert found == {**record, "metrics": tuple(rows)}
    rows = pd.read_csv(run.path / "metrics.csv")
    assert rows["label"].tolist() == ["macro", "Mass"]
    assert rows["value"].isna().tolist() == [False, True]


def test_a_record_that_is_not_there_or_damaged_is_refused(run: RunDirectory) -> None:
    with pytest.raises(UsageError, match="holds no run"):
        run.read_record()
    run.write_config({"seed": 1})
    with pytest.raises(UsageError, match="holds no finished run"):
        run.read_record()
    run.record.write_text('{"schema": 1, "met')
    with pytest.raises(DataError, match=r"record\.json is damaged .*; restore it, or run again"):
        run.read_record()
    run.record.write_text('{"schema": 0}')
    with pytest.raises(UsageError, match=f"has schema 0, this version reads schema {SCHEMA}"):
        run.read_record()


def test_fault_18_temporary_files_of_a_killed_run_are_cleared(run: RunDirectory) -> None:
    (run.path / "encoder").mkdir()
    run.write_config({"seed": 1})
    (run.path / "encoder" / ".model.safetensors.99.tmp").touch()
    with run.claimed(resume=True):
        assert not list(run.path.rglob("*.tmp"))


def test_a_record_holds_no_nan(run: RunDirectory) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        run.write_record(Record.model_validate({"metrics": [{"label": "a", "metric": "b", "value": float("nan")}]}))
    assert not run.record.exists()


def test_new_runs_are_numbered(tmp_path: Path) -> None:
    names = []
    for _ in range(3):
        path = new_run_path(tmp_path, "msn-nih14-seed0")
        path.mkdir()
        names.append(path.name)
    assert names == ["msn-nih14-seed0", "msn-nih14-seed0-2", "msn-nih14-seed0-3"]
