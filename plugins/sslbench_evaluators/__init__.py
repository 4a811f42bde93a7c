"""The built-in evaluation protocols. A new protocol is one line here."""

from __future__ import annotations

from collections.abc import Iterable

from ssl_bench import Component, Evaluator, hookimpl

FEW_EPOCHS = {
    "smoke": {"epochs": 2, "batch_size": 32, "lr": 1e-2},
    "demo": {"epochs": 5, "lr": 1e-2},
}
"""Small trainings of a head alone; a high rate makes up for few steps."""

SHORT_TUNING = {
    "smoke": {"epochs": 2, "batch_size": 32, "lr": 1e-3},
    "demo": {"epochs": 5, "lr": 5e-4},
}
"""Small trainings of a whole encoder."""


@hookimpl
def sslbench_components() -> Iterable[Component]:
    """The built-in evaluators."""
    return [
        Evaluator(name="linear", target="sslbench_evaluators.linear:Linear",
                  options="sslbench_evaluators.options:LinearOptions",
                  with_ehr=("linear-ehr", "ehr-only"),
                  summary="logistic regression on frozen features, strength chosen on the validation split"),
        Evaluator(name="linear-ehr", target="sslbench_evaluators.ehr:LinearEhr", ehr="rows",
                  options="sslbench_evaluators.options:LinearOptions",
                  summary="logistic regression on frozen features with the EHR features beside them"),
        Evaluator(name="ehr-only", target="sslbench_evaluators.ehr:EhrOnly", ehr="rows", sees_encoder=False,
                  options="sslbench_evaluators.options:LinearOptions",
                  summary="logistic regression on the EHR features alone: how much they explain without an image"),
        Evaluator(name="knn", target="sslbench_evaluators.knn:Knn",
                  options="sslbench_evaluators.options:KnnOptions",
                  summary="weighted nearest neighbours by cosine, k chosen on the validation split"),
        Evaluator(name="clusters", target="sslbench_evaluators.clusters:Clusters",
                  options="sslbench_evaluators.options:ClustersOptions", fits=False,
                  summary="silhouette and k-means agreement by finding, sex, age group and view, on the test split"),
        Evaluator(name="leakage", target="sslbench_evaluators.leakage:Leakage",
                  options="sslbench_evaluators.options:LeakageOptions",
                  summary="linear probes of age, sex and view: what else the frozen features tell"),
        Evaluator(name="linear-paper", target="sslbench_evaluators.linear_paper:LinearPaper",
                  options="sslbench_evaluators.options:HeadOptions", presets=FEW_EPOCHS, needs="encoder",
                  summary="the paper's linear evaluation: a head on the frozen encoder, trained on augmented images"),
        Evaluator(name="finetune", target="sslbench_evaluators.finetune:Finetune",
                  options="sslbench_evaluators.options:FinetuneOptions", presets=SHORT_TUNING, needs="encoder",
                  with_ehr=("finetune-ehr", "ehr-only"),
                  summary="a copy of the encoder and a head on it, trained end to end on augmented images"),
        Evaluator(name="finetune-ehr", target="sslbench_evaluators.ehr:FinetuneEhr", ehr="fusion",
                  options="sslbench_evaluators.options:FinetuneOptions", presets=SHORT_TUNING, needs="encoder",
                  summary="fine-tuning with a fresh fusion of the EHR features between encoder and head"),
    ]  # fmt: skip
