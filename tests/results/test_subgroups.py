from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ssl_bench.contracts import Predictions, Split
from ssl_bench.evaluate.measures import gauges
from ssl_bench.evaluate.metrics import macro_auroc
from ssl_bench.plugins import Registry
from ssl_bench.results.rows import Origin, Scored, as_table, metric_rows
from ssl_bench.results.subgroups import subgroup_rows

LABELS = ("Edema", "Mass")
SIZE = 200


@pytest.fixture
def scored() -> Scored:
    """Scores that rank women's images better than men's; the second finding is not fitted."""
    rng = np.random.default_rng(0)
    labels = (rng.random((SIZE, 2)) < 0.4).astype(float)
    sex = np.where(np.arange(SIZE) % 4 < 2, "F", "M").astype(object)
    noise = np.where(sex == "F", 0.2, 3.0)[:, None] * rng.normal(size=(SIZE, 2))
    scores = 1 / (1 + np.exp(-(2 * labels - 1 + noise)))
    scores[:, 1] = np.nan
    sex[:10] = None
    rows = np.arange(SIZE)
    split = Split("test", rows.astype(str), (rows // 2).astype(str), np.zeros((SIZE, 1)), labels, rows, {"sex": sex})
    predictions = Predictions("test", scores, probabilities=True, settings={"strength": 1.0}, fraction=0.5, draw=2)
    return Scored(Origin("trained", "tiny", "tiny", "linear", 0), split, predictions)


def test_every_group_has_its_metrics_over_its_own_images(scored: Scored) -> None:
    rows = {(r["subgroup"], r["label"], r["metric"]): r for r in subgroup_rows(scored, LABELS, 100)}
    women = rows["sex=F", "Edema", "auroc"]
    mask = scored.split.ehr["sex"] == "F"
    assert women["value"] == pytest.approx(
        macro_auroc(scored.split.labels[mask, :1], scored.predictions.scores[mask, :1])
    )
    assert women["n_images"] == mask.sum()
    assert (women["fraction"], women["draw"], women["settings"]) == (0.5, 2, {"strength": 1.0})
    assert women["ci_low"] < women["value"]
    gap = rows["sex", "Edema", "auroc_gap"]
    assert gap["value"] == pytest.approx(women["value"] - rows["sex=M", "Edema", "auroc"]["value"])
    assert gap["note"] == "sex=F minus sex=M"
    assert gap["ci_low"] < gap["value"] < gap["ci_high"]
    assert gap["percentile_low"] < gap["value"] < gap["percentile_high"]
    assert (gap["n_images"], gap["n_patients"]) == (SIZE - 10, (SIZE - 10) // 2)
    assert rows["sex", "macro", "auroc_gap"]["value"] == pytest.approx(gap["value"])
    assert rows["sex", "Mass", "auroc_gap"]["value"] is None
    assert (gap["fraction"], gap["draw"]) == (0.5, 2)


def test_calibration_is_told_for_probabilities_alone(scored: Scored, registry: Registry) -> None:
    asked = gauges(registry, ("brier", "ece"))
    rows = {(r["label"], r["metric"]): r for r in metric_rows(scored, LABELS, 100, asked)}
    known = scored.split.labels[:, 0]
    assert rows["Edema", "brier"]["value"] == pytest.approx(((scored.predictions.scores[:, 0] - known) ** 2).mean())
    assert rows["Mass", "ece"]["value"] is None
    assert rows["macro", "ece"]["value"] == rows["Edema", "ece"]["value"]
    assert rows["macro", "ece"]["macro_labels"] == ["Edema"]
    logits = Scored(scored.origin, scored.split, Predictions("test", scored.predictions.scores))
    assert {r["metric"] for r in metric_rows(logits, LABELS, 100, asked)} == {"auroc", "auprc"}
    assert rows["Edema", "brier"]["ci_low"] < rows["Edema", "brier"]["value"] < rows["Edema", "brier"]["ci_high"]


@pytest.mark.parametrize(("fitted_on", "told"), [("tiny", False), ("other", True)])
def test_a_threshold_of_another_dataset_says_so(scored: Scored, registry: Registry, fitted_on: str, told: bool) -> None:
    asked = gauges(registry, ("sensitivity-at-specificity-90", "f1", "brier"))
    away = replace(scored, origin=replace(scored.origin, fitted_on=fitted_on))
    rows = {(r["label"], r["metric"]): r for r in metric_rows(away, LABELS, 50, asked, as_table(scored, LABELS))}
    for metric in ("sensitivity-at-specificity-90", "f1"):
        row = rows["Edema", metric]
        assert row["threshold"] is not None
        assert ("threshold chosen on validation images of other" in row["note"]) == told
    assert not any("threshold" in rows["Edema", metric]["note"] for metric in ("auroc", "brier"))
