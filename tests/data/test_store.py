"""The prepared store: complete or resumable, and aligned with its cohort."""

from __future__ import annotations

import errno
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ssl_bench import files
from ssl_bench.data.decode import DecodeOptions, decode
from ssl_bench.data.images import check_images
from ssl_bench.data.store import Shard, Store, find_store, open_store, prepare, prepare_part
from ssl_bench.errors import DataError
from ssl_bench.plugin.cohort import Cohort

COUNT = 14
OPTIONS = DecodeOptions(size=16)


@pytest.fixture
def cohort(pictures: Cohort) -> Cohort:
    return pictures


def killed_at(name: str, counter: Any, cohort: Cohort, cache: Path) -> None:
    counter.dies_at = name
    with pytest.raises(SystemError):
        prepare(cohort, cache, OPTIONS, workers=1, bad_limit=0.5, on_bad="quarantine")
    counter.dies_at = ""
    counter.seen.clear()


def ramp(first: int) -> np.ndarray:
    """A picture ``(16, 16)`` of a hundred greys from one on."""
    return np.linspace(first, first + 100, 256).reshape(16, 16).astype(np.uint8)


def direct(cohort: Cohort, options: DecodeOptions = OPTIONS) -> np.ndarray:
    return np.stack([decode(cohort.root / path, options) for path in cohort.frame["image_path"]])


def spoil(cohort: Cohort, *names: str) -> None:
    for name in names:
        (cohort.root / f"{name}.png").write_bytes(b"no image")


@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("workers", [1, 3])
def test_a_store_equals_direct_decoding(cohort: Cohort, tmp_path: Path, fit: str, workers: int) -> None:
    options = DecodeOptions(size=16, fit=fit)
    told: list[tuple[int, int]] = []
    store = prepare(cohort, tmp_path, options, workers=workers, progress=lambda done, total: told.append((done, total)))
    np.testing.assert_array_equal(store.images, direct(cohort, options))
    assert isinstance(store.images, np.memmap)
    assert store.image_ids == tuple(cohort.frame["image_id"])
    assert store.rejected == {}
    assert told == [(number, COUNT) for number in range(1, COUNT + 1)]
    assert sorted(path.name for path in store.folder.iterdir()) == [
        "blocks.jsonl",
        "cohort.parquet",
        "images.npy",
        "manifest.json",
        "prepare.lock",
    ]


def test_a_second_run_decodes_nothing(cohort: Cohort, tmp_path: Path, counter: Any) -> None:
    first = prepare(cohort, tmp_path, OPTIONS)
    counter.seen.clear()
    again = prepare(cohort, tmp_path, OPTIONS)
    assert counter.seen == []
    assert again.folder == first.folder
    np.testing.assert_array_equal(again.images, open_store(first.folder).images)


def test_two_at_once_decode_each_image_once(cohort: Cohort, tmp_path: Path, counter: Any) -> None:
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: prepare(cohort, tmp_path, OPTIONS, workers=1), range(2)))
    assert sorted(counter.seen) == cohort.frame["image_id"].tolist()
    np.testing.assert_array_equal(both[0].images, both[1].images)


def test_a_killed_preparation_goes_on_where_it_was(cohort: Cohort, tmp_path: Path, counter: Any) -> None:
    killed_at("10", counter, cohort, tmp_path)
    told: list[int] = []
    store = prepare(cohort, tmp_path, OPTIONS, workers=1, progress=lambda done, total: told.append(done))
    assert counter.seen == ["08", "09", "10", "11", "12", "13"]
    assert told == [9, 10, 11, 12, 13, 14]
    np.testing.assert_array_equal(store.images, direct(cohort))


def test_a_torn_line_of_the_journal_costs_one_chunk_only(cohort: Cohort, tmp_path: Path, counter: Any) -> None:
    killed_at("06", counter, cohort, tmp_path)
    journal = next(tmp_path.glob("stores/*/blocks.jsonl"))
    with journal.open("a") as notes:
        notes.write('0123 {"first": 8, "pix')
    killed_at("10", counter, cohort, tmp_path)
    store = prepare(cohort, tmp_path, OPTIONS, workers=1)
    assert counter.seen[0] == "08"  # the line after the torn one counts
    np.testing.assert_array_equal(store.images, direct(cohort))


def test_what_a_kill_in_the_middle_of_a_write_left_is_removed_at_the_next_start(cohort: Cohort, tmp_path: Path) -> None:
    store = prepare(cohort, tmp_path, OPTIONS)
    (store.folder / "manifest.json").unlink()
    whole = sorted(path.name for path in store.folder.iterdir())
    for name in ("blocks.jsonl", "manifest.json", "cohort.parquet"):
        (store.folder / f".{name}.7050.tmp").write_bytes(b"half")
    prepare(cohort, tmp_path, OPTIONS)
    assert sorted(path.name for path in store.folder.iterdir()) == sorted([*whole, "manifest.json"])


