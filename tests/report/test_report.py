"""The report: whole, true to the record, rebuilt without computing, and clear where it cannot be written."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ssl_bench.api.start import report_or_warn
from ssl_bench.config.config import load
from ssl_bench.errors import DataError, UsageError
from ssl_bench.numbers import p_text
from ssl_bench.pipeline import write_preamble
from ssl_bench.plan.plan import make_plan
from ssl_bench.plugin.registry import Registry
from ssl_bench.report import kept
from ssl_bench.report import report as module
from ssl_bench.report.evaluations import evaluations
from ssl_bench.report.report import write_report
from ssl_bench.report.run_tables import interval_text, on_test, signed_text
from ssl_bench.report.terminal import Terminal
from ssl_bench.report.text import cell
from ssl_bench.results.record import Record
from ssl_bench.results.rundir import RunDirectory
from tests.report.conftest import PICTURES, Make


def markdown(run: RunDirectory) -> str:
    return (run.path / "report.md").read_text()


def table_rows(text: str) -> list[list[str]]:
    """Cells of every Markdown table row."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[part.strip() for part in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def without_pictures(run: RunDirectory) -> RunDirectory:
    """The run without the files behind its pictures: only the forest plot, which comes from the record, is drawn."""
    for path in (run.cohort, run.log, *(run.path / "predictions").rglob("*.parquet")):
        path.unlink()
    return run


def test_everything_is_written(reported: RunDirectory) -> None:
    files = {path.name for path in (reported.path / "plots").iterdir()}
    assert files == {f"{name}.svg" for name in PICTURES} | {"curves-linear.npz", "map-trained.npz"}
    text = markdown(reported)
    for name in PICTURES:
        assert f"](plots/{name}.svg)" in text


def test_every_number_of_the_record_stands_as_in_the_terminal(reported: RunDirectory) -> None:
    record, rows = reported.read_record(), table_rows(markdown(reported))
    for number in on_test(record.metrics):
        name = cell(number.label)
        assert any(row[0] == name and interval_text(number) in row for row in rows), number
    for difference in on_test(record.comparisons):
        name = cell(difference.label)
        wanted = {signed_text(difference), p_text(difference.p, "-")}
        assert any(row[0] == name and wanted <= set(row) for row in rows), difference


def test_counts_stand_beside_a_finding(reported: RunDirectory) -> None:
    first = evaluations(reported.read_record())[0].of_label("Effusion")[0]
    row = next(row for row in table_rows(markdown(reported)) if row[0] == "Effusion")
    assert row[1:3] == [str(first.n_positive), str(first.n_positive_patients)]


def test_chance_of_auprc_stands_beside_it(reported: RunDirectory) -> None:
    text, rows = markdown(reported), reported.read_record().metrics
    for label in ("Effusion", "macro"):
        row = next(row for row in rows if (row.label, row.metric, row.split) == (label, "auprc", "test"))
        cells = next(cells for cells in table_rows(text) if cells[0] == label)
        assert f"{row.chance:.3f}" == cells[7]
    assert f"; chance of macro AUPRC {row.chance:.3f}; intervals from" in text


def test_a_missing_value_shows_its_reason(reported: RunDirectory) -> None:
    text = markdown(reported)
    row = next(row for row in table_rows(text) if row[0] == "Pneumothorax")
    assert row[3:] == ["-", "-", "-", "-", "0.000", "one class only (0 positive and 60 negative images)"]
    assert (
        "The macro mean leaves out Hernia (3 positive patients, an interval needs 5), Pneumothorax (one class" in text
    )
    assert any(row[0] == "Hernia" and row[-1].startswith("3 positive patients") for row in table_rows(text))


def test_every_row_of_a_table_has_as_many_cells(reported: RunDirectory) -> None:
    for table in re.findall(r"(?:^\|.*\n)+", markdown(reported), flags=re.MULTILINE):
        assert len({len(row) for row in table_rows(table)}) == 1, table


def test_differences_speak_of_two_encoders_and_of_no_method(reported: RunDirectory) -> None:
    section = markdown(reported).split("#### Differences")[1].split("| finding")[0]
    assert "between these two encoders alone" in section
    assert "at least five paired seeds" in " ".join(section.split())
    assert "method" not in section


