from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ssl_bench.plugin.contracts import EvalContext, MetricValue
from sslbench_evaluators.leakage import Leakage
from sslbench_evaluators.options import LeakageOptions


def results(context: EvalContext) -> dict[tuple[str, str], MetricValue]:
    found = Leakage(LeakageOptions(replicates=100)).evaluate(context)
    return {(item.label, item.metric): item for item in found}


def test_what_is_in_the_embedding_is_read_and_what_is_not_is_not(context: EvalContext) -> None:
    found = results(context)
    assert list(found) == [("age", "r2"), ("age", "mae_years"), ("sex=F", "auroc"), ("view=AP", "auroc")]
    # age = 50 + 15 (x + e) with e of deviation 0.5: R2 is 1 / 1.25, the error 7.5 sqrt(2 / pi) years
    assert found["age", "r2"].value == pytest.approx(0.8, abs=0.08)
    assert found["age", "mae_years"].value == pytest.approx(6.0, abs=1.2)
    assert found["sex=F", "auroc"].value > 0.85
    assert found["view=AP", "auroc"].ci_low < 0.5 < found["view=AP", "auroc"].ci_high
    assert found["sex=F", "auroc"].ci_low < found["sex=F", "auroc"].value < found["sex=F", "auroc"].ci_high


def test_the_strength_is_chosen_without_the_test_split(
    context: EvalContext, changed: Callable[..., EvalContext]
) -> None:
    test = context.splits["test"]
    first = results(context)
    other = results(
        changed(context, "test", ehr={**test.ehr, "age": test.ehr["age"][::-1], "sex": test.ehr["sex"][::-1]})
    )
    assert [item.note for item in first.values()] == [item.note for item in other.values()]
    assert other["age", "r2"].value < 0.2


def test_a_strength_that_overfits_is_not_chosen(context: EvalContext, changed: Callable[..., EvalContext]) -> None:
    train = context.splits["train"]
    few = changed(context, "train", **{
        name: getattr(train, name)[:12] for name in ("image_ids", "patient_ids", "embeddings", "labels", "rows")
    }, ehr={name: values[:12] for name, values in train.ehr.items()})  # fmt: skip
    assert "strength 10000" not in results(few)["age", "r2"].note


def test_three_views_are_told_one_by_one_and_unknown_ones_left_out(
    context: EvalContext, changed: Callable[..., EvalContext]
) -> None:
    for name, split in context.splits.items():
        view = np.where(split.embeddings[:, 5] > 0.5, "LATERAL", split.ehr["view"]).astype(object)
        view[::4] = None
        context = changed(context, name, ehr={**split.ehr, "view": view})
    found = results(context)
    assert [label for label, _ in found if label.startswith("view")] == ["view=AP", "view=LATERAL", "view=PA"]
    assert found["view=LATERAL", "auroc"].value > 0.9
    assert "75 images" in found["view=AP", "auroc"].note


def test_data_without_these_attributes_have_notes_instead_of_numbers(
    context: EvalContext, changed: Callable[..., EvalContext]
) -> None:
    for name in context.splits:
        context = changed(context, name, ehr={})
    found = results(context)
    assert list(found) == [("age", "r2"), ("age", "mae_years"), ("sex", "auroc"), ("view", "auroc")]
    assert all(item.value is None and item.note for item in found.values())
