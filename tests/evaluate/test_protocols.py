from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from ssl_bench.build.prepared import PreparedData
from ssl_bench.data.source import ImageSource, PixelStatistics
from ssl_bench.data.subsets import Subset, restricted
from ssl_bench.errors import PluginError
from ssl_bench.evaluate.embed import embed
from ssl_bench.evaluate.embedder import raw_ehr, whole_images
from ssl_bench.evaluate.fittings import Fitting, held_out_images
from ssl_bench.evaluate.notices import Notices
from ssl_bench.evaluate.protocols import Found, _results, due
from ssl_bench.plugin.cohort import Cohort
from ssl_bench.plugin.components import EvaluatorSpec
from ssl_bench.plugin.contracts import EvalContext, MetricValue, Predictions, Split
from ssl_bench.results.row import MetricRow
from ssl_bench.results.rows import Origin
from ssl_bench.results.rundir import RunDirectory
from ssl_bench.testing.tiny import backbone


def some_split(ehr: dict[str, Any]) -> Split:
    rows = np.arange(3)
    return Split("test", rows.astype(str), rows.astype(str), np.zeros((3, 2), np.float32), np.zeros((3, 1)), rows, ehr)


def test_missing_ehr_values_are_nan_for_the_age_and_none_for_text() -> None:
    frame = pd.DataFrame({"age": [30, None, 50], "sex": ["M", None, "F"], "view": [np.nan, np.nan, np.nan]})
    found = raw_ehr(frame)
    np.testing.assert_array_equal(found["age"], [30, np.nan, 50])
    assert found["sex"].tolist() == ["M", None, "F"]
    assert found["view"].tolist() == [None, None, None]


def test_a_restricted_split_keeps_the_ehr_of_its_rows() -> None:
    split = some_split(raw_ehr(pd.DataFrame({"age": [1.0, 2.0, 3.0], "sex": ["M", "F", None]})))
    kept = restricted(split, np.array([False, True, True]))
    assert kept.ehr["age"].tolist() == [2, 3]
    assert kept.ehr["sex"].tolist() == ["F", None]


def test_a_protocols_own_interval_reaches_the_row() -> None:
    @dataclass
    class Chosen:
        component = EvaluatorSpec(name="leakage", target="", summary="")

        def build(self) -> Chosen:
            return self

        def evaluate(self, context: EvalContext) -> list[MetricValue]:
            return [
                MetricValue("test", "sex=F", "auroc", 0.7, "", 0.6, 0.8, 0.61, 0.79),
                MetricValue("test", "age", "r2", 0.1),
            ]

    context = EvalContext({"test": some_split({})}, ["Edema"], None, "cpu", 0)  # type: ignore[arg-type]
    origin = Origin("trained", "tiny", "tiny", "leakage", 0)
    first, second = _results(Chosen(), origin, Subset(0.5, 1, context))  # type: ignore[arg-type]
    names = ("ci_low", "ci_high", "percentile_low", "percentile_high")
    assert [first.named(name) for name in names] == [0.6, 0.8, 0.61, 0.79]
    assert [second.named(name) for name in names] == [None] * 4
    assert (first.fraction, first.draw) == (0.5, 1)


def test_a_protocol_that_fits_nothing_runs_once_and_of_no_share() -> None:
    @dataclass
    class Chosen:
        component: EvaluatorSpec

        def build(self) -> Chosen:
            return self

        def evaluate(self, context: EvalContext) -> list[MetricValue]:
            return [MetricValue("test", "sex", "silhouette", 0.1)]

    fitted, free = (Chosen(EvaluatorSpec(name=n, target="", summary="", fits=n == "a")) for n in ("a", "b"))
    context = EvalContext({"test": some_split({})}, ["Edema"], None, "cpu", 0)  # type: ignore[arg-type]
    shares = (0.1, 0.5)
    seen = [
        (chosen.component.name, subset.fraction, subset.draw)
        for subset in [Subset(f, d, context) for f in shares for d in range(2)]
        for chosen in due((fitted, free), subset, shares)  # type: ignore[arg-type]
    ]
    assert [item for item in seen if item[0] == "b"] == [("b", 0.5, 0)]
    assert len(seen) == 5
    origin = Origin("trained", "tiny", "tiny", "b", 0)
    (row,) = _results(free, origin, Subset(0.5, 0, context))  # type: ignore[arg-type]
    assert (row.fraction, row.draw) == (1.0, 0)