def test_provenance_is_shown(reported: RunDirectory) -> None:
    text = markdown(reported)
    for fact in ("f1n6e9", "5917", "sslbench 9.8.7", "torch 2.11.0", "i999 truncated file", "split by patient here"):
        assert fact in text
    assert "lightly" not in text  # it was not installed


def stamped(run: RunDirectory) -> list[bool]:
    """Whether each picture says that the data are synthetic; an SVG has each text in a comment before its outlines."""
    return ["<!-- SYNTHETIC DATA -->" in path.read_text() for path in (run.path / "plots").glob("*.svg")]


def test_synthetic_data_are_named_in_title_note_and_pictures(reported: RunDirectory) -> None:
    lines = markdown(reported).splitlines()
    assert lines[0] == "# msn-ehr with age, sex (concat) on tiny, seed 0 (SYNTHETIC DATA)"
    assert lines[2] == "> **Note:** data are synthetic: these numbers say nothing about patients"
    assert stamped(reported) == [True] * len(PICTURES)


def test_real_data_are_not_called_synthetic(make_run: Make, tmp_path: Path) -> None:
    run = without_pictures(make_run(tmp_path / "run", synthetic=False))
    write_report(run)
    assert "synthetic" not in markdown(run).lower()
    assert stamped(run) == [False, False]


def test_the_page_needs_no_other_file(reported: RunDirectory) -> None:
    class Sources(HTMLParser):
        found: list[str]

        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            assert tag not in ("script", "link")
            self.found += [str(value) for name, value in attributes if name in ("src", "href")]

    parser = Sources()
    parser.found = []
    parser.feed((reported.path / "report.html").read_text())
    assert len(parser.found) == len(PICTURES)
    assert all(source.startswith("data:image/svg+xml;base64,") for source in parser.found)


def test_text_from_files_is_no_markup(make_run: Make, tmp_path: Path) -> None:
    run = without_pictures(make_run(tmp_path / "run"))
    record = run.read_record()
    told = {**record.as_json(), "notes": ["<script>alert(1)</script>"]}
    run.write_record(Record.model_validate(told))
    write_report(run)
    assert "<script>" not in (run.path / "report.html").read_text()
    assert "<script>" not in markdown(run)
    assert cell("a|b\nc <d>") == "a\\|b c &lt;d>"


def test_a_rebuild_gives_the_same_bytes(copied: RunDirectory, reported: RunDirectory) -> None:
    for path in (copied.path / "plots").glob("*.??g"):
        path.unlink()
    write_report(copied)
    for before in [*reported.path.glob("report.*"), *(reported.path / "plots").iterdir()]:
        assert (copied.path / before.relative_to(reported.path)).read_bytes() == before.read_bytes(), before.name


def test_a_rebuild_computes_nothing_and_loads_no_torch(copied: RunDirectory) -> None:
    for folder in ("embeddings", "predictions"):
        for path in (copied.path / folder).rglob("*.*"):
            path.unlink()
    code = (
        "import sys; from pathlib import Path; from ssl_bench.report.report import write_report;"
        "from ssl_bench.results.rundir import RunDirectory;"
        f"left = write_report(RunDirectory(Path({str(copied.path)!r}))).left_out;"
        "assert left == [], left; assert not {'torch', 'sklearn', 'timm'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_a_lost_file_costs_its_pictures_alone(make_run: Make, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", protocols=("linear", "knn"))
    lost = next((run.path / "predictions").rglob("*linear*.parquet"))
    lost.unlink()
    run.cohort.write_bytes(b"torn")
    run.log.unlink()
    written = write_report(run)
    assert written.pictures == [
        "forest-linear",
        "forest-auprc-linear",
        "forest-knn",
        "forest-auprc-knn",
        "roc-knn",
        "pr-knn",
    ]
    assert written.left_out[0] == f"curves of linear: {lost.name} is missing"
    assert written.left_out[1] == "training curves: log.jsonl is missing"
    assert written.left_out[2].startswith("embedding maps: cohort.parquet is damaged")
    assert f"Pictures left out: curves of linear: {lost.name} is missing;" in markdown(run)


