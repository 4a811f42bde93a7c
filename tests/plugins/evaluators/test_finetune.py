from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from ssl_bench.plugin.contracts import EvalContext, Predictions
from ssl_bench.stats.metrics import macro_auroc
from ssl_bench.testing.tiny import backbone
from sslbench_evaluators.finetune import Finetune
from sslbench_evaluators.heads import Classifier
from sslbench_evaluators.options import FinetuneOptions


def results(context: EvalContext, **options: Any) -> dict[str, Predictions]:
    upright = {"degrees": 10, "shift": 0.05, "zoom": 0.05, "lr": 3e-3, "batch_size": 32, "epochs": 1}
    return {item.split: item for item in Finetune(FinetuneOptions(**{**upright, **options})).evaluate(context)}


@pytest.mark.parametrize("kind", ["vit", "cnn"])
def test_a_copy_learns_and_the_encoder_stays_bit_identical(kind: Any, pictured: EvalContext) -> None:
    torch.manual_seed(0)
    context = replace(pictured, encoder=backbone(kind))
    context.encoder.model.eval()
    before = {name: value.clone() for name, value in context.encoder.model.state_dict().items()}
    found = results(context, epochs=6)
    assert macro_auroc(context.splits["test"].labels, found["test"].scores) > 0.9
    after = context.encoder.model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert not any(module.training for module in context.encoder.model.modules())
    assert all(parameter.grad is None for parameter in context.encoder.model.parameters())


def test_every_layer_of_a_frozen_encoder_is_trained(pictured: EvalContext, monkeypatch: pytest.MonkeyPatch) -> None:
    networks = []
    kept = Classifier.__init__

    def remember(self: Classifier, *arguments: Any, **options: Any) -> None:
        kept(self, *arguments, **options)
        networks.append(self)

    monkeypatch.setattr(Classifier, "__init__", remember)
    for parameter in pictured.encoder.model.parameters():
        parameter.requires_grad_(False)
    results(pictured)
    old, new = pictured.encoder.model.state_dict(), networks[0].encoder.model.state_dict()
    same = [name for name, value in old.items() if torch.equal(value, new[name])]
    assert not [name for name in same if "num_batches" not in name]
    assert not any(parameter.requires_grad for parameter in pictured.encoder.model.parameters())


def test_the_seed_decides_and_test_labels_change_nothing(
    pictured: EvalContext, changed: Callable[..., EvalContext]
) -> None:
    first = results(pictured)
    blind = np.full_like(pictured.splits["test"].labels, np.nan)
    other = results(changed(pictured, "test", labels=blind))
    for name, item in first.items():
        np.testing.assert_array_equal(item.scores, other[name].scores)
    assert not np.array_equal(first["test"].scores, results(replace(pictured, seed=4))["test"].scores)


def test_a_label_of_one_class_has_no_scores(pictured: EvalContext, changed: Callable[..., EvalContext]) -> None:
    labels = np.where([True, False], np.float32(0), pictured.splits["train"].labels)
    found = results(changed(pictured, "train", labels=labels))["test"].scores
    assert np.isnan(found[:, 0]).all()
    assert np.isfinite(found[:, 1]).all()
