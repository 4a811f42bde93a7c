"""Faults of plugins: 23, and predictions that are no numbers, 28."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from ssl_bench.data import views

MISSPELT = """
from ssl_bench import hookimpl

@hookimpl
def sslbench_component():
    return []
"""

COLLIDES = """
from ssl_bench import MethodSpec, hookimpl

@hookimpl
def sslbench_components():
    return [MethodSpec(name="simclr", target="sslbench_collides:X", summary="another one of this name"),
            MethodSpec(name="mine", target="sslbench_collides:Absent", summary="its target is not there")]
"""


@pytest.fixture
def broken(plugin: Any) -> None:
    """Three plugins that cannot be used."""
    plugin("raises", "import sys\nraise ImportError('libcuda.so.99: cannot open\\nshared object')\n")
    plugin("misspelt", MISSPELT)
    plugin("collides", COLLIDES)


@pytest.mark.usefixtures("broken")
def test_fault_23_plugin_that_raises_misspells_or_collides_is_listed_as_broken(bench: Any) -> None:
    answer = bench.cli("plugins")
    assert (answer.code, answer.err) == (0, "")
    broken = [line for line in answer.out.splitlines() if line.startswith("broken")]
    assert any("sslbench-raises 1.0:raises  ImportError: libcuda.so.99: cannot open shared object" in line
               for line in broken)  # fmt: skip
    assert any("sslbench-misspelt 1.0:misspelt" in line and "did you mean 'sslbench_components'?" in line
               for line in broken)  # fmt: skip
    both = [line for line in broken if "method 'simclr' is offered twice, by " in line]
    assert len(both) == 2
    assert all("sslbench-collides 1.0:collides" in line and "uninstall one" in line for line in both)
    names = [line.split()[1] for line in answer.out.splitlines() if line.startswith("method ")]
    assert "msn-ehr" in names
    assert "mine" in names
    assert "simclr" not in names


@pytest.mark.usefixtures("broken")
def test_fault_23_plugin_that_is_broken_leaves_the_others_working(bench: Any) -> None:
    answer = bench.run(method=("--method", "random"))
    assert answer.code == 0, answer.err


@pytest.mark.usefixtures("broken")
def test_fault_23_plugin_that_is_broken_is_an_error_where_it_is_asked_for(bench: Any) -> None:
    assert "method 'simclr' is offered twice" in bench.refused(4, method=("--method", "simclr"))
    sentence = bench.refused(2, method=("--method", "raises"))
    assert sentence.startswith("unknown method 'raises'; ")
    assert "broken plugin sslbench-raises 1.0:raises: ImportError: libcuda.so.99: cannot open shared object" in sentence
    assert "method 'mine' cannot be loaded from 'sslbench_collides:Absent': AttributeError: " in bench.refused(
        4, method=("--method", "mine")
    )


EVALUATOR = """
import numpy as np
from ssl_bench import EvaluatorSpec, hookimpl
from ssl_bench.plugin.contracts import MetricValue, Predictions

@hookimpl
def sslbench_components():
    return [EvaluatorSpec(name="odd", target="sslbench_odd:Odd", summary="gives what is no number")]

class Odd:
    def __init__(self, options):
        pass
    def evaluate(self, context):
        split = context.splits["test"]
        scores = np.random.default_rng(0).random(split.labels.shape)
"""


def odd(bench: Any, plugin: Any, body: str) -> Any:
    plugin("odd", EVALUATOR + body)
    return bench.run("--eval", "odd", method=("--method", "random"))


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_fault_28_non_finite_predictions_are_an_error_with_ids(bench: Any, plugin: Any, value: str) -> None:
    answer = odd(bench, plugin, f"        scores[[2, 5], 3] = float('{value}')\n"
                                "        yield Predictions('test', scores)\n")  # fmt: skip
    assert answer.code == 3
    assert bench.sentence(answer) == (
        "protocol 'odd' gave non-finite scores for 2 images of split 'test': 00000010_000.png, 00000015_001.png; "
        "correct it, or leave it out of --eval"
    )
    assert not (bench.out / "record.json").exists()
    assert not list((bench.out / "predictions").rglob("*.parquet"))


def test_fault_28_a_label_that_could_not_be_fitted_is_no_fault(bench: Any, plugin: Any) -> None:
    answer = odd(bench, plugin, "        scores[:, 3] = float('nan')\n        yield Predictions('test', scores)\n")
    assert answer.code == 0, answer.err


def test_fault_28_a_non_finite_metric_is_an_error_before_anything_is_on_record(bench: Any, plugin: Any) -> None:
    answer = odd(bench, plugin, "        yield MetricValue('test', 'Mass', 'silhouette', float('nan'))\n")
    assert answer.code == 3
    assert bench.sentence(answer).startswith("protocol 'odd' gave silhouette = nan for 'Mass' of split 'test'; ")
    assert not (bench.out / "record.json").exists()
    assert not (bench.out / "metrics.csv").exists()


def test_fault_28_non_finite_predictions_cost_no_training(bench: Any, plugin: Any) -> None:
    plugin("odd", EVALUATOR + "        yield Predictions('test', np.where(scores > 0.9, np.inf, scores))\n")
    assert bench.run("--eval", "odd").code == 3
    before = bench.files(bench.out / "checkpoints")
    answer = bench.resume("--eval", "linear")
    assert answer.code == 0, answer.err
    assert "resuming with evaluate.protocols: ['odd'] -> ['linear']" in answer.err
    assert bench.files(bench.out / "checkpoints") == before
    assert json.loads((bench.out / "record.json").read_text())["pretraining"]["resumed_at"] == 10


def test_fault_28_non_finite_features_are_an_error_with_ids(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = views.whole_view

    def spoilt(images: torch.Tensor, *arguments: Any, **options: Any) -> torch.Tensor:
        view = before(images, *arguments, **options)
        view[1] = float("nan")
        return view

    monkeypatch.setattr("ssl_bench.evaluate.embed.whole_view", spoilt)
    answer = bench.run("--set", "evaluate.batch_size=256", method=("--method", "random"))  # all images in one batch
    assert answer.code == 3
    sentence = bench.sentence(answer)
    assert sentence.startswith("the encoder gives non-finite features for 1 image: 00000002_001.png; ")
    assert not (bench.out / "record.json").exists()
