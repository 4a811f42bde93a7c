"""Every protocol that predicts does so on other datasets' test splits too, with the head that it fitted at home."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ssl_bench.data.subsets import restricted
from ssl_bench.plugin.contracts import EvalContext, Predictions
from ssl_bench.plugin.registry import Registry


@pytest.mark.parametrize("name", ["linear", "knn", "linear-paper", "finetune"])
def test_the_same_images_have_the_same_scores_abroad(name: str, pictured: EvalContext, registry: Registry) -> None:
    test = pictured.splits["test"]
    elsewhere = restricted(test, np.arange(40))
    unknown = replace(elsewhere, labels=np.full_like(elsewhere.labels, np.nan))
    evaluator = registry.get("evaluator", name).load()(registry.options("evaluator", name, {}, "smoke"))
    found = {item.split: item for item in evaluator.evaluate(replace(pictured, external={"elsewhere": unknown}))}
    alone = {item.split: item for item in evaluator.evaluate(pictured) if isinstance(item, Predictions)}
    assert list(found) == ["validate", "test", "elsewhere"]
    np.testing.assert_allclose(found["elsewhere"].scores, found["test"].scores[:40], atol=1e-6)
    np.testing.assert_array_equal(found["test"].scores, alone["test"].scores)
    assert found["elsewhere"].settings == found["test"].settings
