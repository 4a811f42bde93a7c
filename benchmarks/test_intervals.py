"""1,000 resamples of AUROC and AUPRC, 14 labels: ``bootstrap`` against pandas + scikit-learn for every replicate.

Baseline: ``DataFrame.sample(n, replace=True)``, then ``roc_auc_score`` and ``average_precision_score`` of each label,
in one process as ours; a few replicates are timed and scaled to 1,000, for they cost the same each.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks.interleave import interleave
from ssl_bench.stats.bootstrap import bootstrap

LABELS, REPLICATES, TIMED, ROUNDS = 14, 1000, 10, 5


def predictions(images: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels of 2 to 40 % prevalence and scores without ties, (N, 14) each."""
    rng = np.random.default_rng(0)
    labels = (rng.random((images, LABELS)) < np.geomspace(0.02, 0.4, LABELS)).astype(np.float64)
    return labels, rng.normal(size=labels.shape) + labels


def scikit_learn(frame: pd.DataFrame) -> np.ndarray:
    """Both metrics on each of a few replicates, (TIMED, 2, 14)."""
    result = np.empty((TIMED, 2, LABELS))
    for r in range(TIMED):
        drawn = frame.sample(len(frame), replace=True, random_state=r)
        for k in range(LABELS):
            result[r, 0, k] = roc_auc_score(drawn[f"y_{k}"], drawn[f"p_{k}"])
            result[r, 1, k] = average_precision_score(drawn[f"y_{k}"], drawn[f"p_{k}"])
    return result


@pytest.mark.parametrize("images", [3000, 25_000])
def test_bootstrap(benchmark, report, images):
    labels, scores = predictions(images)
    frame = pd.DataFrame(labels, columns=[f"y_{k}" for k in range(LABELS)]).join(
        pd.DataFrame(scores, columns=[f"p_{k}" for k in range(LABELS)])
    )
    times = interleave(
        {
            "sslbench": lambda: bootstrap(labels, scores, replicates=REPLICATES),
            "pandas + scikit-learn": lambda: scikit_learn(frame),
        },
        ROUNDS,
    )
    times["pandas + scikit-learn"] = [t * REPLICATES / TIMED for t in times["pandas + scikit-learn"]]
    case = f"{REPLICATES:,} resamples, {LABELS} labels, both metrics, {images:,} images"
    report.ratio(case, times, "sslbench", "pandas + scikit-learn", at_least=150)
    ours, theirs = bootstrap(labels, scores, replicates=200)[0], scikit_learn(frame)[:, 0]
    assert np.allclose(ours.mean(axis=0), theirs.mean(axis=0), atol=0.02)  # the same quantity
    benchmark.pedantic(bootstrap, (labels, scores), rounds=3)


def test_bootstrap_grows_in_proportion(report):
    labels, scores = predictions(6000)
    by_replicates = {n: lambda n=n: bootstrap(labels, scores, replicates=n) for n in (500, 1000, 2000)}
    report.growth("intervals, by resamples", interleave(by_replicates, ROUNDS))
    by_images = {n: lambda n=n: bootstrap(labels[:n], scores[:n], replicates=REPLICATES) for n in (1500, 3000, 6000)}
    report.growth("intervals, by images", interleave(by_images, ROUNDS))
