"""What is said about a download: all problems at once, and what is fine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ssl_bench.data.alike import noticed
from ssl_bench.data.check import Finding, Sample, check_download
from ssl_bench.data.decode import DecodeOptions
from ssl_bench.errors import DataError, joined
from ssl_bench.numbers import duration
from ssl_bench.plugin.cohort import Cohort

SAMPLE = Sample(8, 0, DecodeOptions(16))


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    names = [f"{number:02d}" for number in range(12)]
    for number, name in enumerate(names):
        Image.fromarray(np.roll(np.arange(256, dtype=np.uint8), number).reshape(16, 16)).save(tmp_path / f"{name}.png")
    frame = pd.DataFrame({
        "image_id": names, "image_path": [f"{name}.png" for name in names], "patient_id": names, "study_id": names,
        "split": ["train"] * 6 + ["validate"] * 3 + ["test"] * 3, "age": [40.0] * 3 + [np.nan] * 9,
        "sex": ["M", "F"] * 6, "Edema": [1.0, 0.0, np.nan] * 4,
    })  # fmt: skip
    return Cohort("toy", tmp_path, frame, ("age", "sex"), ("Edema",), sources={"rows.csv": 12, "list": 3})


def checked(cohort: Cohort, published: dict[str, int] | None = None, sample: Sample = SAMPLE) -> list[Finding]:
    return check_download(lambda: cohort, published or {}, sample)


def by(findings: list[Finding], what: str) -> list[Finding]:
    return [finding for finding in findings if finding.what == what]


def test_a_whole_download_has_no_problem(cohort: Cohort) -> None:
    findings = checked(cohort, {"rows.csv": 12, "patients": 12})
    assert {finding.status for finding in findings} == {"ok", "warning"}
    assert [finding.what for finding in findings if finding.status == "warning"] == ["feature age"]
    assert by(findings, "count of rows.csv") == [Finding("ok", "count of rows.csv", "12, as published")]
    assert by(findings, "count of patients")[0].found == "12, as published"
    assert by(findings, "splits")[0].found == "train 6, validate 3, test 3 images (official)"
    assert by(findings, "labels")[0].found == "1 finding; 33.3% blank, 0.0% uncertain (-1)"
    assert by(findings, "feature age")[0].found == "25.0% of the images have it (9 have not)"
    assert by(findings, "sample")[0].found.startswith("8 of 8 drawn images can be decoded, ")
    assert by(findings, "sample")[0].found.endswith(" images/s on a core of its own; 12 take 0 s")


def test_a_picture_of_two_patients_is_said(cohort: Cohort) -> None:
    (cohort.root / "11.png").write_bytes((cohort.root / "00.png").read_bytes())
    (told,) = by(checked(cohort), "copies")
    assert told == Finding("warning", "copies", "pictures that several patients have (1): 00.png and 11.png")
    (told,) = by(checked(cohort.with_frame(cohort.frame.assign(image_path="00.png"))), "table")
    assert (told.status, told.found[:58]) == ("problem", "an image file belongs to one patient; 1 belong to several,")


def test_ids_that_look_alike_are_said(cohort: Cohort) -> None:
    odd = cohort.frame["patient_id"].replace({"00": "P77", "11": "P-77"})
    told = by(checked(noticed(cohort.with_frame(cohort.frame.assign(patient_id=odd)))), "patients")
    assert told[0] == Finding("warning", "patients", "P-77 and P77 look alike; they count as different patients")


def test_findings_are_counted_by_name(cohort: Cohort) -> None:
    assert by(checked(cohort), "positive images")[0].found == "Edema 4"
    assert not by(checked(cohort), "names of findings")
    for name in ("Edema, Effusion", "Edema;Effusion", "['Edema']", "Edema | Effusion"):
        odd = replace(cohort.with_frame(cohort.frame.rename(columns={"Edema": name})), labels=(name,))
        assert by(checked(odd), "positive images")[0].found == f"{name!r} 4"
        assert by(checked(odd), "names of findings")[0].status == "warning"


def test_a_subset_is_a_warning(cohort: Cohort) -> None:
    findings = checked(cohort, {"rows.csv": 223_414, "absent": 4})
    assert by(findings, "count of rows.csv")[0] == Finding(
        "warning", "count of rows.csv", "12, published are 223,414; is it a subset?"
    )
    assert by(findings, "count of absent")[0].found == "none, published are 4; is it a subset?"


def test_all_problems_are_told_at_once(cohort: Cohort) -> None:
    frame = cohort.frame.copy()
    frame.loc[0, "Edema"] = 2
    frame.loc[1, "image_path"] = "../x.png"
    frame.loc[2, "image_path"] = "absent.png"
    frame.loc[4, "image_id"] = "03"
    frame.loc[11, "patient_id"] = "05"
    (cohort.root / "06.png").write_bytes(b"")
    findings = checked(cohort.with_frame(frame), sample=replace(SAMPLE, images=100))
    problems = {finding.what: finding.found for finding in findings if finding.status == "problem"}
    assert set(problems) == {"table", "patients", "labels", "image files", "sample"}
    assert "05" in problems["patients"]
    assert "Edema=2" in problems["labels"]
    assert "absent.png" in problems["image files"]
    assert "06.png cannot be read" in problems["sample"]
    assert problems["sample"].startswith("9 of 10 drawn")
    assert len(by(findings, "table")) == 2


def test_pictures_that_show_nothing_are_named_and_counted(cohort: Cohort) -> None:
    for name, value in (("03", 7), ("08", 255)):
        Image.fromarray(np.full((16, 16), value, np.uint8)).save(cohort.root / f"{name}.png")
    Image.fromarray(np.where(np.eye(16), 255, 0).astype(np.uint8)).save(cohort.root / "05.png")
    found = by(checked(cohort, sample=replace(SAMPLE, images=12)), "pictures")[0]
    assert found.status == "problem"
    assert found.found.startswith("3 of 12 show nothing (2 of one grey level, 1 saturated): ")
    for told in ("03.png shows nothing: one grey level (7)", "08.png shows", "05.png shows nothing: saturated (94% of"):
        assert told in found.found


def test_what_the_reader_refuses_is_a_line_each() -> None:
    def read() -> Cohort:
        raise joined([DataError("a lacks b"), DataError("c lacks d")])

    findings = check_download(read, {"images": 3}, SAMPLE)
    assert findings == [Finding("problem", "files and columns", text) for text in ("a lacks b", "c lacks d")]


def test_an_empty_split_is_a_problem_and_a_finding_without_positives_a_warning(cohort: Cohort) -> None:
    frame = cohort.frame.assign(split="train", Edema=0.0)
    findings = checked(cohort.with_frame(frame))
    assert by(findings, "splits")[0].status == "problem"
    assert by(findings, "findings without a positive image")[0].found == "Edema (train), Edema (validate), Edema (test)"


def test_the_sample_is_the_same_for_a_seed(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def decode(path: str, options: DecodeOptions) -> np.ndarray:
        seen.append(path)
        return np.arange(64, dtype=np.uint8).reshape(8, 8)

    monkeypatch.setattr("ssl_bench.data.check.decode", decode)
    for seed in (0, 0, 1):
        checked(cohort, sample=replace(SAMPLE, seed=seed))
    assert len(set(seen[:8])) == 8
    assert seen[:8] == seen[8:16] != seen[16:]


def test_no_sample_opens_nothing(cohort: Cohort) -> None:
    assert not by(checked(cohort, sample=replace(SAMPLE, images=0)), "sample")


@pytest.mark.parametrize(("seconds", "text"), [(45, "45 s"), (600, "10 min"), (8640, "2.4 h")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
