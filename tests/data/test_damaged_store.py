"""Damaged copies of a store are mended or refused, and never used."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ssl_bench.data import array, seal
from ssl_bench.data.blocks import file_time
from ssl_bench.data.decode import DecodeOptions, decode
from ssl_bench.data.store import find_store, open_store, prepare
from ssl_bench.errors import DataError
from ssl_bench.plugin.cohort import Cohort

COUNT = 14
OPTIONS = DecodeOptions(size=16)


@pytest.fixture
def cohort(pictures: Cohort) -> Cohort:
    return pictures


def direct(cohort: Cohort) -> np.ndarray:
    return np.stack([decode(cohort.root / path, OPTIONS) for path in cohort.frame["image_path"]])


def flipped(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(bytes(content))


def swapped_rows(folder: Path) -> None:
    images = np.load(folder / "images.npy", mmap_mode="r+")
    images[[0, 9]] = images[[9, 0]]
    images.flush()


def swapped_table(folder: Path) -> None:
    frame = pd.read_parquet(folder / "cohort.parquet")
    frame.iloc[[9, 0, *range(1, 9), *range(10, COUNT)]].to_parquet(folder / "cohort.parquet", index=False)


def swapped_blocks(folder: Path) -> None:
    lines = (folder / "blocks.jsonl").read_text().splitlines(keepends=True)
    (folder / "blocks.jsonl").write_text("".join([lines[1], lines[0], *lines[2:]]))


def other_reason(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"rejected": {"03": "invented"}}))


ALL = [f"{number:02d}" for number in range(COUNT)]
IMAGES, BLOCKS, MANIFEST = "images.npy", "blocks.jsonl", "manifest.json"
DAMAGE: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "flipped byte of an image": (lambda folder: flipped(folder / IMAGES, 128 + 5 * 256 + 7), ALL[4:8]),
    "flipped byte of the header": (lambda folder: flipped(folder / IMAGES, 20), []),
    "cut array": (lambda folder: os.truncate(folder / IMAGES, 128 + 9 * 256), ALL[8:]),
    "empty array": (lambda folder: (folder / IMAGES).write_bytes(b""), ALL),
    "longer array": (lambda folder: os.truncate(folder / IMAGES, 10_000), []),
    "no array": (lambda folder: (folder / IMAGES).unlink(), ALL),
    "swapped rows": (swapped_rows, [*ALL[:4], *ALL[8:12]]),
    "swapped rows of the table": (swapped_table, []),
    "flipped byte of the table": (lambda folder: flipped(folder / "cohort.parquet", 100), []),
    "no table": (lambda folder: (folder / "cohort.parquet").unlink(), []),
    "flipped byte of a block": (lambda folder: flipped(folder / BLOCKS, 60), ALL[:4]),
    "swapped blocks": (swapped_blocks, []),
    "cut blocks": (lambda folder: os.truncate(folder / BLOCKS, 50), ALL),
    "empty manifest": (lambda folder: (folder / MANIFEST).write_text(""), []),
    "manifest of nothing": (lambda folder: (folder / MANIFEST).write_text("{}"), []),
    "manifest of null": (lambda folder: (folder / MANIFEST).write_text("null"), []),
    "manifest of another encoding": (lambda folder: (folder / MANIFEST).write_bytes(b"\xff\xfe{"), []),
    "changed manifest": (other_reason, []),
}  # fmt: skip
"""What is done to a store, and which of its images are then prepared again: the blocks of 4 that it touches."""


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_store_is_mended_and_never_used(cohort: Cohort, tmp_path: Path, counter: Any, damage: str) -> None:
    store = prepare(cohort, tmp_path, OPTIONS, workers=1)
    times = [(path, path.stat()) for path in store.folder.iterdir()]
    counter.seen.clear()
    spoilt, again = DAMAGE[damage]
    spoilt(store.folder)
    for path, status in times:  # nobody need see it from the times
        if path.exists():
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    mended = prepare(cohort, tmp_path, OPTIONS, workers=1)
    assert counter.seen == again
    assert (mended.folder, mended.fingerprint, mended.pixels) == (store.folder, store.fingerprint, store.pixels)
    np.testing.assert_array_equal(mended.images, direct(cohort))
    assert mended.image_ids == store.image_ids
    counter.seen.clear()
    np.testing.assert_array_equal(prepare(cohort, tmp_path, OPTIONS).images, direct(cohort))
    assert counter.seen == []


@pytest.mark.parametrize("damage", ["cut array", "empty manifest", "flipped byte of the table", "no array"])
def test_a_damaged_store_is_not_opened_where_nobody_can_mend_it(cohort: Cohort, tmp_path: Path, damage: str) -> None:
    store = prepare(cohort, tmp_path, OPTIONS)
    DAMAGE[damage][0](store.folder)
    with pytest.raises(DataError, match="incomplete or damaged; prepare them again"):
        open_store(store.folder)
    assert damage in ("cut array", "no array") or find_store(tmp_path, store.fingerprint) is None


def test_a_large_store_is_sampled_unless_it_was_written_to_or_is_to_be_verified(
    cohort: Cohort, tmp_path: Path, counter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(array, "CHECKED", 0)  # a sample of nothing
    store = prepare(cohort, tmp_path, OPTIONS, workers=1)
    counter.seen.clear()
    manifest = store.folder / "manifest.json"
    flipped(store.folder / "images.npy", 128 + 5 * 256 + 7)
    status = (store.folder / "images.npy").stat()
    unsigned = {key: value for key, value in json.loads(manifest.read_text()).items() if key != "sha256"}
    unsigned["array_time"] = file_time(status)  # as a disk that goes bad by itself leaves it
    manifest.write_text(json.dumps({**unsigned, "sha256": seal._signature(unsigned)}))
    prepare(cohort, tmp_path, OPTIONS, workers=1)
    assert counter.seen == []
    prepare(cohort, tmp_path, OPTIONS, workers=1, verify=True)
    assert counter.seen == ["04", "05", "06", "07"]
    counter.seen.clear()
    flipped(store.folder / "images.npy", 128 + 5 * 256 + 7)  # as a program leaves it
    prepare(cohort, tmp_path, OPTIONS, workers=1)
    assert counter.seen == ["04", "05", "06", "07"]
