from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from ssl_bench.errors import UsageError
from ssl_bench.plugin.contracts import EvalContext, Predictions
from ssl_bench.stats.metrics import macro_auroc
from sslbench_evaluators.heads import Training
from sslbench_evaluators.linear_paper import LinearPaper
from sslbench_evaluators.options import HeadOptions

UPRIGHT = {"degrees": 10, "shift": 0.05, "zoom": 0.05, "lr": 0.03, "batch_size": 32}


def results(context: EvalContext, **options: Any) -> dict[str, Predictions]:
    chosen = HeadOptions(**{**UPRIGHT, "epochs": 3, **options})
    return {item.split: item for item in LinearPaper(chosen).evaluate(context)}


def test_the_head_learns_and_the_encoder_stays_as_it_was(pictured: EvalContext) -> None:
    before = {name: value.clone() for name, value in pictured.encoder.model.state_dict().items()}
    found = results(pictured, epochs=8)
    assert list(found) == ["validate", "test"]
    assert found["test"].scores.shape == (100, 2)
    assert macro_auroc(pictured.splits["test"].labels, found["test"].scores) > 0.9
    after = pictured.encoder.model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_the_seed_decides_and_torchs_own_stream_is_left_alone(pictured: EvalContext) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first = results(pictured, epochs=1)
    assert torch.equal(torch.rand(1), expected)
    again = results(pictured, epochs=1)
    np.testing.assert_array_equal(first["test"].scores, again["test"].scores)


def test_test_labels_change_nothing(pictured: EvalContext, changed: Callable[..., EvalContext]) -> None:
    other = results(changed(pictured, "test", labels=1 - pictured.splits["test"].labels), epochs=1)
    for name, item in results(pictured, epochs=1).items():
        np.testing.assert_array_equal(item.scores, other[name].scores)


def test_the_best_epoch_is_kept_and_training_stops_after_the_patience(
    pictured: EvalContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    predicted = []

    def validation(self: Training, number: int) -> float:
        predicted.append(self.predict(self.context.splits["test"]))
        return (0.6, 0.8, 0.7, 0.75, 0.9)[number - 1]

    monkeypatch.setattr(Training, "validation", validation)
    found = results(pictured, epochs=5, patience=2)["test"]
    assert found.settings == {"epoch": 2, "epochs": 4, "lr": 0.03}
    np.testing.assert_allclose(found.scores, predicted[1], atol=1e-6)
    assert np.abs(predicted[3] - predicted[1]).max() > 1e-3


def test_without_validation_labels_the_last_epoch_is_kept(
    pictured: EvalContext, changed: Callable[..., EvalContext]
) -> None:
    blind = changed(pictured, "validate", labels=np.full((80, 2), np.nan, np.float32))
    assert results(blind, epochs=2, patience=1)["test"].settings["epoch"] == 2


def test_the_defaults_are_those_of_the_release() -> None:
    options = HeadOptions()
    assert (options.lr, options.weight_decay, options.batch_size, options.epochs) == (1e-4, 0.0, 64, 50)
    assert (options.patience, options.min_delta, options.schedule) == (5, 1e-5, "cosine")
    assert (options.plateau_factor, options.plateau_patience) == (0.5, 3)


def test_steps_below_the_least_rise_add_up_but_do_not_wait_for_ever(
    pictured: EvalContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Training, "validation", lambda self, number: 0.5 + 0.004 * number)
    creeping = results(pictured, epochs=6, patience=2, min_delta=0.01)["test"]
    assert creeping.settings["epochs"] == 3  # 0.504, then twice less than 0.01 above it
    rising = results(pictured, epochs=6, patience=3, min_delta=0.01)["test"]
    assert rising.settings == {"epoch": 6, "epochs": 6, "lr": 0.03}  # 0.504, 0.516, then 0.528: a rise in every third


def test_plateau_lowers_the_rate(pictured: EvalContext) -> None:
    found = results(pictured, schedule="plateau", patience=1, epochs=2)["test"].scores
    assert np.isfinite(found).all()


def test_a_plateau_halves_the_rate_after_three_epochs_without_a_rise(
    pictured: EvalContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[float] = []
    monkeypatch.setattr(Training, "epoch", lambda self, number: rates.append(self.optimizer.param_groups[0]["lr"]))
    monkeypatch.setattr(Training, "validation", lambda self, number: 0.5)
    results(pictured, schedule="plateau", epochs=7, patience=20)
    assert rates == [0.03] * 5 + [0.015] * 2


@pytest.mark.parametrize("value", [1.0, np.nan])
def test_a_label_of_one_class_has_no_scores(
    value: float, pictured: EvalContext, changed: Callable[..., EvalContext]
) -> None:
    labels = np.where([True, False], np.float32(value), pictured.splits["train"].labels)
    found = results(changed(pictured, "train", labels=labels), epochs=1)["test"].scores
    assert np.isnan(found[:, 0]).all()
    assert np.isfinite(found[:, 1]).all()


def test_embeddings_alone_are_refused(pictured: EvalContext) -> None:
    with pytest.raises(UsageError, match=r"linear-paper.*images"):
        results(replace(pictured, images=None))
