"""The prepared store: complete or resumable, and aligned with its cohort."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ssl_bench.data import store as module
from ssl_bench.data.cohort import Cohort
from ssl_bench.data.decode import DecodeOptions, decode
from ssl_bench.data.store import check_images, fingerprint, open_store, prepare
from ssl_bench.errors import DataError

COUNT = 14
OPTIONS = DecodeOptions(size=16)


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    root = tmp_path / "data"
    root.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (COUNT, 20, 24), dtype=np.uint8)
    for number, pixels in enumerate(noise):
        Image.fromarray(pixels).save(root / f"{number:02d}.png")
    names = [f"{number:02d}" for number in range(COUNT)]
    frame = pd.DataFrame({"image_id": names, "image_path": [f"{name}.png" for name in names]})
    return Cohort("toy", root, frame, (), ())


class Counter:
    """Stands in for ``decode``: counts, and dies once where it is told to."""

    def __init__(self, dies_at: str = "") -> None:
        self.seen: list[str] = []
        self.dies_at = dies_at

    def __call__(self, path: Path, options: DecodeOptions) -> np.ndarray:
        if path.stem == self.dies_at:
            raise SystemError("killed")
        self.seen.append(path.stem)
        return decode(path, options)


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Counter:
    counter = Counter()
    monkeypatch.setattr(module, "decode", counter)
    monkeypatch.setattr(module, "CHUNK", 4)
    return counter


def killed_at(name: str, counter: Counter, cohort: Cohort, cache: Path) -> None:
    counter.dies_at = name
    with pytest.raises(SystemError):
        prepare(cohort, cache, OPTIONS, workers=1, bad_limit=0.5, on_bad="quarantine")
    counter.dies_at = ""
    counter.seen.clear()


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
        "cohort.parquet",
        "images.npy",
        "manifest.json",
        "prepare.lock",
    ]


def test_a_second_run_decodes_nothing(cohort: Cohort, tmp_path: Path, counter: Counter) -> None:
    first = prepare(cohort, tmp_path, OPTIONS)
    counter.seen.clear()
    again = prepare(cohort, tmp_path, OPTIONS)
    assert counter.seen == []
    assert again.folder == first.folder
    np.testing.assert_array_equal(again.images, open_store(first.folder).images)


def test_two_at_once_decode_each_image_once(cohort: Cohort, tmp_path: Path, counter: Counter) -> None:
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: prepare(cohort, tmp_path, OPTIONS, workers=1), range(2)))
    assert sorted(counter.seen) == cohort.frame["image_id"].tolist()
    np.testing.assert_array_equal(both[0].images, both[1].images)


def test_a_killed_preparation_goes_on_where_it_was(cohort: Cohort, tmp_path: Path, counter: Counter) -> None:
    killed_at("10", counter, cohort, tmp_path)
    told: list[int] = []
    store = prepare(cohort, tmp_path, OPTIONS, workers=1, progress=lambda done, total: told.append(done))
    assert counter.seen == ["08", "09", "10", "11", "12", "13"]
    assert told == [9, 10, 11, 12, 13, 14]
    np.testing.assert_array_equal(store.images, direct(cohort))


def test_a_torn_line_of_the_journal_costs_one_chunk_only(cohort: Cohort, tmp_path: Path, counter: Counter) -> None:
    killed_at("06", counter, cohort, tmp_path)
    journal = next(tmp_path.glob("stores/*/done.jsonl"))
    with journal.open("a") as notes:
        notes.write('{"done": 8, "rejec')
    killed_at("10", counter, cohort, tmp_path)
    store = prepare(cohort, tmp_path, OPTIONS, workers=1)
    assert counter.seen[0] == "08"  # the line after the torn one counts
    np.testing.assert_array_equal(store.images, direct(cohort))


def test_a_kill_just_before_the_manifest_costs_nothing(cohort: Cohort, tmp_path: Path, counter: Counter) -> None:
    store = prepare(cohort, tmp_path, OPTIONS)
    (store.folder / "manifest.json").unlink()
    (store.folder / "done.jsonl").write_text(f'{{"done": {COUNT}, "rejected": {{}}}}\n')
    counter.seen.clear()
    np.testing.assert_array_equal(prepare(cohort, tmp_path, OPTIONS).images, direct(cohort))
    assert counter.seen == []


def test_a_journal_without_its_array_counts_for_nothing(cohort: Cohort, tmp_path: Path, counter: Counter) -> None:
    killed_at("10", counter, cohort, tmp_path)
    next(tmp_path.glob("stores/*/images.partial.npy")).unlink()
    killed_at("00", counter, cohort, tmp_path)  # dies when the array is there again, all black
    np.testing.assert_array_equal(prepare(cohort, tmp_path, OPTIONS).images, direct(cohort))


def test_bad_images_before_a_kill_are_remembered(cohort: Cohort, tmp_path: Path, counter: Counter) -> None:
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


def test_quarantine_after_an_error_decodes_nothing_again(cohort: Cohort, tmp_path: Path, counter: Counter) -> None:
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


def test_the_fingerprint_follows_files_and_options(cohort: Cohort, tmp_path: Path) -> None:
    before = fingerprint(cohort, OPTIONS)
    assert fingerprint(cohort, OPTIONS) == before
    assert fingerprint(cohort, DecodeOptions(size=17)) != before
    assert fingerprint(cohort, DecodeOptions(size=16, fit="pad")) != before
    assert fingerprint(cohort.with_frame(cohort.frame.iloc[1:]), OPTIONS) != before
    path = cohort.root / "05.png"
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    touched = fingerprint(cohort, OPTIONS)
    assert touched != before
    path.write_bytes(path.read_bytes() + b"\0")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert fingerprint(cohort, OPTIONS) not in (before, touched)


def test_a_changed_image_is_another_store(cohort: Cohort, tmp_path: Path) -> None:
    old = prepare(cohort, tmp_path, OPTIONS)
    Image.fromarray(np.full((16, 16), 9, np.uint8)).save(cohort.root / "05.png")
    new = prepare(cohort, tmp_path, OPTIONS)
    assert new.folder != old.folder
    assert (new.images[5] == 9).all()


def test_missing_images_are_listed_up_to_twenty(cohort: Cohort) -> None:
    check_images(cohort)
    absent = [f"x{number}.png" for number in range(23)]
    frame = pd.DataFrame({"image_id": absent, "image_path": absent})
    with pytest.raises(DataError, match=r"23 of 23 images are not below .*: x0\.png, .* x19\.png and 3 more"):
        check_images(cohort.with_frame(frame))
