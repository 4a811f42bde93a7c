"""What leaves the machine holds only what is declared: a run whose paths, ids, host and user are marked words."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from ssl_bench.config.config import load
from ssl_bench.plugin.contracts import Predictions, Split
from ssl_bench.plugin.notes import Note
from ssl_bench.results.record import MetricRow, Record
from ssl_bench.results.rows import Origin, Scored, metric_rows
from ssl_bench.results.rundir import RunDirectory
from ssl_bench.results.shared import share, share_config, share_row

MARK = "zzmark"
"""Every word that must not leave holds it."""


def cohort(root: Path, *, first: int = 0, images: int = 60) -> Path:
    """A table with marked folders, files, ids and column map; its first image is unreadable."""
    rng = np.random.default_rng(first)
    films = root / f"{MARK}films"
    films.mkdir(parents=True)
    rows = []
    for number in range(first, first + images):
        name = f"{MARK}img{number}"
        Image.fromarray(rng.integers(0, 255, (40, 40), dtype=np.uint8)).save(films / f"{name}.png")
        split = ("train", "train", "train", "validate", "test", "test")[number % 6]
        rows.append((name, f"{MARK}pat{number}", f"{films.name}/{name}.png", split, int(rng.integers(30, 80)),
                     "FM"[number % 2], int(rng.random() < 0.5), int(rng.random() < 0.5)))  # fmt: skip
    (films / f"{MARK}img{first}.png").write_bytes(b"torn")
    columns = ["id", "patient", "path", "split", "age", "sex", "Edema", "Mass"]
    pd.DataFrame(rows, columns=columns).to_csv(root / f"{MARK}table.csv", index=False)
    path = root / f"{MARK}map.yaml"
    path.write_text(yaml.safe_dump({
        "table": f"{MARK}table.csv", "image_path": "path", "image_id": "id", "patient_id": "patient", "split": "split",
        "features": {"age": "age", "sex": "sex"}, "labels": ["Edema", "Mass"],
    }))  # fmt: skip
    return path


@pytest.fixture
def marked(sslbench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two finished runs that differ in a folder alone, on marked data and tested on marked data."""
    monkeypatch.setattr("ssl_bench.api.start.report_or_warn", lambda directory, terminal: None)
    monkeypatch.setattr(socket, "gethostname", lambda: f"{MARK}host")
    monkeypatch.setattr("platform.node", lambda: f"{MARK}host")
    monkeypatch.setattr("platform.platform", lambda *_: f"Linux-6.1-{MARK}kernel")
    for name in ("USER", "LOGNAME", "HOSTNAME"):
        monkeypatch.setenv(name, f"{MARK}user")
    home = tmp_path / f"{MARK}home"
    other = cohort(home / "other", first=502)
    away = {"name": "table", "root": str(home / "other"), "called": "away", "mode": "head",
            "options": {"columns": str(other)}}  # fmt: skip
    for number in (1, 2):
        root = home / f"data{number}"
        columns = cohort(root)
        answer = sslbench(
            "run", "--preset", "smoke", "--method", "random", "--data", "table", "--root", root, "--columns", columns,
            "--on-bad", "quarantine", "--set", "data.bad_limit=0.1", "--eval", "linear", "--set",
            "evaluate.replicates=100", "--set", f"evaluate.test_on=[{json.dumps(away)}]", "--set",
            "backbone.options={embed_dim: 16, depth: 1, num_heads: 2}", "--seed", number, "--cache", home / "cache",
            "--out", home / "runs" / f"{MARK}run{number}",
        )  # fmt: skip
        assert answer.code == 0, answer.err
    return home / "runs"


