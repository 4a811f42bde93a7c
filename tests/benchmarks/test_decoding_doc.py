"""The table of decoding speeds is measured by a command, which leaves the rest of its page as it is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from PIL import Image

from benchmarks import decoding_doc


def test_the_command_writes_a_line_for_each_kind_and_each_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding_doc, "KINDS", {"JPEG of 300 px": (".jpg", 300, 300)})
    (tmp_path / "films").mkdir()
    Image.linear_gradient("L").save(tmp_path / "films" / "a.png")
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- decoding -->\nold\n<!-- / -->\nafter\n")
    folder = f"PNG of 256 px={tmp_path / 'films'}"
    monkeypatch.setattr(sys, "argv", ["x", folder, "--images", "5", "--rounds", "1", "--page", str(page)])
    decoding_doc.main()
    lines = page.read_text().splitlines()
    assert [lines[0], lines[1], *lines[-2:]] == ["before", "<!-- decoding -->", "<!-- / -->", "after"]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[4:-2]]
    assert [row[:2] for row in cells] == [["JPEG of 300 px", "5"], ["PNG of 256 px", "1"]]
    assert all(float(number.replace(",", "")) >= 0 for row in cells for number in row[2:])


def test_the_page_has_a_place_for_the_table() -> None:
    text = decoding_doc.PAGE.read_text(encoding="utf-8")
    assert "<!-- decoding -->\n| files | images | MB each |" in text
    assert all(f"| {kind} |" in text for kind in decoding_doc.KINDS)