def test_files_of_processes_that_prepare_a_part_are_left_to_them(cohort: Cohort, tmp_path: Path, counter: Any) -> None:
    folder = prepare(cohort, tmp_path, OPTIONS).folder
    (folder / "manifest.json").unlink()
    (folder / "blocks.jsonl").unlink()
    theirs = folder / ".blocks-2-of-2.jsonl.7050.tmp"
    for path in (theirs, folder / ".blocks.jsonl.7050.tmp"):
        path.write_bytes(b"half")
    prepare_part(cohort, tmp_path, OPTIONS, Shard(1, 2))
    assert theirs.exists()
    assert not (folder / ".blocks.jsonl.7050.tmp").exists()
    prepare_part(cohort, tmp_path, OPTIONS, Shard(2, 2))
    assert not list(folder.glob(".*"))


def test_a_kill_just_before_the_manifest_costs_nothing(cohort: Cohort, tmp_path: Path, counter: Any) -> None:
    store = prepare(cohort, tmp_path, OPTIONS)
    (store.folder / "manifest.json").unlink()
    counter.seen.clear()
    np.testing.assert_array_equal(prepare(cohort, tmp_path, OPTIONS).images, direct(cohort))
    assert counter.seen == []


def test_blocks_without_their_array_count_for_nothing(cohort: Cohort, tmp_path: Path, counter: Any) -> None:
    killed_at("10", counter, cohort, tmp_path)
    next(tmp_path.glob("stores/*/images.npy")).unlink()
    killed_at("00", counter, cohort, tmp_path)  # dies when the array is there again, all black
    np.testing.assert_array_equal(prepare(cohort, tmp_path, OPTIONS).images, direct(cohort))


def test_a_file_that_changed_while_preparing_was_stopped_is_read_again(
    cohort: Cohort, tmp_path: Path, counter: Any
) -> None:
    written = [(cohort.root / f"{number:02d}.bmp", number) for number in range(COUNT)]
    for path, number in written:
        Image.fromarray(ramp(number)).save(path)
    flat = cohort.with_frame(
        pd.DataFrame({"image_id": cohort.frame["image_id"], "image_path": [path.name for path, _ in written]})
    )
    killed_at("10", counter, flat, tmp_path)
    Image.fromarray(ramp(99)).save(cohort.root / "01.bmp")  # the same size in bytes
    store = prepare(flat, tmp_path, OPTIONS, workers=1)
    assert counter.seen[:4] == ["00", "01", "02", "03"]
    assert "04" not in counter.seen
    np.testing.assert_array_equal(store.images, direct(flat))


def test_bad_images_before_a_kill_are_remembered(cohort: Cohort, tmp_path: Path, counter: Any) -> None:
    spoil(cohort, "01")
    killed_at("10", counter, cohort, tmp_path)
    store = prepare(cohort, tmp_path, OPTIONS, workers=1, on_bad="quarantine", bad_limit=0.5)
    assert list(store.rejected) == ["01"]


def test_bad_images_are_an_error_by_default(cohort: Cohort, tmp_path: Path) -> None:
    spoil(cohort, "03", "07")
    with pytest.raises(DataError, match=r"2 of 14 images cannot be read: image .*03.png .*07.png .*on_bad=quarantine"):
        prepare(cohort, tmp_path, OPTIONS)
    assert not list(tmp_path.glob("stores/*/manifest.json"))


def test_more_bad_images_than_the_cap_are_an_error(cohort: Cohort, tmp_path: Path) -> None:
    spoil(cohort, "03", "07")
    with pytest.raises(DataError, match=r"2 of 14 images cannot be read, more than the 10\.0% of data\.bad_limit"):
        prepare(cohort, tmp_path, OPTIONS, on_bad="quarantine", bad_limit=0.1)


def test_quarantine_after_an_error_decodes_nothing_again(cohort: Cohort, tmp_path: Path, counter: Any) -> None:
    spoil(cohort, "03")
    with pytest.raises(DataError):
        prepare(cohort, tmp_path, OPTIONS)
    counter.seen.clear()
    store = prepare(cohort, tmp_path, OPTIONS, on_bad="quarantine", bad_limit=0.1)
    assert counter.seen == []
    assert "03.png cannot be read" in store.rejected["03"]
    with pytest.raises(DataError, match="1 of 14"):  # a finished store with bad images does not hide them
        prepare(cohort, tmp_path, OPTIONS)


def test_rows_and_images_belong_together_after_a_quarantine(cohort: Cohort, tmp_path: Path) -> None:
    spoil(cohort, "03", "07")
    store = prepare(cohort, tmp_path, OPTIONS, on_bad="quarantine", bad_limit=0.5)
    turned = cohort.with_frame(cohort.frame.iloc[::-1])
    for given in (cohort, turned):
        kept, rows = store.aligned(given)
        expected = [name for name in given.frame["image_id"] if name not in ("03", "07")]
        assert kept.frame["image_id"].tolist() == expected
        assert kept.frame.index.tolist() == list(range(COUNT - 2))
        np.testing.assert_array_equal(store.images[rows], direct(kept))