def test_a_run_without_training_has_a_report(make_run: Make, tmp_path: Path) -> None:
    run = without_pictures(make_run(tmp_path / "run"))
    record = run.read_record()
    alone = tuple(row for row in record.metrics if row.encoder == "random")
    run.write_record(record.but(pretraining=None, metrics=alone, comparisons=()))
    assert not [reason for reason in write_report(run).left_out if "training" in reason]
    assert "This run trained no encoder." in markdown(run)
    assert "Differences" not in markdown(run)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no run \(no config.yaml\); give the folder that a run wrote"):
        write_report(RunDirectory(tmp_path))


def test_an_unfinished_run_is_refused(copied: RunDirectory) -> None:
    copied.record.unlink()
    with pytest.raises(UsageError, match=r"no finished run \(no record.json\); finish it with --resume"):
        write_report(copied)


def test_a_record_of_another_schema_is_refused(copied: RunDirectory) -> None:
    record = copied.read_record().as_json()
    copied.record.write_text(json.dumps({**record, "schema": 99}))
    with pytest.raises(UsageError, match="has schema 99, this version reads schema 2; use the version of sslbench"):
        write_report(copied)


def test_a_damaged_record_is_refused(copied: RunDirectory) -> None:
    copied.record.write_text("{torn")
    with pytest.raises(DataError, match=r"record.json is damaged .*; restore it, or run again"):
        write_report(copied)


def test_a_run_ends_with_its_report(copied: RunDirectory, capsys: pytest.CaptureFixture[str]) -> None:
    (copied.path / "report.md").unlink()
    shutil.rmtree(copied.path / "plots")
    report_or_warn(without_pictures(copied), Terminal(copied))
    assert "## Results on the test split" in markdown(copied)
    said = "".join(capsys.readouterr().err.split())
    assert said == f"writingthereportreport:{copied.path / 'report.md'}"


def test_a_report_that_fails_does_not_fail_the_run(
    copied: RunDirectory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(run: RunDirectory) -> None:
        raise ZeroDivisionError("a plot")

    monkeypatch.setattr(module, "write_report", fail)
    report_or_warn(copied, Terminal(copied))
    said = " ".join(capsys.readouterr().err.split())
    assert "warning: no report (ZeroDivisionError: a plot); the run is whole, try: sslbench report" in said


def test_a_run_keeps_its_cohort_without_paths(
    registry: Registry, tiny_nih: Callable[..., Path], tmp_path: Path
) -> None:
    config = load({"data": {"name": "nih14", "root": str(tiny_nih())}}, name="smoke")
    plan = make_plan(config, registry, tmp_path / "cache")
    run = RunDirectory(tmp_path)
    write_preamble(plan, run, plan.cohort)
    cohort = kept.read_table(run.cohort)
    identifiers = ["image_id", "patient_id", "study_id", "split"]
    assert cohort.columns.tolist() == [*identifiers, "age", "sex", "view", *plan.cohort.labels]
    assert len(cohort) == 120


def test_leakage_is_no_evaluation_of_findings(wide: RunDirectory) -> None:
    names = {path.stem for path in (wide.path / "plots").iterdir()}
    assert not any("leakage" in name for name in names)
    rows = table_rows(markdown(wide))
    assert ["leakage", "trained", "sex=F", "auroc", "0.700 [0.600, 0.800]", ""] in rows
    assert "leakage" not in {evaluation.protocol for evaluation in evaluations(wide.read_record())}


def test_shares_of_the_labels_have_tables_and_one_picture(wide: RunDirectory) -> None:
    names = {path.stem for path in (wide.path / "plots").iterdir()}
    assert {"forest-linear", "efficiency-linear"} <= names
    assert not any("10pc" in name for name in names)
    assert "### linear, 10 % of the training patients, draw 1" in markdown(wide)


def test_subgroups_and_their_gaps_have_a_table(wide: RunDirectory) -> None:
    record = wide.read_record()
    rows = {(row[0], row[5], row[6]): row for row in table_rows(markdown(wide)) if len(row) == 8}
    macro = {(row.subgroup, row.metric): row for row in record.metrics
             if row.subgroup != "all" and row.encoder == "trained" and row.label == "macro"}  # fmt: skip
    women, gap = macro["sex=F", "auroc"], macro["sex", "auroc_gap"]
    assert rows["sex=F", "trained", "linear"][1:4] == [
        str(women.n_images), str(women.n_patients), interval_text(women),
    ]  # fmt: skip
    assert rows["sex: gap", "trained", "linear"][3] == signed_text(gap)