def test_what_a_protocol_warns_of_is_told_with_the_stages(tmp_path: Path) -> None:
    told: list[str] = []
    found = Found(RunDirectory(tmp_path), 100, Notices(told.append))
    fitting = Fitting("tiny", EvalContext({}, [], None, "cpu", 0, external={"nih14": "test"}), {}, {})  # type: ignore[arg-type]

    def results() -> Iterator[MetricRow]:
        warnings.warn("1 of 2 heads had not converged", stacklevel=1)
        yield MetricRow(value=1.0)

    for _ in ("trained", "random"):
        found.add(results(), "linear", fitting)
    assert told == [
        "protocol 'linear': 1 of 2 heads had not converged",
        "protocol 'linear' predicts nothing on other datasets, so nih14 is left out",
    ]
    assert len(found.rows) == 2


BATCH = 2


@dataclass
class Batched:
    """Scores in batches of two: all of them, without the last one, or all of them twice over."""

    stop: int | None = None
    times: int = 1
    split: str = "test"
    component = EvaluatorSpec(name="batched", target="", summary="")

    def build(self) -> Batched:
        return self

    def evaluate(self, context: EvalContext) -> Iterator[Predictions]:
        rows = np.arange(len(context.splits["test"].rows))
        batches = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)][: self.stop]
        for _ in range(self.times):
            yield Predictions(self.split, np.concatenate(batches)[:, None] / 10)


def add(protocol: Batched, folder: Path, images: int = 3) -> Found:
    """Results on a test split of three images, where the manifest says ``images``."""
    context = EvalContext({"test": some_split({})}, ["Edema"], None, "cpu", 0)  # type: ignore[arg-type]
    origin = Origin("trained", "tiny", "tiny", "batched", 0)
    found = Found(RunDirectory(folder), 100, Notices(print))
    fitting = Fitting("tiny", context, {"test": ()}, {"test": images})
    found.add(_results(protocol, origin, Subset(1.0, 0, context)), "batched", fitting)  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize(
    ("protocol", "images", "sentence"),
    [
        (Batched(-1), 3, "scored 2 images of split 'test', expected 3: a protocol scores every image of a split"),
        (Batched(), 4, "scored 3 images of split 'test', expected 4: "),
        (Batched(times=2), 3, "scored split 'test' twice, expected one prediction"),
        (Batched(split="dev"), 3, "gave a result of split 'dev', expected test"),
    ],
)
def test_a_protocol_scores_every_image_of_the_manifest_once(
    protocol: Batched, images: int, sentence: str, tmp_path: Path
) -> None:
    add(Batched(), tmp_path)
    with pytest.raises(PluginError, match=f"^protocol 'batched' {sentence}"):
        add(protocol, tmp_path, images)


def test_images_that_were_quarantined_are_not_expected() -> None:
    frame = pd.DataFrame({"split": ["train", "train", "test", "test", "test"]})
    cohort = Cohort("tiny", Path(), frame, (), ())
    material = PreparedData(cohort, (), np.arange(5), None, PixelStatistics(0.5, 0.25), {"x": "gone"})  # type: ignore[arg-type]
    assert held_out_images(material) == {"validate": 0, "test": 3}


def test_protocols_see_the_images_that_were_embedded() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 40, 40)).astype(np.uint8)
    source, grey, network = ImageSource(images, torch.device("cpu"), "ram"), PixelStatistics(0.5, 0.25), backbone("vit")
    material = PreparedData(None, (), np.arange(5), source, grey, {})  # type: ignore[arg-type]
    rows = np.array([3, 1])
    features = embed(network, source, rows, grey)
    with torch.inference_mode():
        again = network(whole_images(material, network, rows)).pooled.numpy()
    np.testing.assert_allclose(features, again, atol=1e-6)
