"""The public conformance suite: what every component must keep, for one line of a plugin's own tests.

``check_method("my-method")`` runs all checks of a method; ``method_checks("my-method")`` lists them as
``(name, callable)``, for ``pytest.mark.parametrize``. The other kinds have theirs. Nothing here needs pytest, the
network, a GPU or data. The checks of a method start two processes, so a script of your own that calls them needs
``if __name__ == "__main__":``.
"""

from __future__ import annotations

from ssl_bench.testing.checks import Check
from ssl_bench.testing.dataset import check_dataset, dataset_checks
from ssl_bench.testing.encoder import check_encoder, encoder_checks
from ssl_bench.testing.evaluator import check_evaluator, evaluator_checks
from ssl_bench.testing.fusion import check_fusion, fusion_checks
from ssl_bench.testing.method import check_method, method_checks
from ssl_bench.testing.metric import check_metric, metric_checks

__all__ = [
    "Check",
    "check_dataset",
    "check_encoder",
    "check_evaluator",
    "check_fusion",
    "check_method",
    "check_metric",
    "dataset_checks",
    "encoder_checks",
    "evaluator_checks",
    "fusion_checks",
    "method_checks",
    "metric_checks",
]
