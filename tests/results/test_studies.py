"""Predictions of images are scored by study: the numbers, what is kept, and what is refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from ssl_bench.comparison.group_comparison import GroupComparison, measured
from ssl_bench.comparison.groups import read_groups
from ssl_bench.comparison.lines import lines_of
from ssl_bench.comparison.pairs import check_alike, run_scores
from ssl_bench.comparison.run import read_kept, runs_of
from ssl_bench.errors import DataError, UsageError
from ssl_bench.evaluate.notices import Notices
from ssl_bench.evaluate.protocols import Found
from ssl_bench.evaluate.reevaluate import check_same_unit
from ssl_bench.plan.plan import Plan
from ssl_bench.plan.units import aggregates, check_labels, unit_notes
from ssl_bench.plugin.cohort import Cohort
from ssl_bench.plugin.components import DatasetSpec
from ssl_bench.plugin.contracts import Predictions, Split
from ssl_bench.plugin.registry import Registry
from ssl_bench.results.record import SCHEMA, Record
from ssl_bench.results.rows import Origin, Scored, as_table
from ssl_bench.results.rundir import RunDirectory
from ssl_bench.results.studies import of_studies
from ssl_bench.stats.measures import gauges

LABELS = ("Edema", "Mass")
STUDIES, EACH = 60, 3


def scored(seed: int = 0) -> Scored:
    """Three images of each of 60 studies of 30 patients, in another order than the studies'."""
    rng = np.random.default_rng(seed)
    order = np.random.default_rng(9).permutation(STUDIES * EACH)
    study = np.repeat(np.arange(STUDIES), EACH)[order]
    labels = np.random.default_rng(1).integers(0, 2, (STUDIES, 2)).astype(float)[study]
    scores = 1 / (1 + np.exp(-(labels + 2 * rng.normal(size=labels.shape))))
    ehr = {"sex": np.array(["F", "M"], object)[study // 2 % 2], "view": np.array(["PA", "AP"], object)[order % 2]}
    images, patients, features = order.astype(str), (study // 2).astype(str), np.zeros((len(order), 1))
    studies, rows = (study % 2).astype(str), np.arange(len(order))
    split = Split("test", images, patients, features, labels, rows, ehr, study_ids=studies)
    return Scored(Origin("trained", "tiny", "tiny", "linear", 0), split, Predictions("test", scores))


def by_hand(aggregate: str, seed: int = 0) -> pd.DataFrame:
    """Label and score of the first finding by study, without the code under test."""
    item = scored(seed)
    frame = pd.DataFrame({"patient": item.split.patient_ids, "study": item.split.study_ids,
                          "y": item.split.labels[:, 0], "p": item.predictions.scores[:, 0]})  # fmt: skip
    return frame.groupby(["patient", "study"]).agg({"y": "first", "p": aggregate})


def write_run(folder: Path, aggregate: str, seed: int = 0) -> Path:
    """A finished run of these predictions."""
    run = RunDirectory(folder)
    folder.mkdir()
    found = Found(run, 100, Notices(print), aggregates={} if aggregate == "none" else {"tiny": aggregate})
    found._measure(scored(seed), LABELS, None)
    run.write_config({"seed": seed})
    run.write_record(Record.model_validate({
        "schema": SCHEMA, "metrics": found.rows, "comparisons": [], "method": f"msn{seed}", "features": [],
        "notes": [], "config": {"seed": seed}, "data": {"name": "tiny"}, "synthetic": False, "pretraining": {},
    }))  # fmt: skip
    return folder


@pytest.mark.parametrize("aggregate", ["max", "mean"])
def test_numbers_are_of_studies_and_kept_predictions_of_images(tmp_path: Path, aggregate: str) -> None:
    path = write_run(tmp_path / "run", aggregate)
    record = RunDirectory(path).read_record()
    row = next(r for r in record.metrics if (r.subgroup, r.label, r.metric) == ("all", "Edema", "auroc"))
    expected = by_hand(aggregate)
    assert row.value == pytest.approx(roc_auc_score(expected["y"], expected["p"]), abs=1e-12)
    assert (row.unit, row.aggregate, row.n_images, row.n_patients) == ("study", aggregate, 60, 30)
    assert row.n_positive == (expected["y"] == 1).sum()
    assert {r.unit for r in record.metrics} == {"study"}
    women = next(r for r in record.metrics if (r.subgroup, r.label) == ("sex=F", "macro"))
    assert women.n_images == 30
    assert not [r for r in record.metrics if r.subgroup.startswith("view")]  # images of a study differ in it
    (kept,) = (path / "predictions").rglob("*.parquet")
    table = read_kept(kept)
    assert len(table.ids) == STUDIES * EACH
    assert table.studies is not None


def test_readers_of_kept_predictions_recompute_the_record(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", "max")
    record = RunDirectory(path).read_record()
    (member,) = runs_of(path, record)
    place = ("linear", "tiny", "tiny")
    values = measured(member.predictions(place))["auroc"]
    assert values[0] == pytest.approx(member.by_setting[place]["Edema", "auroc"].value, abs=1e-12)
    table = run_scores(path).tables["linear"]
    assert (table.unit, len(table.ids)) == ("study", STUDIES)
    np.testing.assert_allclose(measured(table)["auroc"], values, atol=1e-12)


def test_units_are_not_mixed(tmp_path: Path) -> None:
    first, second = write_run(tmp_path / "a", "max"), write_run(tmp_path / "b", "none", seed=1)
    pair = [run_scores(path).tables["linear"] for path in (first, second)]
    sentence = "is scored by .* and .* is scored by .*; evaluate one of them again with the --aggregate of the other"
    with pytest.raises(DataError, match=r"a is scored by study \(max\) and .*b is scored by image; evaluate"):
        check_alike(*pair, first, second)
    place = ("linear", "tiny", "tiny")
    lines, _ = lines_of(read_groups([first, second]), place)
    with pytest.raises(DataError, match=sentence):
        _ = GroupComparison(place, lines, 100).labels


def test_a_study_has_what_its_images_share() -> None:
    joined = of_studies(scored(), LABELS, "max")
    assert set(joined.split.ehr["sex"]) == {"F", "M"}
    assert set(joined.split.ehr["view"]) == {None}
    assert of_studies(scored(), LABELS, "none").origin.unit == "image"


def cohort(name: str, edema: list[float], studies: list[str]) -> Cohort:
    frame = pd.DataFrame({"image_id": [f"i{k}" for k in range(len(edema))], "patient_id": "p", "study_id": studies,
                          "split": "test", "Edema": edema})  # fmt: skip
    return Cohort(name, Path(), frame, (), ("Edema",))


PLAIN, BY_STUDY = (DatasetSpec(name="x", target="", summary="", aggregate=how) for how in ("", "max"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "part", "found"),
    [
        (None, PLAIN, {}), (None, BY_STUDY, {"x": "max"}), ("none", BY_STUDY, {}), ("mean", BY_STUDY, {"x": "mean"}),
        ("mean", PLAIN, {"x": "mean"}),
    ],
)  # fmt: skip
def test_what_is_asked_for_goes_before_what_the_plugin_says(
    asked: str | None, part: DatasetSpec, found: dict[str, str]
) -> None:
    assert aggregates(asked, {"x": part}, cohort("x", [1, 1, 0], ["a", "a", "b"]), ()) == found


def test_several_datasets_together_have_a_unit_where_all_agree() -> None:
    both = cohort("x+y", [1, 1, 0], ["a", "a", "b"])
    assert aggregates(None, {"x": BY_STUDY, "y": PLAIN}, both, ()) == {"x": "max"}
    assert aggregates(None, {"x": BY_STUDY, "y": BY_STUDY}, both, ()) == {"x": "max", "y": "max", "x+y": "max"}


def test_other_test_sets_have_units_of_their_own() -> None:
    home, away = cohort("x", [1, 0, 0], ["a", "b", "c"]), cohort("away", [1, 1, 0], ["a", "a", "b"])
    other: Any = SimpleNamespace(name="away", cohort=away, mode="refit", shared=(),
                                 dataset=SimpleNamespace(component=BY_STUDY))  # fmt: skip
    assert aggregates(None, {"x": PLAIN}, home, [other]) == {"away": "max"}
    disputed = SimpleNamespace(**{**vars(other), "cohort": cohort("away", [1, 0, 0], ["a", "a", "b"])})
    with pytest.raises(
        DataError, match="away is to be scored by study, and images of 1 study disagree on a label: p/a"
    ):
        aggregates(None, {"x": PLAIN}, home, [cast("Any", disputed)])


def test_studies_that_cannot_be_scored_are_told_at_once() -> None:
    with pytest.raises(
        DataError, match=r"disagree on a label: p/a; give each image .* or score images by --aggregate none"
    ):
        aggregates("max", {"x": PLAIN}, cohort("x", [1, 0, 0], ["a", "a", "b"]), ())
    with pytest.raises(DataError, match="--aggregate max needs studies, and every image of x is a study by itself"):
        aggregates("max", {"x": PLAIN}, cohort("x", [1, 0, 0], ["a", "b", "c"]), ())
    check_labels(cohort("x", [1, float("nan"), 0], ["a", "a", "b"]).frame, ["Edema"], "x")
    told = unit_notes({"x": "max"}, None)[0]
    assert told.startswith("x is scored by study: the largest score of its images; its truth is by study, --aggregate")


def test_rows_of_another_unit_may_not_stay(tmp_path: Path) -> None:
    record = RunDirectory(write_run(tmp_path / "run", "max")).read_record()
    evaluate = SimpleNamespace(label_fractions=(1.0,), label_draws=1)

    def plan(name: str, **units: str) -> Plan:
        part = SimpleNamespace(name=name, component=SimpleNamespace(fits=True))
        made = SimpleNamespace(parts=SimpleNamespace(evaluators=(part,)), aggregates=units, external=(),
                               config=SimpleNamespace(evaluate=evaluate))  # fmt: skip
        return cast("Plan", made)

    check_same_unit(record, plan("knn", tiny="max"))
    check_same_unit(record, plan("linear"))  # all rows are measured anew
    with pytest.raises(UsageError, match="rows of linear on tiny are scored with --aggregate max and would stay"):
        check_same_unit(record, plan("knn"))


def test_thresholds_are_chosen_on_studies_too(tmp_path: Path, registry: Registry) -> None:
    item = scored()
    found = Found(RunDirectory(tmp_path), 100, Notices(print), aggregates={"tiny": "mean"})
    found.metrics = gauges(registry, ("f1",))
    found._measure(item, LABELS, as_table(item, LABELS))
    row = next(r for r in found.rows if (r.label, r.metric, r.subgroup) == ("Edema", "f1", "all"))
    assert np.isclose(by_hand("mean")["p"], row.threshold, atol=1e-12).any()
    assert not np.isclose(item.predictions.scores[:, 0], row.threshold, atol=1e-12).any()
