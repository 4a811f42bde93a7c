"""The built-in evaluation protocols. A new protocol is one line here."""

from __future__ import annotations

from collections.abc import Iterable

from ssl_bench import Component, Evaluator, hookimpl


@hookimpl
def sslbench_components() -> Iterable[Component]:
    """The built-in evaluators."""
    return [
        Evaluator(name="linear", target="sslbench_evaluators.linear:Linear",
                  options="sslbench_evaluators.options:LinearOptions",
                  summary="logistic regression on frozen features, strength chosen on the validation split"),
        Evaluator(name="knn", target="sslbench_evaluators.knn:Knn",
                  options="sslbench_evaluators.options:KnnOptions",
                  summary="weighted nearest neighbours by cosine, k chosen on the validation split"),
        Evaluator(name="clusters", target="sslbench_evaluators.clusters:Clusters",
                  options="sslbench_evaluators.options:ClustersOptions",
                  summary="silhouette and k-means agreement by finding, sex, age group and view, on the test split"),
    ]  # fmt: skip
