"""Heads that are sure of themselves: logits far beyond where a float32 sigmoid is 0 or 1 rank without a tie."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from ssl_bench.plugin.contracts import Predictions
from ssl_bench.plugin.registry import Registry
from ssl_bench.results.rows import Origin, Scored, metric_rows
from ssl_bench.stats.logits import probabilities
from ssl_bench.testing.evaluator import context

SURE = 1e6
SHORT = {"epochs": 1, "batch_size": 32}


@pytest.mark.parametrize(
    ("protocol", "options"),
    [("linear", {}), ("linear-ehr", {}), ("linear-paper", SHORT), ("finetune", SHORT)],
)
def test_images_that_a_head_ranks_apart_are_not_tied(
    protocol: str, options: dict[str, Any], registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits: dict[int, Any] = {}

    def sure(found: Any) -> Any:
        """The head's own logits, a million times as sure: the order is the same."""
        logits[found.shape[-2]] = SURE * np.asarray(found, np.float64).reshape(-1, *found.shape[-2:])
        return probabilities(SURE * np.asarray(found, np.float64))

    for module in ("linear", "heads"):
        monkeypatch.setattr(f"sslbench_evaluators.{module}.probabilities", sure)
    given = context(images=protocol in ("linear-paper", "finetune"))
    evaluator = registry.get("evaluator", protocol).load()(registry.options("evaluator", protocol, options))
    item = next(one for one in evaluator.evaluate(given) if isinstance(one, Predictions) and one.split == "test")
    test = given.splits["test"]
    scored = Scored(Origin("trained", "a", "a", protocol, 0), test, item)
    rows = {(row.label, row.metric): row.value for row in metric_rows(scored, given.labels, 100)}
    order = np.argsort(item.scores[:, 0], kind="stable")
    fitted = [table for table in logits[len(test.labels)] if (np.argsort(table[:, 0], kind="stable") == order).all()]
    assert fitted, "the kept scores are in the order of no logits"
    for column, label in enumerate(given.labels):
        of_head, kept = fitted[0][:, column], item.scores[:, column]
        assert len(np.unique(kept)) == len(np.unique(of_head))
        assert len(np.unique(torch.tensor(of_head).float().sigmoid())) < len(np.unique(of_head))
        known = ~np.isnan(test.labels[:, column])
        assert rows[label, "auroc"] == pytest.approx(
            roc_auc_score(test.labels[known, column], of_head[known]), abs=1e-12
        )
