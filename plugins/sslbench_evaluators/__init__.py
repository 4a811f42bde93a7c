"""The built-in evaluation protocols and metrics. A new protocol is one line here, a metric one in ``METRICS``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from ssl_bench import Component, EvaluatorSpec, MetricSpec, hookimpl

FEW_EPOCHS = {
    "smoke": {"epochs": 2, "batch_size": 32, "lr": 1e-2},
    "demo": {"epochs": 5, "lr": 1e-2},
}
"""Small trainings of a head alone; a high rate makes up for few steps."""

FEW_TOKENS = {"smoke": {"images": 200, "replicates": 100}}
"""Tokens of a few training images."""

SHORT_TUNING = {
    "smoke": {"epochs": 2, "batch_size": 32, "lr": 1e-3},
    "demo": {"epochs": 5, "lr": 5e-4},
}
"""Small trainings of a whole encoder."""


_OPERATING = "sslbench_evaluators.metrics.operating"
_PROBABILITY = "sslbench_evaluators.metrics.probability"
_OPTIONS = "sslbench_evaluators.metrics.options"

RATES: dict[str, tuple[str, Literal["positive", "negative"], str]] = {
    "sensitivity": ("specificity", "positive", "Sens"),
    "specificity": ("sensitivity", "negative", "Spec"),
}
"""A rate, the one that is held for it, the class it is of, and its heading."""

METRICS = [
    MetricSpec(name="auroc", target="sslbench_evaluators.metrics.ranking:Auroc", heading="AUROC", chance=0.5,
               summary="chance that a positive image scores above a negative one"),
    MetricSpec(name="auprc", target="sslbench_evaluators.metrics.ranking:Auprc", heading="AUPRC", chance="prevalence",
               summary="average precision"),
    *(MetricSpec(name=f"{rate}-at-{held}-{level}", target=f"{_OPERATING}:{rate.capitalize()}",
                 options=f"{_OPTIONS}:OperatingOptions", defaults={"fixed": held, "level": level / 100},
                 heading=f"{short}@{RATES[held][2]}{level}", rests_on=of, threshold=True, chance=1 - level / 100,
                 summary=f"{rate} where validation images reach a {held} of {level} %")
      for rate, (held, of, short) in RATES.items() for level in (80, 90, 95)),
    MetricSpec(name="f1", target=f"{_OPERATING}:F1", options=f"{_OPTIONS}:OperatingOptions", heading="F1",
               threshold=True,
               summary="harmonic mean of precision and sensitivity, at a specificity of 90 % on validation images"),
    MetricSpec(name="balanced-accuracy", target=f"{_OPERATING}:BalancedAccuracy",
               options=f"{_OPTIONS}:OperatingOptions", heading="BAcc", threshold=True, chance=0.5,
               summary="mean of sensitivity and specificity, at a specificity of 90 % on validation images"),
    MetricSpec(name="brier", target=f"{_PROBABILITY}:Brier", heading="Brier", better="lower", ideal=0.0, rests_on="all",
               needs="probabilities", summary="mean squared distance of probability and label"),
    MetricSpec(name="ece", target=f"{_PROBABILITY}:CalibrationError", heading="ECE", better="lower", ideal=0.0,
               rests_on="all", needs="probabilities", summary="expected calibration error over 15 bins"),
    MetricSpec(name="calibration-slope", target=f"{_PROBABILITY}:CalibrationSlope", heading="Cal slope", bounds="real",
               better="target", ideal=1.0, needs="probabilities",
               summary="1 where log-odds are as spread as they should be, below where they are too extreme"),
    MetricSpec(name="calibration-intercept", target=f"{_PROBABILITY}:CalibrationIntercept", heading="Cal intercept",
               bounds="real", better="target", ideal=0.0, needs="probabilities",
               summary="0 where probabilities are right on average, below where they are too high"),
    MetricSpec(name="net-benefit", target=f"{_PROBABILITY}:NetBenefit", options=f"{_OPTIONS}:BenefitOptions",
               heading="Net benefit", bounds="real", needs="probabilities",
               summary="true positives minus false ones, weighed by the odds at which one treats"),
]  # fmt: skip


@hookimpl
def sslbench_components() -> Iterable[Component]:
    """The built-in evaluators and metrics."""
    return [
        *METRICS,
        EvaluatorSpec(name="linear", target="sslbench_evaluators.linear:Linear",
                      options="sslbench_evaluators.options:LinearOptions",
                      with_ehr=("linear-ehr", "ehr-only"), heading="Linear evaluation",
                      summary="logistic regression on frozen features, strength chosen on the validation split"),
        EvaluatorSpec(name="linear-ehr", target="sslbench_evaluators.ehr:LinearEhr", ehr="rows",
                      options="sslbench_evaluators.options:LinearOptions",
                      summary="logistic regression on frozen features with the EHR features beside them"),
        EvaluatorSpec(name="ehr-only", target="sslbench_evaluators.ehr:EhrOnly", ehr="rows", sees_encoder=False,
                      options="sslbench_evaluators.options:LinearOptions",
                      summary="logistic regression on the EHR features alone: how much they explain without an image"),
        EvaluatorSpec(name="knn", target="sslbench_evaluators.knn:Knn",
                      options="sslbench_evaluators.options:KnnOptions",
                      summary="weighted nearest neighbours by cosine, k chosen on the validation split"),
        EvaluatorSpec(name="clusters", target="sslbench_evaluators.clusters:Clusters",
                      options="sslbench_evaluators.options:ClustersOptions", fits=False,
                      summary="silhouette and k-means agreement by finding, sex, age group and view, "
                      "on the test split"),
        EvaluatorSpec(name="leakage", target="sslbench_evaluators.leakage:Leakage",
                      options="sslbench_evaluators.options:LeakageOptions",
                      summary="linear probes of age, sex and view: what else the frozen features reveal"),
        EvaluatorSpec(name="localise", target="sslbench_evaluators.localise:Localise",
                      options="sslbench_evaluators.options:LocaliseOptions", needs="encoder", presets=FEW_TOKENS,
                      summary="pointing game, IoU and Dice of frozen patch tokens against boxes "
                      "that radiologists drew"),
        EvaluatorSpec(name="linear-paper", target="sslbench_evaluators.linear_paper:LinearPaper",
                      options="sslbench_evaluators.options:HeadOptions", presets=FEW_EPOCHS, needs="encoder",
                      heading="Linear evaluation with augmented images",
                      summary="the paper's linear evaluation: a head on the frozen encoder, "
                      "trained on augmented images"),
        EvaluatorSpec(name="finetune", target="sslbench_evaluators.finetune:Finetune",
                      options="sslbench_evaluators.options:FinetuneOptions", presets=SHORT_TUNING, needs="encoder",
                      with_ehr=("finetune-ehr", "ehr-only"), heading="Fine-tuning",
                      summary="a copy of the encoder and a head on it, trained end to end on augmented images"),
        EvaluatorSpec(name="finetune-ehr", target="sslbench_evaluators.ehr:FinetuneEhr", ehr="fusion",
                      options="sslbench_evaluators.options:FinetuneOptions", presets=SHORT_TUNING, needs="encoder",
                      summary="fine-tuning with a fresh fusion of the EHR features between encoder and head"),
    ]  # fmt: skip
