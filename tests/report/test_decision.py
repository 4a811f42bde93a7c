"""Decision curves against the formula of net benefit, and against the metric of that name."""

from __future__ import annotations

import numpy as np
import pytest

from ssl_bench.plugin.registry import discover
from ssl_bench.report import kept
from ssl_bench.report.evaluations import evaluations
from ssl_bench.report.plots.canvas import drawing
from ssl_bench.report.plots.decision import THRESHOLDS, decision_plot, net_benefit, treat_all
from ssl_bench.report.plots.points import resamples
from ssl_bench.results.rundir import RunDirectory
from ssl_bench.stats.measures import gauges, measured
from ssl_bench.stats.predictions import PredictionTable


def test_net_benefit_is_its_formula_on_the_images_that_were_drawn() -> None:
    rng = np.random.default_rng(0)
    patients, truth = np.arange(90) // 2, (rng.random(90) < 0.3).astype(float)
    chances = np.round(np.clip(0.4 * truth + rng.random(90), 0, 1), 2)  # many are exactly a threshold
    weights = resamples(patients, 5, 0)
    found = net_benefit(truth, chances, weights)
    for replicate, times in enumerate(weights):
        drawn, given = np.repeat(truth, times), np.repeat(chances, times)
        for place, at in enumerate(THRESHOLDS):
            true, false = ((given >= at) & (drawn == 1)).sum(), ((given >= at) & (drawn == 0)).sum()
            assert found[replicate, place] == pytest.approx((true - false * at / (1 - at)) / len(drawn))
    share = truth.mean()
    assert treat_all(truth) == pytest.approx(share - (1 - share) * THRESHOLDS / (1 - THRESHOLDS))


def test_decision_curves_are_the_metric_of_the_kept_predictions(wide: RunDirectory) -> None:
    record = wide.read_record()
    evaluation = evaluations(record)[0]
    with drawing():
        picture = decision_plot(evaluation, wide, record)
    arrays = np.load(wide.path / "plots" / "decision-linear.npz")
    (frame,) = [kept.read_table(wide.predictions("trained", "tiny-test-linear", {
        "settings": {"strength": 1.0}, "fraction": 1.0, "draw": 0}))]  # fmt: skip
    known = frame["y_Effusion"].notna()
    table = PredictionTable(
        ("Effusion",), *(frame[known][f"{name}_id"].to_numpy(str) for name in ("image", "patient")),
        frame[known][["y_Effusion"]].to_numpy(), frame[known][["p_Effusion"]].to_numpy(),
    )  # fmt: skip
    (gauge,) = gauges(discover(), ("net-benefit",), {"net-benefit": {"at": 0.3}})
    assert "trained/Pneumothorax" not in arrays  # no image is positive
    assert len(arrays["trained/Hernia"]) == 1  # three patients: no band
    value, low, high = arrays["trained/Effusion"]
    assert value[29] == pytest.approx(measured(table, [gauge], 2, 0)["net-benefit"][0][0])
    assert (low <= high).all()
    assert low[29] < value[29] < high[29]
    dotted = next(
        line for line in picture.figure.axes[evaluation.labels.index("Effusion")].lines if len(line.get_xdata()) == 99
    )
    assert np.asarray(dotted.get_ydata()) == pytest.approx(arrays["all/Effusion"])