def test_the_store_follows_files_and_options(cohort: Cohort, tmp_path: Path) -> None:
    path = cohort.root / "05.png"
    fewer = cohort.with_frame(cohort.frame.iloc[1:])
    before = prepare(cohort, tmp_path, OPTIONS)
    found = [
        before,
        prepare(cohort, tmp_path, DecodeOptions(size=17)),
        prepare(cohort, tmp_path, DecodeOptions(size=16, fit="pad")),
        prepare(fewer, tmp_path, OPTIONS),
    ]
    path.write_bytes(path.read_bytes() + b"\0")  # another file with the same picture
    longer = prepare(cohort, tmp_path, OPTIONS)
    assert len({store.folder for store in (*found, longer)}) == 5
    assert len({store.fingerprint for store in found}) == 4
    assert longer.fingerprint == before.fingerprint


def test_touched_and_copied_files_are_the_same_data(cohort: Cohort, tmp_path: Path, counter: Any) -> None:
    before = prepare(cohort, tmp_path, OPTIONS)
    counter.seen.clear()
    for path in cohort.root.iterdir():
        os.utime(path, (1, 1))
    shutil.copytree(cohort.root, tmp_path / "moved")
    for root in (cohort.root, tmp_path / "moved"):
        again = prepare(replace(cohort, root=root), tmp_path, OPTIONS)
        assert (again.folder, again.fingerprint, again.pixels) == (before.folder, before.fingerprint, before.pixels)
    elsewhere = prepare(cohort, tmp_path / "another cache", OPTIONS)
    assert elsewhere.fingerprint == before.fingerprint
    assert sorted(counter.seen) == cohort.frame["image_id"].tolist()  # for the other cache alone


def test_files_of_the_same_names_and_sizes_with_other_pixels_are_another_store(
    cohort: Cohort, tmp_path: Path, counter: Any
) -> None:
    def written(value: int) -> Store:
        """All files, their times as they were, hold the same ramp."""
        for number in range(COUNT):
            path = cohort.root / f"{number:02d}.bmp"
            Image.fromarray(ramp(value)).save(path)
            os.utime(path, (5, 5))
        paths = [f"{number:02d}.bmp" for number in range(COUNT)]
        return prepare(cohort.with_frame(cohort.frame.assign(image_path=paths)), tmp_path, OPTIONS)

    first, second = written(9), written(150)
    assert second.folder != first.folder
    assert second.fingerprint != first.fingerprint
    assert (second.images[:] == ramp(150)).all()
    assert (open_store(first.folder).images[:] == ramp(9)).all()
    counter.seen.clear()
    assert written(9).folder == first.folder
    assert counter.seen == []


def test_a_changed_image_is_another_store(cohort: Cohort, tmp_path: Path) -> None:
    old = prepare(cohort, tmp_path, OPTIONS)
    Image.fromarray(ramp(9)).save(cohort.root / "05.png")
    new = prepare(cohort, tmp_path, OPTIONS)
    assert new.folder != old.folder
    assert new.fingerprint != old.fingerprint
    assert (new.images[5] == ramp(9)).all()


def test_a_store_is_found_by_what_it_holds(cohort: Cohort, tmp_path: Path) -> None:
    store = prepare(cohort, tmp_path, OPTIONS)
    found = find_store(tmp_path, store.fingerprint)
    assert found
    assert found.folder == store.folder
    assert find_store(tmp_path, "0" * 32) is None


def unwritable(*arguments: object, **options: object) -> NoReturn:
    raise OSError(errno.EROFS, "Read-only file system")


def test_a_finished_store_in_a_cache_that_cannot_be_written_is_used(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = prepare(cohort, tmp_path, OPTIONS)
    for path in cohort.root.iterdir():
        os.utime(path, (1, 1))
    monkeypatch.setattr(Path, "mkdir", unwritable)
    monkeypatch.setattr(files.os, "open", unwritable)
    assert prepare(cohort, tmp_path, OPTIONS).fingerprint == store.fingerprint
    (store.folder / "manifest.json").write_text("")
    with pytest.raises(DataError, match=r"no place in .*: Read-only file system; choose another --cache"):
        prepare(cohort, tmp_path, OPTIONS)


def test_missing_images_are_listed_up_to_twenty(cohort: Cohort) -> None:
    check_images(cohort)
    absent = [f"x{number}.png" for number in range(23)]
    frame = pd.DataFrame({"image_id": absent, "image_path": absent})
    with pytest.raises(DataError, match=r"23 of 23 images are not below .*: x0\.png, .* x19\.png and 3 more"):
        check_images(cohort.with_frame(frame))
