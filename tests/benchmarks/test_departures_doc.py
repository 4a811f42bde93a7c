"""The sizes of the departures in docs/fidelity.md are those of this version."""

from __future__ import annotations

from benchmarks import departures_doc
from benchmarks.real_study import filled


def test_the_page_shows_what_is_measured_now() -> None:
    text = departures_doc.PAGE.read_text(encoding="utf-8")
    assert filled(text, {departures_doc.NAME: departures_doc.table()}) == text
    assert f"<!-- {departures_doc.NAME} -->\n|" in text
