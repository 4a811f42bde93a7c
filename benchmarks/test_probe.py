"""14 labels x 10 strengths of logistic regression: ``fit_logistic`` against scikit-learn, a fit for each.

Baseline: ``LogisticRegression(C=strength, max_iter=1000)`` with its default lbfgs and tolerance, float64. Each side
runs in the faster of two ways on this machine: one process or one per core (joblib); one thread or one per core.
"""

from __future__ import annotations

import os
from functools import partial

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.linear_model import LogisticRegression

from benchmarks.interleave import interleave
from ssl_bench.evaluate.probe import fit_logistic
from ssl_bench.numbers import counted

IMAGES, WIDTH, LABELS, ROUNDS = 10_000, 384, 14, 3
STRENGTHS = np.geomspace(1e-5, 10, 10).tolist()
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def embeddings() -> tuple[np.ndarray, np.ndarray]:
    """Standardised correlated features (N, D) and labels (N, L) of 2 to 40 % prevalence."""
    rng = np.random.default_rng(0)
    mixing = np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0] / np.sqrt(np.arange(1, WIDTH + 1))[:, None]
    features = rng.normal(size=(IMAGES, WIDTH)) @ mixing
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    logits = features @ rng.normal(size=(WIDTH, LABELS))
    logits = 1.5 * logits / logits.std(axis=0) + rng.logistic(size=logits.shape)
    return features, (logits > np.quantile(logits, 1 - np.geomspace(0.02, 0.4, LABELS), axis=0).diagonal()).astype(
        float
    )


def fit(features: np.ndarray, labels: np.ndarray, strength: float) -> np.ndarray:
    """Weights and bias (D + 1,) of one head."""
    head = LogisticRegression(C=strength, max_iter=1000).fit(features, labels)
    return np.append(head.coef_[0], head.intercept_[0])


def objective(features: np.ndarray, labels: np.ndarray, heads: np.ndarray) -> np.ndarray:
    """C * sum(log loss) + |w|^2 / 2 of heads (S, L, D + 1)."""
    logits = np.einsum("nd,sld->snl", features, heads[..., :-1]) + heads[:, None, :, -1]
    loss = (np.logaddexp(0, logits) - labels * logits).sum(axis=1)
    return np.array(STRENGTHS)[:, None] * loss + (heads[..., :-1] ** 2).sum(axis=-1) / 2


def test_fit_logistic(benchmark, report):
    features, labels = embeddings()
    tensors = torch.tensor(features, dtype=torch.float32), torch.tensor(labels)
    found = {}

    def one_by_one(processes, strengths=STRENGTHS):
        jobs = (delayed(fit)(features, column, strength) for strength in strengths for column in labels.T)
        found["scikit-learn"] = np.array(Parallel(processes)(jobs)).reshape(len(strengths), LABELS, WIDTH + 1)

    def together(threads):
        torch.set_num_threads(threads)
        weights, bias = fit_logistic(*tensors, STRENGTHS)
        found["sslbench"] = torch.cat([weights, bias[..., None]], dim=-1).double().numpy()

    some, usual = STRENGTHS[2:5], torch.get_num_threads()
    ways = {f"{n} process(es)": partial(one_by_one, n, some) for n in (1, CORES)}
    trial = interleave({**ways, **{f"{n} thread(s)": partial(together, n) for n in (1, CORES)}}, 1)
    processes = min((1, CORES), key=lambda n: trial[f"{n} process(es)"])
    threads = min((1, CORES), key=lambda n: trial[f"{n} thread(s)"])
    sides = {"sslbench": partial(together, threads), "scikit-learn": partial(one_by_one, processes)}
    times = interleave(sides, ROUNDS, warm_up=0)  # a round is too long to throw away, and the trial has warmed both
    ours, theirs = (objective(features, labels, found[name]) for name in ("sslbench", "scikit-learn"))
    excess = (theirs / ours - 1).max()
    case = f"linear probe, {LABELS} labels x {len(STRENGTHS)} strengths, {IMAGES:,} x {WIDTH}"
    report.ratio(case, times, "sslbench", "scikit-learn", at_least=20)
    sides = counted(threads, "thread"), counted(processes, "process", "processes")
    above = f"scikit-learn's objective is up to {excess:.1e} (relative) above ours"
    report.note(f"linear probe: {sides[0]} of sslbench, {sides[1]} of scikit-learn; {above}.")
    assert (ours <= theirs * (1 + 1e-4)).all()
    benchmark.pedantic(together, (threads,), rounds=3)
    torch.set_num_threads(usual)
