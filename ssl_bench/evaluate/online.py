"""The online probe: what an encoder is worth while it is trained, on validation images. It sees no test image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from ssl_bench.build.prepared import PreparedData
from ssl_bench.evaluate.embed import embed
from ssl_bench.evaluate.neighbours import knn_scores
from ssl_bench.evaluate.probe import fit_logistic, predict_logits, standardiser
from ssl_bench.plugin.contracts import Backbone
from ssl_bench.pretrain.watch import as_evaluated
from ssl_bench.stats.metrics import macro_auroc

MOST = 2000
"""Images of a split that are embedded, evenly spread: a look must cost little beside an epoch."""

STRENGTHS = (0.01, 0.1)
"""Inverse penalties of the linear head; the better one counts, so the number flatters a little: it is for curves."""

NEIGHBOURS = 20

Probe = Callable[[Backbone], dict[str, float]]


def online_probe(prepared: PreparedData) -> Probe:
    """A function that gives macro AUROC on validation images of heads on an encoder's features of training images.

    Args:
        prepared: prepared images and cohort; splits other than train and validate are not read.
    """
    labels = prepared.cohort.frame[list(prepared.cohort.labels)].to_numpy(dtype=np.float32)
    chosen = {name: _spread(prepared, name) for name in ("train", "validate")}

    def look(encoder: Backbone) -> dict[str, float]:
        with as_evaluated(encoder):
            features = {name: embed(encoder, prepared.source, prepared.rows[rows], prepared.grey)
                        for name, rows in chosen.items()}  # fmt: skip
        return scores(features["train"], labels[chosen["train"]], features["validate"], labels[chosen["validate"]])

    return look


def scores(
    features: npt.NDArray[np.float32],
    labels: npt.NDArray[np.float32],
    unseen: npt.NDArray[np.float32],
    truth: npt.NDArray[np.float32],
) -> dict[str, float]:
    """Macro AUROC ``probe_linear`` and ``probe_knn`` on unseen images.

    Args:
        features: of training images, (N, D).
        labels: of these, (N, L), NaN where unknown.
        unseen: features of validation images, (M, D).
        truth: their labels, (M, L).
    """
    train, known, query = torch.tensor(features), torch.tensor(labels), torch.tensor(unseen)
    mean, deviation = standardiser(train)
    weights, bias = fit_logistic((train - mean) / deviation, known, STRENGTHS)
    both = ((known == 1).any(0) & (known == 0).any(0)).numpy()
    logits = predict_logits((query - mean) / deviation, weights, bias).numpy()
    near = knn_scores(train, known, query, [min(NEIGHBOURS, len(train))])[0].numpy()
    found = {
        "probe_linear": max(macro_auroc(truth[:, both], one[:, both]) for one in logits),
        "probe_knn": macro_auroc(truth[:, both], near[:, both]),
    }
    return {name: value for name, value in found.items() if np.isfinite(value)}


def _spread(prepared: PreparedData, split: str) -> npt.NDArray[np.int64]:
    """Rows of the cohort: evenly spread images of a split."""
    rows = np.flatnonzero((prepared.cohort.frame["split"] == split).to_numpy())
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST)).astype(np.int64))]
