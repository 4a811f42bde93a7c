from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ssl_bench.plugin.contracts import Predictions, Split
from ssl_bench.plugin.registry import Registry
from ssl_bench.results.row import MetricRow
from ssl_bench.results.rows import Origin, Scored, as_table, metric_rows
from ssl_bench.results.subgroups import compared, subgroup_rows
from ssl_bench.stats.measures import gauges
from ssl_bench.stats.metrics import macro_auroc

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
    rows = {(r.subgroup, r.label, r.metric): r for r in subgroup_rows(scored, LABELS, 100)}
    women = rows["sex=F", "Edema", "auroc"]
    mask = scored.split.ehr["sex"] == "F"
    assert women.value == pytest.approx(macro_auroc(scored.split.labels[mask, :1], scored.predictions.scores[mask, :1]))
    assert women.n_images == mask.sum()
    assert (women.fraction, women.draw, women.settings) == (0.5, 2, {"strength": 1.0})
    assert women.ci_low < women.value
    gap = rows["sex", "Edema", "auroc_gap"]
    assert gap.value == pytest.approx(women.value - rows["sex=M", "Edema", "auroc"].value)
    assert gap.note == "sex=F minus sex=M"
    assert gap.ci_low < gap.value < gap.ci_high
    assert gap.percentile_low < gap.value < gap.percentile_high
    assert (gap.n_images, gap.n_patients) == (SIZE - 10, (SIZE - 10) // 2)
    assert rows["sex", "macro", "auroc_gap"].value == pytest.approx(gap.value)
    assert rows["sex", "Mass", "auroc_gap"].value is None
    assert (gap.fraction, gap.draw) == (0.5, 2)


def test_calibration_is_told_for_probabilities_alone(scored: Scored, registry: Registry) -> None:
    asked = gauges(registry, ("brier", "ece"))
    rows = {(r.label, r.metric): r for r in metric_rows(scored, LABELS, 100, asked)}
    known = scored.split.labels[:, 0]
    assert rows["Edema", "brier"].value == pytest.approx(((scored.predictions.scores[:, 0] - known) ** 2).mean())
    assert rows["Mass", "ece"].value is None
    assert rows["macro", "ece"].value == rows["Edema", "ece"].value
    assert rows["macro", "ece"].macro_labels == ("Edema",)
    logits = Scored(scored.origin, scored.split, Predictions("test", scored.predictions.scores))
    assert {r.metric for r in metric_rows(logits, LABELS, 100, asked)} == {"auroc", "auprc"}
    assert rows["Edema", "brier"].ci_low < rows["Edema", "brier"].value < rows["Edema", "brier"].ci_high


@pytest.mark.parametrize(("fitted_on", "told"), [("tiny", False), ("other", True)])
def test_a_threshold_of_another_dataset_says_so(scored: Scored, registry: Registry, fitted_on: str, told: bool) -> None:
    asked = gauges(registry, ("sensitivity-at-specificity-90", "f1", "brier"))
    away = replace(scored, origin=replace(scored.origin, fitted_on=fitted_on))
    rows = {(r.label, r.metric): r for r in metric_rows(away, LABELS, 50, asked, as_table(scored, LABELS))}
    for metric in ("sensitivity-at-specificity-90", "f1"):
        row = rows["Edema", metric]
        assert row.threshold is not None
        assert ("threshold chosen on validation images of other" in row.note) == told
    assert not any("threshold" in rows["Edema", metric].note for metric in ("auroc", "brier"))


def test_a_gap_of_groups_with_different_findings_is_over_those_that_all_hold(scored: Scored) -> None:
    rng = np.random.default_rng(1)
    scores, labels = scored.predictions.scores.copy(), scored.split.labels.copy()
    scores[:, 1] = rng.random(SIZE)
    labels[scored.split.ehr["sex"] == "F", 1] = 0.0  # of the second finding women have no positive image
    split, predictions = replace(scored.split, labels=labels), replace(scored.predictions, scores=scores)
    rows = {(r.subgroup, r.label, r.metric): r
            for r in subgroup_rows(replace(scored, split=split, predictions=predictions), LABELS, 100)}  # fmt: skip
    gap, single = rows["sex", "macro", "auroc_gap"], rows["sex", "Edema", "auroc_gap"]
    assert rows["sex=M", "macro", "auroc"].macro_labels == LABELS
    assert gap.value == pytest.approx(single.value)
    assert (gap.ci_low, gap.ci_high) == pytest.approx((single.ci_low, single.ci_high))
    assert gap.macro_labels == ("Edema",)
    assert gap.note == "sex=F minus sex=M; over 1 of 2 findings, which all 2 groups hold: Edema"


def test_extremes_are_those_of_the_shared_findings() -> None:
    def row(group: str, label: str, value: float, held: tuple[str, ...] = ()) -> MetricRow:
        return MetricRow(subgroup=group, label=label, metric="auroc", value=value, ci_low=0.1, macro_labels=held)

    rows = [row("a", "X", 0.6), row("a", "Y", 1.0), row("a", "macro", 0.8, ("X", "Y")),
            row("b", "X", 0.7), row("b", "macro", 0.7, ("X",))]  # fmt: skip
    found = compared(rows, "macro", "auroc")
    assert (found.values, found.labels) == ({"a": 0.6, "b": 0.7}, ("X",))
    apart = compared([*rows[:3], row("b", "Z", 0.7), row("b", "macro", 0.7, ("Z",))], "macro", "auroc")
    assert apart.labels == ()


def test_a_small_group_with_other_findings_does_not_hide_the_gap_of_the_others() -> None:
    def row(group: str, label: str, value: float, held: tuple[str, ...] = ()) -> MetricRow:
        return MetricRow(subgroup=group, label=label, metric="auroc", value=value, ci_low=0.1, macro_labels=held)

    rows = [row("few", "Z", 0.9), row("few", "macro", 0.9, ("Z",)),
            row("a", "X", 0.6), row("a", "Y", 1.0), row("a", "macro", 0.8, ("X", "Y")),
            row("b", "X", 0.7), row("b", "Y", 0.9), row("b", "macro", 0.8, ("Y", "X"))]  # fmt: skip
    found = compared(rows, "macro", "auroc")
    assert (found.values, set(found.labels)) == ({"a": 0.8, "b": pytest.approx(0.8)}, {"X", "Y"})
    assert found.note.endswith("; left out, for they hold none of these: few")


def of_races(scored: Scored, names: list[str], counts: list[int]) -> Scored:
    """The same predictions of people of some races; images of a race follow each other."""
    race = np.repeat(np.array(names, dtype=object), counts)
    return replace(scored, split=replace(scored.split, ehr={"race": race}))


def test_small_groups_are_left_out_and_named(scored: Scored) -> None:
    rows = list(subgroup_rows(of_races(scored, ["White", "Black", "Asian"], [120, 72, 8]), LABELS, 50))
    assert {row.subgroup for row in rows} == {"race", "race=White", "race=Black"}
    gap = next(row for row in rows if (row.subgroup, row.metric, row.label) == ("race", "auroc_gap", "Edema"))
    assert "left out, with fewer than 5 patients: Asian" in gap.note
    assert gap.n_images == 192


def test_groups_against_the_largest_are_one_family(scored: Scored) -> None:
    rows = subgroup_rows(of_races(scored, ["White", "Black", "Asian"], [100, 60, 40]), LABELS, 50)
    family = [row for row in rows if row.metric == "auroc_against_largest"]
    assert [row.subgroup for row in family] == ["race=Asian", "race=Black"]
    p = sorted(row.p for row in family)
    assert min(row.p_holm for row in family) == pytest.approx(min(1, 2 * p[0]))
    assert "minus White, the largest group" in family[0].note


def test_rates_at_one_threshold_follow_where_validation_images_chose_it(scored: Scored) -> None:
    rows = {(r.subgroup, r.label, r.metric): r
            for r in subgroup_rows(scored, LABELS, 60, as_table(scored, LABELS))}  # fmt: skip
    women, men = (rows[f"sex={name}", "Edema", "sensitivity-at-threshold"] for name in "FM")
    assert women.threshold == men.threshold
    sex, truth = scored.split.ehr["sex"], scored.split.labels[:, 0]
    called = scored.predictions.scores[:, 0] >= women.threshold
    assert women.value == pytest.approx(called[(sex == "F") & (truth == 1)].mean())
    alarms = rows["sex=M", "Edema", "fpr-at-threshold"].value
    assert alarms == pytest.approx(called[(sex == "M") & (truth == 0)].mean())
    gap = rows["sex", "Edema", "sensitivity-at-threshold_gap"]
    assert gap.value == pytest.approx(abs(women.value - men.value))
    assert gap.ci_low < gap.value < gap.ci_high
