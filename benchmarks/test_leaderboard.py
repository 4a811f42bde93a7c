"""A leaderboard of many runs: seconds of computing, and how they grow with the number of runs.

Generated folders: configurations of five seeds each, two protocols, the trained and the random encoder, six findings on
400 test images of 200 patients, both held-out splits on the record. The page is written too, without its maps.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ssl_bench.report.leaderboard import read_board
from ssl_bench.report.page.page import write_page
from ssl_bench.results.record import SCHEMA, Record
from ssl_bench.results.row import MetricRow
from ssl_bench.results.rundir import RunDirectory, prediction_file
from ssl_bench.stats.bootstrap import point

LABELS = tuple(f"Finding {number}" for number in range(6))
IMAGES, SEEDS, PROTOCOLS = 400, 5, ("linear", "knn")
SIZES = (25, 50, 100, 200)


def write_runs(folder: Path, runs: int) -> Path:
    """Finished runs whose records and predictions fit each other; intervals are those of no resamples."""
    rng = np.random.default_rng(0)
    truth = (rng.random((IMAGES, len(LABELS))) < np.geomspace(0.1, 0.4, len(LABELS))).astype(float)
    ids = [f"image-{number:05}" for number in range(IMAGES)]
    patients = [f"patient-{number // 2:05}" for number in range(IMAGES)]
    for number in range(runs):
        _write(folder / f"run-{number:05}", number // SEEDS, number % SEEDS, truth, ids, patients)
    return folder


def _write(path: Path, configuration: int, seed: int, truth: Any, ids: list[str], patients: list[str]) -> None:
    run = RunDirectory(path)
    path.mkdir(parents=True)
    rows: list[dict[str, Any]] = []
    for protocol in PROTOCOLS:
        for encoder, key in (("trained", [1 + configuration, seed]), ("random", [0, seed])):
            noise = np.random.default_rng([*key, len(protocol)]).normal(size=truth.shape)
            scores = (0.5 + 0.01 * (configuration % 40)) * (encoder == "trained") * truth + 0.3 * truth + noise
            rest = {"settings": {"strength": 1.0}, "fraction": 1.0, "draw": 0}
            for split in ("validate", "test"):
                same = {"encoder": encoder, "dataset": "toy", "fitted_on": "toy", "split": split, "protocol": protocol,
                        "subgroup": "all", "seed": seed, **rest}  # fmt: skip
                rows += _rows(same, truth, scores)
            frame = pd.DataFrame({"image_id": ids, "patient_id": patients})
            truths = pd.DataFrame(truth, columns=[f"y_{label}" for label in LABELS])
            columns = pd.DataFrame(scores, columns=[f"p_{label}" for label in LABELS])
            run.write_predictions(
                encoder,
                *prediction_file(MetricRow.model_validate(rows[-1])),
                pd.concat([frame, truths, columns], axis=1),
            )
    run.write_config({"seed": seed})
    run.write_record(Record.model_validate({
        "schema": SCHEMA, "synthetic": False, "notes": [], "method": f"method-{configuration}", "fusion": None,
        "features": [], "options": {}, "data": {"name": "toy", "labels": list(LABELS)},
        "encoders": {"trained": {"sha256": f"{configuration}-{seed}"}, "random": {"sha256": f"random-{seed}"}},
        "config": {"seed": seed, "method": {"name": f"method-{configuration}"}, "data": {"name": "toy"},
                   "backbone": {"name": "vit-micro"}, "evaluate": {"replicates": 1000}},
        "metrics": rows, "comparisons": [],
    }))  # fmt: skip


def _rows(same: dict[str, Any], truth: Any, scores: Any) -> list[dict[str, Any]]:
    rows = []
    counts = {"n_images": IMAGES, "n_patients": IMAGES // 2, "n_positive": 99, "n_positive_patients": 60, "note": ""}
    for metric, values in zip(("auroc", "auprc"), point(truth, scores), strict=True):
        for label, value in (*zip(LABELS, values.tolist(), strict=True), ("macro", float(values.mean()))):
            ends = dict.fromkeys(("ci_low", "ci_high", "percentile_low", "percentile_high"), value)
            held = {"macro_labels": list(LABELS)} if label == "macro" else {}
            rows.append({**same, "label": label, "metric": metric, "value": value, **ends, **counts, **held})
    return rows


def board_seconds(folder: Path, runs: int, page: Path) -> float:
    """Seconds of computing for the ranking and its page."""
    paths = sorted(folder.iterdir())[:runs]
    began = time.process_time()
    write_page(read_board(paths), page, maps=False)
    return time.process_time() - began


def test_leaderboard_grows_in_proportion(tmp_path: Path, report: Any) -> None:
    folder = write_runs(tmp_path / "runs", SIZES[-1])
    seconds = {runs: [board_seconds(folder, runs, tmp_path / "board.html") for _ in range(2)] for runs in SIZES}
    report.growth("leaderboard, by runs", seconds)
    times = {"ranking and page": seconds[200], "limit": [10.0] * len(seconds[200])}
    report.ratio("leaderboard of 200 runs", times, "ranking and page", "limit", at_least=1)
    assert (tmp_path / "board.html").stat().st_size > 0
