"""The table of up to a million images is what its JSON says, and what a process holds and reads is what is claimed."""

from __future__ import annotations

import json

from benchmarks import scale_doc
from benchmarks.interleave import exponent
from benchmarks.real_study import filled
from benchmarks.test_scale import BATCH, BATCHES, SIDE, SIZES


def test_the_page_shows_what_was_measured() -> None:
    found = json.loads(scale_doc.KEPT.read_text(encoding="utf-8"))["found"]
    text = scale_doc.PAGE.read_text(encoding="utf-8")
    assert filled(text, {scale_doc.NAME: "\n".join(scale_doc.lines(found))}) == text
    assert f"| sharded, 2 processes | {max(SIZES):,} |" in text


def test_each_of_two_processes_held_and_read_half_of_the_images() -> None:
    found = json.loads(scale_doc.KEPT.read_text(encoding="utf-8"))["found"]
    for images, said in found["sharded, 2 processes"].items():
        assert [one["held"] for one in said] == [int(images) * SIDE**2 // 2] * 2
    read = [one["batches"] for each in found["disk, 1 process"].values() for one in each]
    assert set(read) == {BATCH * BATCHES * SIDE**2}
    assert abs(exponent({10: 4.0, 100: 40.0, 1000: 400.0}) - 1) < 1e-9
