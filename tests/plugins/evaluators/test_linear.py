from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ssl_bench.plugin.contracts import EvalContext, Predictions
from ssl_bench.stats.metrics import macro_auroc
from sslbench_evaluators.linear import Linear
from sslbench_evaluators.options import LinearOptions


def results(context: EvalContext, **options: object) -> dict[str, Predictions]:
    return {item.split: item for item in Linear(LinearOptions(**options)).evaluate(context)}  # type: ignore[arg-type]


def test_both_held_out_splits_are_predicted_well_as_probabilities(context: EvalContext) -> None:
    found = results(context)
    assert list(found) == ["validate", "test"]
    assert macro_auroc(context.splits["test"].labels, found["test"].scores) > 0.85
    assert found["test"].probabilities
    assert ((found["test"].scores >= 0) & (found["test"].scores <= 1)).all()


def test_validation_alone_chooses_the_strength(context: EvalContext) -> None:
    strengths = (1e-4, 1e-2, 1.0, 100.0)
    alone = {c: results(context, strengths=(c,)) for c in strengths}
    of_split = {
        name: {c: macro_auroc(context.splits[name].labels, found[name].scores) for c, found in alone.items()}
        for name in ("validate", "test")
    }
    together = results(context, strengths=strengths)["test"]
    chosen = together.settings["strength"]
    assert chosen == max(of_split["validate"], key=of_split["validate"].__getitem__)
    np.testing.assert_allclose(together.scores, alone[chosen]["test"].scores, atol=1e-4)


def test_test_labels_change_nothing(context: EvalContext, changed: Callable[..., EvalContext]) -> None:
    other = results(changed(context, "test", labels=1 - context.splits["test"].labels))
    for name, item in results(context).items():
        np.testing.assert_array_equal(item.scores, other[name].scores)
        assert item.settings == other[name].settings


@pytest.mark.parametrize("value", [0.0, 1.0, np.nan])
def test_a_label_of_one_class_has_no_scores_and_the_other_keeps_its_own(
    value: float, context: EvalContext, changed: Callable[..., EvalContext]
) -> None:
    labels = np.where([True, False], np.float32(value), context.splits["train"].labels)
    found = results(changed(context, "train", labels=labels), strengths=(0.1,))["test"].scores
    assert np.isnan(found[:, 0]).all()
    np.testing.assert_allclose(found[:, 1], results(context, strengths=(0.1,))["test"].scores[:, 1], atol=1e-4)
