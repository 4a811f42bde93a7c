"""A small finished run, written with the code that writes real ones but without training."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ssl_bench.plugin.contracts import MetricValue, Predictions, Split
from ssl_bench.plugin.registry import discover
from ssl_bench.report.report import write_report
from ssl_bench.results.record import SCHEMA, Comparison, MetricRow, Record
from ssl_bench.results.rows import Origin, Scored, difference_rows, metric_rows, plain_row
from ssl_bench.results.rundir import RunDirectory
from ssl_bench.results.subgroups import subgroup_rows
from ssl_bench.stats.measures import gauges

PICTURES = (
    "forest-linear",
    "forest-auprc-linear",
    "roc-linear",
    "pr-linear",
    "training",
    "map-findings",
    "map-features",
)
"""Of the report of the run."""

Make = Callable[..., RunDirectory]
"""Type of the fixture ``make_run``."""

LABELS = ("Effusion", "Mass|Nodule", "Hernia", "Pneumothorax")
"""Enough patients; enough, and a name that Markdown must not split; too few for an interval; none."""

PATIENTS, IMAGES = 30, 60


def cohort() -> pd.DataFrame:
    """Two images of each patient; three positive patients with Hernia, none with Pneumothorax."""
    rng = np.random.default_rng(1)
    patient = np.repeat(np.arange(PATIENTS), 2)
    frame = pd.DataFrame({
        "image_id": [f"i{number:03}" for number in range(IMAGES)],
        "patient_id": [f"p{number}" for number in patient],
        "study_id": [f"s{number}" for number in patient],
        "split": "test",
        "age": rng.uniform(20, 90, IMAGES).round(),
        "sex": rng.choice(["F", "M"], IMAGES),
        "view": rng.choice(["AP", "PA"], IMAGES),
        "Effusion": (rng.random(IMAGES) < 0.4).astype(float),
        "Mass|Nodule": (rng.random(IMAGES) < 0.3).astype(float),
        "Hernia": np.isin(patient, (3, 4, 5)).astype(float),
        "Pneumothorax": 0.0,
    })  # fmt: skip
    frame.loc[0, ["age", "sex"]] = None
    frame.loc[1, "Effusion"] = None
    return frame


def log_lines(steps: int = 12) -> list[dict[str, float]]:
    """A training log as the loop writes it."""
    return [
        {
            "step": step, "epoch": step / 6, "loss": 5 / step, "cross_entropy": 4 / step, "me_max": 1 / step,
            "grad_norm": 40 / step, "lr": 1e-3 * step / steps, "weight_decay": 0.04, "momentum": 0.99 + 1e-4 * step,
            "embedding_std": 0.9, "effective_rank": 12.0 - 0.1 * step, "prototype_entropy": 0.8,
            "images_per_second": 200.0,
        }
        for step in range(1, steps + 1)
    ]  # fmt: skip


def predictions(frame: pd.DataFrame, scores: np.ndarray) -> pd.DataFrame:
    """Identifiers, ``y_<label>`` and ``p_<label>``."""
    truth = frame[list(LABELS)].add_prefix("y_")
    scored = pd.DataFrame(scores, columns=[f"p_{label}" for label in LABELS])
    return frame[["image_id", "patient_id"]].join(truth).join(scored)


def finished_run(path: Path, *, synthetic: bool = True, protocols: tuple[str, ...] = ("linear",)) -> RunDirectory:
    """Write a finished run with two encoders, whose scores are of unknown kind."""
    run, frame = RunDirectory(path), cohort()
    path.mkdir()
    rng = np.random.default_rng(0)
    ids = {name: frame[f"{name}_id"].to_numpy(dtype=str) for name in ("image", "patient")}
    labels = frame[list(LABELS)].to_numpy(np.float64)
    rows: list[MetricRow] = []
    comparisons: list[Comparison] = []
    for protocol in protocols:
        pair = []
        for encoder, signal in (("trained", 1.0), ("random", 0.3)):
            features = rng.normal(size=(IMAGES, 8)).astype(np.float32)
            run.write_embeddings(encoder, "tiny-test", {"image_id": ids["image"], "embeddings": features})
            scores = 1 / (1 + np.exp(-(np.nan_to_num(labels) * signal + rng.normal(size=labels.shape))))
            split = Split("test", ids["image"], ids["patient"], features, labels, np.arange(IMAGES))
            settings = {"strength": signal}
            scored = Scored(
                Origin(encoder, "tiny", "tiny", protocol, 0), split, Predictions("test", scores, settings=settings)
            )
            rest = {"settings": settings, "fraction": 1.0, "draw": 0}
            run.write_predictions(encoder, f"tiny-test-{protocol}", rest, predictions(frame, scores))
            rows += metric_rows(scored, LABELS, 100)
            pair.append(scored)
        comparisons += difference_rows(*pair, LABELS, 100)
    run.write_cohort(frame)
    run.write_config({"seed": 0})
    run.log.write_text("".join(json.dumps(entry) + "\n" for entry in log_lines()))
    run.write_record(Record.model_validate({**description(synthetic), "metrics": rows, "comparisons": comparisons}))
    return run


def widened(run: RunDirectory) -> RunDirectory:
    """The run with what else a record may hold: calibration, subgroups, two shares of labels, a leakage probe."""
    record, frame = run.read_record(), cohort()
    rows = list(record.metrics)
    ids = {name: frame[f"{name}_id"].to_numpy(dtype=str) for name in ("image", "patient")}
    labels = frame[list(LABELS)].to_numpy(np.float64)
    sex = frame["sex"].astype(object).where(frame["sex"].notna(), None).to_numpy()
    for encoder, strength in (("trained", 1.0), ("random", 0.3)):
        kept = pd.read_parquet(run.predictions(encoder, "tiny-test-linear", {
            "settings": {"strength": strength}, "fraction": 1.0, "draw": 0}))  # fmt: skip
        scores = kept[[f"p_{label}" for label in LABELS]].to_numpy()
        split = Split("test", ids["image"], ids["patient"], np.zeros((IMAGES, 1)), labels, np.arange(IMAGES),
                      {"sex": sex})  # fmt: skip
        given = Predictions("test", scores, probabilities=True, settings={"strength": strength})
        scored = Scored(Origin(encoder, "tiny", "tiny", "linear", 0), split, given)
        measured = metric_rows(scored, LABELS, 100, gauges(discover(), ("brier", "ece")))
        rows += [row for row in measured if row.metric in ("brier", "ece")]
        rows += subgroup_rows(scored, LABELS, 100)
        for draw in range(2):
            less = replace(scored, predictions=replace(given, scores=scores**2 + 0.01 * draw, fraction=0.1, draw=draw))
            rows += metric_rows(less, LABELS, 100)
        probe = Origin(encoder, "tiny", "tiny", "leakage", 0)
        rows.append(plain_row(probe, split, MetricValue("test", "sex=F", "auroc", 0.7, "", 0.6, 0.8)))
    run.write_record(record.but(metrics=tuple(rows)))
    return run


def description(synthetic: bool) -> dict[str, Any]:
    """What a record says besides its rows."""
    pretrain = {"epochs": 2, "batch_size": 8, "lr": 1e-3, "log_every": 1}
    return {
        "schema": SCHEMA, "synthetic": synthetic, "method": "msn-ehr", "fusion": "concat", "features": ["age", "sex"],
        "notes": ["data are synthetic: these numbers say nothing about patients"] if synthetic else [],
        "ehr_columns": ["age", "sex=M", "sex=F"], "ehr_fills": {}, "recipe": "reference",
        "options": {"method": {"msn-ehr": {"prototypes": 32}}, "evaluator": {"linear": {"strengths": [0.1, 1.0]}}},
        "config": {
            "seed": 0, "data": {"labels": "native", "uncertain": "zeros", "blank": "zeros"}, "pretrain": pretrain,
            "backbone": {"name": "vit-micro", "image_size": 32, "options": {}},
            "evaluate": {"protocols": ["linear"], "replicates": 100},
        },
        "components": [{"kind": "method", "name": "msn-ehr", "distribution": "sslbench", "version": "9.8.7"}],
        "data": {
            "name": "tiny", "fingerprint": "f1n6e9", "splits_sha256": "5917", "official_split": False,
            "splits": {"test": {"images": IMAGES, "patients": PATIENTS}}, "labels": list(LABELS), "counts": {},
            "rejected": {"i999": "truncated file"},
        },
        "environment": {"packages": {"torch": "2.11.0", "lightly": None}, "python": "3.12.1", "platform": "Linux",
                        "processor": "CPU", "cores": 2, "threads": 2, "gpu": None, "git_commit": None},
        "pretraining": {"steps": 12, "images_seen": 96, "crops_seen": 384, "seconds": 3.0, "images_per_second": 32.0,
                        "precision": "32-true", "device": "cpu", "resumed_at": 0, "final": log_lines()[-1]},
        "seconds": {"prepare": 1.0, "evaluate": 1.0, "total": 5.0},
    }  # fmt: skip


@pytest.fixture(scope="session")
def make_run() -> Callable[..., RunDirectory]:
    """``make_run(path, synthetic=True, protocols=("linear",))``: a finished run without a report."""
    return finished_run


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run with its report, which tests only read."""
    run = finished_run(tmp_path_factory.mktemp("reported") / "run")
    assert write_report(run).left_out == []
    return run


@pytest.fixture(scope="session")
def wide(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run with calibration, subgroups, two shares of labels and a leakage probe, and its report; only to read."""
    run = widened(finished_run(tmp_path_factory.mktemp("wide") / "run"))
    assert write_report(run).left_out == []
    return run


@pytest.fixture
def copied(reported: RunDirectory, tmp_path: Path) -> RunDirectory:
    """A copy of the run with its report, to change."""
    return RunDirectory(Path(shutil.copytree(reported.path, tmp_path / "copied")))
