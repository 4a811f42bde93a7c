"""EHR downstream: beside frozen features, fused while fine-tuning, and alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ssl_bench.errors import UsageError
from ssl_bench.plugin.contracts import EvalContext, Predictions
from ssl_bench.stats.metrics import macro_auroc
from ssl_bench.testing.evaluator import context
from sslbench_evaluators.ehr import EhrOnly, FinetuneEhr, LinearEhr, ehr_columns
from sslbench_evaluators.linear import Linear
from sslbench_evaluators.options import FinetuneOptions, LinearOptions


def changed(given: EvalContext, **arrays: Any) -> EvalContext:
    """The context with arrays of every split replaced by what a function makes of the split."""
    splits = {
        name: replace(split, **{field: make(split) for field, make in arrays.items()})
        for name, split in given.splits.items()
    }
    return replace(given, splits=splits)


def scores_of(given: EvalContext, probe: type[Linear]) -> dict[str, Any]:
    found = probe(LinearOptions()).evaluate(given)
    return {item.split: item.scores for item in found if isinstance(item, Predictions)}


def test_ehr_beside_the_embedding_helps_where_it_says_more() -> None:
    """The first finding is hidden from the embeddings; the EHR vector still has it."""
    hidden = changed(context(images=False), embeddings=lambda split: split.embeddings * ([0] + [1] * 7))
    labels = hidden.splits["test"].labels[:, :1]
    without, beside = (
        float(macro_auroc(labels, scores_of(hidden, probe)["test"][:, :1])) for probe in (Linear, LinearEhr)
    )
    assert beside > 0.8 > 0.7 > without


def test_ehr_alone_reads_no_embedding() -> None:
    given = context(images=False)
    other = changed(given, embeddings=lambda split: -split.embeddings)
    for name, scores in scores_of(given, EhrOnly).items():
        np.testing.assert_array_equal(scores, scores_of(other, EhrOnly)[name])


def test_what_is_missing_is_a_column_of_its_own() -> None:
    split = context(images=False).splits["train"]
    columns = ehr_columns(split)
    assert split.ehr_values is not None
    assert split.ehr_present is not None
    assert columns.shape == (80, 6)
    np.testing.assert_array_equal(columns[:, :3], split.ehr_values)
    np.testing.assert_array_equal(columns[:, 3:], split.ehr_present == 0)
    assert columns[:, 3:].any()


def test_fine_tuning_reads_the_ehr() -> None:
    given = context(images=True)
    blank = changed(given, ehr_present=lambda split: split.ehr_present * 0)
    options = FinetuneOptions(epochs=2, batch_size=32, lr=1e-3)
    one, other = (list(FinetuneEhr(options).evaluate(part))[-1].scores for part in (given, blank))
    assert not np.allclose(one, other)


@pytest.mark.parametrize("probe", [LinearEhr, EhrOnly])
def test_without_features_it_says_what_to_do(probe: type[Linear]) -> None:
    bare = changed(context(images=False), ehr_values=lambda split: None)
    with pytest.raises(UsageError, match="this protocol reads EHR features, and the run has none; add --features"):
        list(probe(LinearOptions()).evaluate(bare))


def test_without_a_fusion_fine_tuning_says_what_to_do() -> None:
    with pytest.raises(UsageError, match="needs a fusion that joins features; add --features and --fusion"):
        list(FinetuneEhr(FinetuneOptions()).evaluate(replace(context(images=True), fusion=None)))
