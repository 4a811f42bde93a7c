from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ssl_bench.cli import app
from ssl_bench.comparison.pairs import compare_all, compare_runs, other_findings, other_options, run_scores
from ssl_bench.errors import DataError, UsageError
from ssl_bench.results.record import SCHEMA, Record
from ssl_bench.results.rundir import RunDirectory
from ssl_bench.stats.intervals import measure_difference

typer_testing = pytest.importorskip("typer.testing")
LABELS = ("Edema", "Effusion")


def test_other_options_of_a_protocol_are_said(tmp_path: Path) -> None:
    runs = [run_scores(make_run(tmp_path / f"run{seed}", seed)) for seed in (1, 2)]
    assert other_options(*runs) == []
    runs = [
        replace(run, record=run.record.but(options={"evaluator": {"linear": {"strengths": [strength]}}}))
        for run, strength in zip(runs, (0.1, 1.0), strict=True)
    ]
    assert other_options(*runs) == [
        f"linear: measured with different options, strengths is [0.1] in {runs[0].run} and [1.0] in {runs[1].run}"
    ]


def make_run(folder: Path, seed: int, *, labels: tuple[str, ...] = LABELS, images: int = 120) -> Path:
    """A finished run with test predictions of one protocol; truth is the same for every seed."""
    truth = np.random.default_rng(0).integers(0, 2, (images, len(LABELS)))[:, : len(labels)]
    noise = np.random.default_rng(seed).normal(size=truth.shape)
    directory = RunDirectory(folder)
    folder.mkdir()
    directory.write_config({"seed": seed})
    frame = pd.DataFrame({"image_id": [f"i{n}" for n in range(images)], "patient_id": [f"p{n}" for n in range(images)]})
    for column, label in enumerate(labels):
        frame[f"y_{label}"] = truth[:, column].astype(float)
        frame[f"p_{label}"] = 1 / (1 + np.exp(-(truth[:, column] + seed * noise[:, column])))
    rest = {"settings": {"strength": 1.0}, "fraction": 1.0, "draw": 0}
    directory.write_predictions("trained", "toy-test-linear", rest, frame.sample(frac=1, random_state=seed))
    row: dict[str, Any] = {
        "encoder": "trained", "dataset": "toy", "split": "test", "protocol": "linear", "subgroup": "all",
        "label": "macro", "metric": "auroc", "value": 0.5, **rest,
    }  # fmt: skip
    directory.write_record(Record.model_validate({"schema": SCHEMA, "metrics": [row], "comparisons": []}))
    return folder


def test_differences_equal_those_of_the_tables(tmp_path: Path) -> None:
    base, other = (run_scores(make_run(tmp_path / name, seed)) for name, seed in (("a", 3), ("b", 1)))
    rows = list(compare_runs(base, other, 200, 7))
    macro = next(row for row in rows if row.label == "macro" and row.metric == "auroc")
    first, second = (scores.tables["linear"] for scores in (other, base))
    order = [np.argsort(table.ids) for table in (first, second)]
    expected = measure_difference(
        first.truth[order[0]], first.scores[order[0]], second.scores[order[1]],
        patients=first.patients[order[0]], replicates=200, seed=7,
    )["auroc"].macro  # fmt: skip
    assert macro.value == expected.value > 0
    assert (macro.ci_low, macro.ci_high) == (expected.low, expected.high)


def test_other_patients_of_the_same_images_are_refused(tmp_path: Path) -> None:
    pair = [run_scores(make_run(tmp_path / name, seed)) for name, seed in (("a", 3), ("b", 1))]
    pair[1].tables["linear"].patients[0] = "another"
    with pytest.raises(DataError, match="disagree on whose their test images are"):
        next(compare_runs(*pair, 200, 0))


def test_delong_stands_beside_single_findings_alone(tmp_path: Path) -> None:
    base, other = (run_scores(make_run(tmp_path / name, seed)) for name, seed in (("a", 3), ("b", 1)))
    rows = list(compare_runs(base, other, 200, 0))
    by_kind = {(row.label, row.metric): row.delong_p for row in rows}
    assert by_kind["macro", "auroc"] is None
    assert by_kind["Edema", "auprc"] is None
    assert 0 < by_kind["Edema", "auroc"] < 0.05


