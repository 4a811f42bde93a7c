from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ssl_bench.data.subsets import restricted
from ssl_bench.plugin.contracts import EvalContext, Predictions
from ssl_bench.stats.metrics import macro_auroc
from sslbench_evaluators.knn import Knn
from sslbench_evaluators.options import KnnOptions


def results(context: EvalContext, *neighbours: int) -> dict[str, Predictions]:
    options = KnnOptions(neighbours=neighbours) if neighbours else KnnOptions()
    return {item.split: item for item in Knn(options).evaluate(context)}


def test_both_held_out_splits_are_predicted_well(context: EvalContext) -> None:
    found = results(context)
    assert list(found) == ["validate", "test"]
    assert macro_auroc(context.splits["test"].labels, found["test"].scores) > 0.75


def test_validation_alone_chooses_k(context: EvalContext) -> None:
    counts = (1, 10, 50)
    alone = {k: results(context, k) for k in counts}
    labels = context.splits["validate"].labels
    values = {k: macro_auroc(labels, found["validate"].scores) for k, found in alone.items()}
    together = results(context, *counts)["test"]
    chosen = together.settings["k"]
    assert chosen == max(values, key=values.__getitem__)
    np.testing.assert_allclose(together.scores, alone[chosen]["test"].scores, atol=1e-6)


def test_test_labels_change_nothing(context: EvalContext, changed: Callable[..., EvalContext]) -> None:
    other = results(changed(context, "test", labels=1 - context.splits["test"].labels))
    for name, item in results(context).items():
        np.testing.assert_array_equal(item.scores, other[name].scores)


def test_k_is_clipped_to_the_training_images(context: EvalContext) -> None:
    few = replace(context, splits={**context.splits, "train": restricted(context.splits["train"], np.arange(30))})
    found = results(few, 100, 1000)
    assert found["test"].settings == {"k": 30}
    np.testing.assert_array_equal(found["test"].scores, results(few, 30)["test"].scores)


def test_a_label_of_one_class_has_no_scores(context: EvalContext, changed: Callable[..., EvalContext]) -> None:
    labels = np.where([True, False], np.float32(0), context.splits["train"].labels)
    found = results(changed(context, "train", labels=labels), 10)["test"].scores
    assert np.isnan(found[:, 0]).all()
    np.testing.assert_array_equal(found[:, 1], results(context, 10)["test"].scores[:, 1])