def texts(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path.read_bytes().decode("utf-8", errors="replace")


def test_fault_34_no_output_holds_a_path_an_id_a_host_or_a_user(sslbench: Any, marked: Path, tmp_path: Path) -> None:
    runs = sorted(marked.iterdir())
    out = tmp_path / "out"
    answers = [
        sslbench("export", runs[0], out / "export"),
        sslbench("leaderboard", *runs, "--replicates", 100, "--html", out / "page.html"),
        sslbench("report", runs[0], "--share", out / "report"),
        sslbench("bundle", *runs, "--out", out / "bundle"),
        sslbench("checklist", *runs, "--out", out / "claim.md"),
        *(sslbench("tables", *runs, "--replicates", 100, "--per-label", "--format", form, "--out", out / f"t.{form}")
          for form in ("markdown", "latex", "csv")),
    ]  # fmt: skip
    assert [answer.code for answer in answers] == [0] * 8, [answer.err for answer in answers]
    found = dict(texts(out))
    assert {"export/README.md", "export/record.json", "export/config.yaml", "page.html", "report/report.html",
            "report/report.md", "bundle/run-1/record.json", "bundle/bundle.json", "claim.md", "t.markdown", "t.latex",
            "t.csv"} <= set(found)  # fmt: skip
    assert [name for name, text in found.items() if MARK in text or str(tmp_path) in text] == []
    assert any(MARK in text for _, text in texts(marked))  # it is there to leak
    shared = json.loads(found["export/record.json"])
    assert shared["data"]["rejected"] == {"images": 1}
    assert [part["rejected"] for part in shared["external"]] == [{"images": 1}]
    notes = [note["text"] for note in shared["notes"]]
    assert any(text.startswith("1 of 60 images cannot be read and were left out") for text in notes)
    assert any(text.startswith("1 of 20 images of away cannot be read and were left out") for text in notes)
    local = RunDirectory(runs[0]).read_record()
    assert any(f"{MARK}img0" in note for note in local.notes)
    assert len(local.notes) == len(shared["notes"])
    assert "images cannot be read and were left out" in found["export/README.md"]


def test_fault_34_what_is_exported_can_be_run(marked: Path, sslbench: Any, tmp_path: Path) -> None:
    assert sslbench("export", marked / f"{MARK}run1", tmp_path / "export").code == 0
    config = load({}, file=tmp_path / "export/config.yaml")
    assert (config.data.name, config.data.root, config.seed) == ("table", None, 1)
    assert config.evaluate.options["linear"]["strengths"]
    assert config.backbone.options == {"embed_dim": 16, "depth": 1, "num_heads": 2}


def test_fault_34_a_numeric_image_id_deletes_no_note() -> None:
    withheld = Note("ehr-dropout", "50% of the EHR values were withheld in training, at random", numbers={"share": 0.5})
    left = Note("left-out", "1 of 9 images cannot be read and were left out (1 of train)", details=("5",))
    record = {"notes": [withheld, left], "data": {"name": "toy", "rejected": {"5": "torn"}}, "metrics": []}
    assert share(Record.model_validate(record)).notes == (withheld, left.text)


def test_fault_34_what_nobody_declared_stays() -> None:
    row = {"label": "Mass", "value": 0.5, "secret": MARK, "settings": {"strength": 1.0, "file": MARK},
           "note": f"see /home/{MARK}"}  # fmt: skip
    record = {
        "metrics": [row], "comparisons": [row], "host": MARK, "files": {MARK: "0"}, "probed": MARK,
        "environment": {"python": "3.12", "host": MARK, "platform": f"Linux-6-{MARK}"},
        "pretraining": {"steps": 3, "changes": [MARK]},
        "data": {"name": "toy", "where": MARK, "rejected": {MARK: "torn"}},
        "external": [{"name": "away", "rejected": {MARK: "torn"}, "dataset": "table", "options": {"columns": MARK}}],
        "options": {"dataset": {"table": {"columns": MARK}, "gone": {"path": MARK, "size": 3}},
                    "method": {"msn": {"prototypes": 8}}},
        "config": {"data": {"name": "table", "root": MARK, "options": {"columns": MARK}, "follow_links": [MARK]},
                   "backbone": {"name": "vit-tiny", "init": MARK}, "loggers": [{"name": "wandb", "entity": MARK}],
                   "seed": 3},
    }  # fmt: skip
    shared = json.loads(json.dumps(share(Record.model_validate(record)).as_json()))
    assert MARK not in json.dumps(shared)
    assert shared["options"] == {"dataset": {"table": {}, "gone": {"size": 3}}, "method": {"msn": {"prototypes": 8}}}
    assert shared["metrics"][0] == {"label": "Mass", "value": 0.5, "settings": {"strength": 1.0}, "note": ""}


@pytest.mark.parametrize("preset", ["smoke", "demo", "paper"])
def test_fault_34_the_configuration_that_is_shared_says_all_but_folders(preset: str) -> None:
    config = load({"method": "msn-ehr", "seed": 4}, name=preset)
    shared = load({}, file=None, name=preset).model_validate(share_config(config.model_dump(mode="json")))
    assert shared == config


def test_fault_34_counts_chance_and_threshold_of_a_row_are_shared() -> None:
    origin = Origin("trained", "toy", "toy", "linear", 0)
    rows = np.arange(20)
    truth = (rows[:, None] % 2).astype(np.float32)
    split = Split("test", rows.astype(str), rows.astype(str), np.zeros((20, 2), np.float32), truth, rows)
    scores = np.linspace(0, 1, 20)[:, None]
    for row in metric_rows(Scored(origin, split, Predictions("test", scores)), ("Mass",), 100):
        told = MetricRow.model_validate(row.as_json() | {"threshold": 0.5, "unit": "images", "n_studies": 20})
        assert share_row(told) == told


def test_fault_34_an_encoder_and_baselines_are_shared_without_their_folders() -> None:
    home = f"/home/{MARK}"
    config = {
        "backbone": {"encoder": {"name": "hf", "path": f"{home}/dino", "image_size": 224, "pooling": "class+mean",
                                 "normalise": "0.5,0.25", "cache": home}},
        "evaluate": {"protocols": ["linear"], "metrics": ["f1"], "metric_options": {"gone": {"at": 0.9, "file": home}},
                     "baselines": [{"name": "random"}, {"name": "pixels", "components": 8, "file": home}]},
    }  # fmt: skip
    shared = share_config(config)
    assert MARK not in json.dumps(shared)
    assert shared["backbone"]["encoder"] == {
        "name": "hf", "image_size": 224, "pooling": "class+mean", "normalise": "0.5,0.25"
    }  # fmt: skip
    assert shared["evaluate"]["metrics"] == ["f1"]
    assert shared["evaluate"]["metric_options"] == {"gone": {"at": 0.9}}
    assert shared["evaluate"]["baselines"] == [{"name": "random"}, {"name": "pixels", "components": 8}]


def test_fault_34_whose_rates_these_are_is_shared_and_an_address_among_them_is_no_folder() -> None:
    told = "rate: github.com/facebookresearch/dino, 0.0005 x (64/256); decay: github.com/facebookresearch/dino"
    assert share(Record(rates_from=told, metrics=())).rates_from == told
    assert share(Record(rates_from=f"rate: of /home/{MARK}/x", metrics=())).rates_from is None


def test_where_weights_of_others_lie_is_of_this_machine() -> None:
    config = {"backbone": {"name": "vit-tiny", "encoder": {"name": "hf", "path": f"/home/{MARK}/w", "model": MARK}}}
    assert share_config(config) == {"backbone": {"name": "vit-tiny", "encoder": {"name": "hf"}}}
    card = {"name": "hf", "file": f"{MARK}.pth", "sha256": "ab"}
    stated = {"complete": True, "datasets": [{"name": "nih14", "images": 3}]}
    record = {"encoder": card, "trained_on": stated, "config": config, "metrics": []}
    shared = json.loads(json.dumps(share(Record.model_validate(record)).as_json()))
    assert MARK not in json.dumps(shared)
    assert shared["trained_on"] == stated
