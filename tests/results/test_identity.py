"""Two encoders are one where their weights are, or their features where there are only features."""

from __future__ import annotations

import numpy as np
import torch

from ssl_bench.results.identity import of_features, of_predictions, of_weights

CONFIG = {"architecture": "vit"}
WEIGHTS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(1, dtype=torch.int64)}


def test_weights_are_known_in_any_order_and_to_the_last_bit() -> None:
    first = of_weights(CONFIG, WEIGHTS)
    assert first == of_weights(CONFIG, dict(reversed(WEIGHTS.items())))
    assert first.of == "weights"
    other = {**WEIGHTS, "a": torch.nextafter(WEIGHTS["a"], torch.tensor(torch.inf))}
    for config, weights in ((CONFIG, other), ({"architecture": "resnet"}, WEIGHTS),
                            (CONFIG, {**WEIGHTS, "a": WEIGHTS["a"].reshape(3, 2)}),
                            (CONFIG, {"c": WEIGHTS["a"], "b": WEIGHTS["b"]})):  # fmt: skip
        assert of_weights(config, weights) != first


def test_features_are_known_in_any_order_of_images() -> None:
    ids, features = np.array(["x", "y", "z"]), np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    first = of_features(ids, features)
    assert first == of_features(ids[::-1], features[::-1])
    assert first != of_features(ids, features[::-1])
    assert first != of_features(np.array(["x", "y", "w"]), features)


def test_predictions_are_known_in_any_order_of_findings() -> None:
    ids, scores = np.array(["x", "y"]), np.array([[0.1, 0.2], [0.3, np.nan]])
    first = of_predictions(ids, scores, ["Edema", "Mass"])
    assert first == of_predictions(ids, scores[:, ::-1], ["Mass", "Edema"])
    assert first != of_predictions(ids, scores[:, ::-1], ["Edema", "Mass"])
