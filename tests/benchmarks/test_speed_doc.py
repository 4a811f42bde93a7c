"""The tables of docs/measurements/speed.md are what ``benchmarks.speed_doc`` makes of what was measured."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks import speed_doc
from benchmarks.real_study import filled
from benchmarks.report import Report

MARKER = re.compile(r"<!-- (\w+) -->")
GENERATED = re.compile(r"(?<=\w -->).*?(?=<!-- / -->)", re.DOTALL)
MACHINE = {
    "when": "2026-11-28 09:05", "processor": "AMD EPYC", "amx": False, "cores": 2, "load_average": [1.2, 1, 0.9],
    "python": "3.11.9", "packages": {"torch": "2.15.0"}, "platform": "Linux-host", "git_commit": None,
}  # fmt: skip


def measured(*suites: str, seconds: float = 0.2) -> dict[str, Any]:
    """A file of ``--ratios`` in which each of some suites measured one thing of each kind."""
    report = Report()
    for suite in suites:
        report.suite = suite
        times = {"ours": [seconds, seconds / 2, seconds], "theirs": [0.6, 0.5, 0.7], "limit": [0.3] * 3}
        report.ratio(f"{suite} at 512 px", times, "ours", "theirs", at_least=2.5)
        report.ratio(f"{suite} starts", times, "ours", "theirs", below=0.1)
        report.ratio(f"{suite} at full size", times, "ours", "limit", at_least=1)
        report.growth(f"{suite}, by rows", {1000: [1.0], 2000: [2.0], 4000: [4.0]})
        report.memory(suite, 125.0, 700.2, 1789.9, limit=1024)
        report.speed(suite, "tiny", 32, 16 * 10**9, [0.25], 2e10)
        report.rate("batch 32", "bf16", 4e11, [1.0], 2e12, 0.3)
        report.profile(suite, {"GELU": 0.125, "matrix products": 0.875})
        report.note(f"{suite} saw more.")
    return {**report.values(), "environment": MACHINE}


def through_json(values: Any) -> Any:
    return json.loads(json.dumps(values))


@pytest.fixture
def parts() -> dict[str, str]:
    return speed_doc.texts(through_json(speed_doc.joined([measured(*speed_doc.SUITES)])))


def test_every_table_has_its_place_and_nothing_else_changes(parts: dict[str, str]) -> None:
    pages = [page.read_text(encoding="utf-8") for page in speed_doc.PAGES]
    places = [name for page in pages for name in MARKER.findall(page)]
    assert sorted(name for name in places if name in parts) == sorted(parts)
    for page in pages:
        made = filled(page, parts)
        assert GENERATED.sub("", made) == GENERATED.sub("", page)
        assert filled(made, parts) == made


def test_the_pages_show_what_was_measured() -> None:
    if not speed_doc.KEPT.is_file():
        pytest.skip("docs/measurements/speed.json comes with the first whole run of tox -e bench")
    found = speed_doc.texts(json.loads(speed_doc.KEPT.read_text(encoding="utf-8")))
    assert "Not measured." not in found.values()
    for page in speed_doc.PAGES:
        text = page.read_text(encoding="utf-8")
        assert filled(text, found) == text


def test_verdicts_are_computed(parts: dict[str, str]) -> None:
    assert "| test_step at 512 px | 200 ms | 600 ms, theirs | 3 | 3 to 5 (3) | ≥ 2.5: reached |" in parts["ratios"]
    assert "| test_step starts | 200 ms | 600 ms, theirs | 3 | 3 to 5 (3) | < 0.1 s: missed |" in parts["ratios"]
    assert "| test_load at full size | 200 ms | 300 ms: kept |" in parts["limits"]
    assert "| test_load, by rows | 1,000: 1 s, 2,000: 2 s, 4,000: 4 s | 1.00 |" in parts["growth"]
    assert "| test_events | 125 MiB | 700 MiB | 1,790 MiB | < 1,024 MiB: missed |" in parts["memory"]
    assert "| test_methods | 0.50 | 4 | 128 | 64 | 20.0 |" in parts["methods"]
    assert "| batch 32 | bf16 | 400 | 2,000 | 20 % | ≥ 30 %: missed |" in parts["rates"]
    assert "| matrix products | 87.5 % |" in parts["profiles"]
    slow = speed_doc.texts(speed_doc.joined([measured(*speed_doc.SUITES, seconds=0.4)]))
    assert "≥ 2.5: missed" in slow["ratios"]
    assert "300 ms: exceeded" in slow["limits"]


def test_a_suite_stands_in_one_table_of_ratios_with_its_notes(parts: dict[str, str]) -> None:
    tables = [parts[name] for name in ("ratios", *speed_doc.OWN)]
    for suite in speed_doc.SUITES:
        assert [text.count(f"| {suite} at 512 px |") for text in tables].count(1) == 1
        assert [text.count(f"* {suite} saw more.") for text in tables].count(1) == 1
    assert "test_scale," not in parts["growth"]  # which has a page of its own
    assert parts["ratios"].index("test_step at") < parts["ratios"].index("test_intervals at")


def test_a_later_file_replaces_the_rows_of_its_suites_and_the_page_tells_both() -> None:
    again = {**measured("test_step", seconds=0.1), "environment": {**MACHINE, "when": "2026-12-01 10:00", "amx": True}}
    found = speed_doc.texts(speed_doc.joined([measured(*speed_doc.SUITES), again]))
    assert found["ratios"].count("| test_step at 512 px |") == 1
    assert "| test_step at 512 px | 100 ms |" in found["ratios"]
    first, second = found["run"].splitlines()
    assert "28 November 2026, AMD EPYC, 2 cores, load average at the end 1.2, 1.0, 0.9" in first
    assert "`test_views`" in first
    assert "`test_step`" not in first
    assert second.startswith("* 1 December 2026, AMD EPYC with AMX")
    assert second.endswith("Python 3.11.9: `test_step`")


def test_the_command_keeps_no_more_than_machine_and_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, file = tmp_path / "page.md", tmp_path / "ratios.json"
    page.write_text("a\n<!-- growth -->\nold\n<!-- / -->\nb\n")
    monkeypatch.setattr(speed_doc, "PAGES", (page,))
    monkeypatch.setattr(speed_doc, "KEPT", tmp_path / "speed.json")
    file.write_text(json.dumps(measured(*speed_doc.SUITES, seconds=1 / 7)))
    speed_doc.main([str(file)])
    kept = json.loads((tmp_path / "speed.json").read_text())
    assert kept["runs"][0].keys() == {*MACHINE, "torch", "suites"} - {"packages", "platform", "git_commit"}
    assert kept["ratios"][0]["seconds"] == 0.14286
    assert page.read_text().startswith("a\n<!-- growth -->\n| growth |")
    before = copy.deepcopy(page.read_text())
    speed_doc.main([])
    assert page.read_text() == before


def test_a_run_of_some_suites_alone_is_not_taken_for_all(tmp_path: Path) -> None:
    file = tmp_path / "ratios.json"
    file.write_text(json.dumps(measured("test_step")))
    with pytest.raises(SystemExit, match=r"^nothing of test_attention, test_cohort, .*; run `tox -e bench`"):
        speed_doc.main([str(file)])
