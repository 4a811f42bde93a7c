from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from ssl_bench.plugin.contracts import EvalContext
from sslbench_evaluators.clusters import METRICS, Clusters
from sslbench_evaluators.options import ClustersOptions


def numbers(context: EvalContext, **options: int) -> dict[tuple[str, str], float | None]:
    found = Clusters(ClustersOptions(restarts=2, **options)).evaluate(context)
    return {(item.label, item.metric): item.value for item in found}


def test_groups_that_are_far_apart_are_found(context: EvalContext, changed: Callable[..., EvalContext]) -> None:
    test = context.splits["test"]
    apart = test.embeddings + 100 * (test.ehr["sex"] == "F")[:, None].astype(np.float32)
    found = numbers(changed(context, "test", embeddings=apart))
    assert found["sex", "kmeans_ari"] == found["sex", "kmeans_nmi"] == pytest.approx(1)
    assert found["sex", "silhouette"] > 0.9
    assert found["sex", "davies_bouldin"] < 0.2
    assert abs(found["view", "silhouette"]) < 0.1
    assert abs(found["view", "kmeans_ari"]) < 0.1


def test_every_finding_and_attribute_has_every_number_and_the_seed_decides(context: EvalContext) -> None:
    first = numbers(context)
    assert set(first) == {(name, m) for name in ("Effusion", "Mass", "sex", "age", "view") for m in METRICS}
    assert first == numbers(context)
    assert numbers(context, images=50) != first


def test_unknown_images_are_left_out_of_that_attribute_alone(
    context: EvalContext, changed: Callable[..., EvalContext]
) -> None:
    test = context.splits["test"]
    sex = test.ehr["sex"].copy()
    sex[::3] = None
    found = numbers(changed(context, "test", ehr={**test.ehr, "sex": sex}))
    rest = np.arange(len(sex)) % 3 > 0
    expected = silhouette_score(test.embeddings[rest], sex[rest].astype(str))
    assert found["sex", "silhouette"] == pytest.approx(expected, abs=1e-5)
    assert found["view", "silhouette"] == numbers(context)["view", "silhouette"]


def test_one_group_has_no_number_but_a_note(context: EvalContext, changed: Callable[..., EvalContext]) -> None:
    test = context.splits["test"]
    labels = np.where([True, False], 0.0, test.labels)
    found = list(Clusters(ClustersOptions(restarts=1)).evaluate(changed(context, "test", labels=labels, ehr={})))
    assert {item.label for item in found} == {"Effusion", "Mass"}
    assert all(item.value is None and item.note.startswith("1 groups") for item in found[:5])
    assert all(item.value is not None for item in found[5:])
