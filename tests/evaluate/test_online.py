"""The online probe: heads on training images, numbers of validation images."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score

from ssl_bench.data.source import PixelStatistics
from ssl_bench.evaluate import online
from ssl_bench.evaluate.online import online_probe, scores

N = 120


def features(seed: int, rows: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    labels = (rng.random((rows, 2)) < 0.4).astype(np.float32)
    return (rng.normal(size=(rows, 6)) + 2 * labels @ np.eye(2, 6)).astype(np.float32), labels


def test_both_heads_tell_what_the_features_hold() -> None:
    (known, labels), (unseen, truth) = features(0, N), features(1, N)
    found = scores(known, labels, unseen, truth)
    plain = np.mean([roc_auc_score(truth[:, column], unseen[:, column]) for column in range(2)])
    assert found["probe_linear"] == pytest.approx(plain, abs=0.05)
    assert 0.7 < found["probe_knn"] <= 1.0


def test_a_finding_of_one_class_is_left_out() -> None:
    (known, labels), (unseen, truth) = features(0, N), features(1, N)
    alone = scores(known, labels[:, :1], unseen, truth[:, :1])
    labels[:, 1] = 0
    assert scores(known, labels, unseen, truth) == pytest.approx(alone)
    assert scores(known, labels[:, 1:], unseen, truth[:, 1:]) == {}


def test_it_reads_training_and_validation_images_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    splits = np.array(["train", "validate", "test"] * (N // 3))
    rows = np.arange(N) + 1000
    frame = pd.DataFrame({"split": splits, "Edema": features(2, N)[1][:, 0]})
    frame.loc[frame["split"] == "test", "Edema"] = np.nan
    read: list[int] = []

    def embedded(encoder: Any, source: Any, wanted: Any, grey: Any) -> Any:
        read.extend(wanted.tolist())
        return features(3, len(wanted))[0]

    monkeypatch.setattr(online, "embed", embedded)
    material: Any = SimpleNamespace(
        cohort=SimpleNamespace(frame=frame, labels=("Edema",)), rows=rows, source=None, grey=PixelStatistics(0.5, 0.2)
    )
    encoder: Any = torch.nn.Linear(1, 1)
    found = online_probe(material)(encoder)
    assert set(found) == {"probe_linear", "probe_knn"}
    assert sorted(read) == rows[splits != "test"].tolist()
    assert encoder.training