def test_holm_covers_all_comparisons_of_a_call(tmp_path: Path) -> None:
    result = compare_all([run_scores(make_run(tmp_path / str(seed), seed)) for seed in (3, 1, 2)], 200, 0)
    rows = [row for comparison in result.pairs for row in comparison.rows]
    macro = [row for row in rows if (row.label, row.metric) == ("macro", "auroc")]
    raw = sorted(row.p for row in macro)
    assert sorted(row.p_holm for row in macro)[0] == pytest.approx(min(1.0, 2 * raw[0]))
    assert result.notes[0].startswith(
        f"2 tests against {tmp_path / '3'} in macro AUROC, p adjusted by Holm for their number:"
    )
    single = [row for row in rows if row.label != "macro" and row.metric == "auroc"]
    assert min(row.p_holm for row in single) == pytest.approx(min(1.0, 4 * min(row.p for row in single)))
    assert "p of 4 single findings is adjusted as a separate family" in result.notes


def test_one_encoder_under_several_names_is_one_hypothesis(tmp_path: Path) -> None:
    base, other, copy = (make_run(tmp_path / name, seed) for name, seed in (("a", 3), ("b", 1), ("copy", 1)))
    once, twice = (compare_all([run_scores(path) for path in paths], 200, 0) for paths in
                   ((base, other), (base, other, copy, base)))  # fmt: skip
    first, second, itself = twice.pairs
    assert [row.p_holm for row in first.rows] == [row.p_holm for row in once.pairs[0].rows]
    assert {row.p for row in second.rows} == {row.p for row in itself.rows} == {None}
    assert second.notes == (f"linear: not tested: the same encoder as {other}, which is tested above",)
    assert itself.notes == ("linear: not tested: the same encoder",)
    assert twice.notes[0].startswith(f"1 test against {base}")


def test_a_protocol_that_looks_at_no_encoder_is_no_test(tmp_path: Path) -> None:
    runs = [run_scores(make_run(tmp_path / name, seed)) for name, seed in (("a", 3), ("b", 1))]
    runs[0] = replace(runs[0], record=runs[0].record.but(without_encoder=("linear",)))
    result = compare_all(runs, 200, 0)
    assert result.notes == ()
    assert result.pairs[0].notes == ("linear: not tested: the protocol looks at no encoder",)


def test_common_findings_are_compared(tmp_path: Path) -> None:
    base, other = run_scores(make_run(tmp_path / "a", 3)), run_scores(make_run(tmp_path / "b", 1, labels=LABELS[:1]))
    assert {row.label for row in compare_runs(base, other, 200, 0)} == {"Edema", "macro"}
    (note,) = other_findings(base, other)
    assert note == f"linear: macro and findings over the 1 that both have; Effusion only in {tmp_path / 'a'}"
    assert other_findings(base, base) == []


def test_other_test_images_are_refused_with_the_difference(tmp_path: Path) -> None:
    base, other = run_scores(make_run(tmp_path / "a", 3)), run_scores(make_run(tmp_path / "b", 1, images=118))
    with pytest.raises(DataError, match=r"same test images only; 0 are in .*, 2 in .* alone \(i118, i119\)"):
        list(compare_runs(base, other, 200, 0))


def test_an_unfinished_run_is_refused(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "a", 3)
    (folder / "record.json").unlink()
    with pytest.raises(UsageError, match="no finished run"):
        run_scores(folder)


def test_the_command_prints_json_and_speaks_of_encoders(tmp_path: Path) -> None:
    paths = [str(make_run(tmp_path / name, seed)) for name, seed in (("a", 3), ("b", 1))]
    result = typer_testing.CliRunner().invoke(app, ["compare", *paths, "--json", "--replicates", "200"])
    answer = json.loads(result.stdout)
    assert answer["comparisons"][0]["run"] == paths[1]
    assert "not their methods" in answer["note"]


def test_the_command_says_which_findings_are_compared(tmp_path: Path) -> None:
    paths = [str(make_run(tmp_path / "a", 3)), str(make_run(tmp_path / "b", 1, labels=LABELS[:1]))]
    shown = typer_testing.CliRunner().invoke(app, ["compare", *paths, "--replicates", "200"]).stdout
    assert "the 1 that both have" in " ".join(shown.split())
