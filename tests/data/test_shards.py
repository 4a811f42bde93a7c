"""A store that several processes prepare a part of each: the bytes of one that a single process prepares."""

from __future__ import annotations

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ssl_bench.data import filling
from ssl_bench.data.decode import DecodeOptions, decode_content
from ssl_bench.data.preparing import shard_of
from ssl_bench.data.store import Shard, Store, prepare, prepare_part
from ssl_bench.errors import DataError, UsageError
from ssl_bench.plugin.cohort import Cohort

OPTIONS = DecodeOptions(size=16)
BLOCKS = [["00", "01", "02", "03", "12", "13"], ["04", "05", "06", "07"], ["08", "09", "10", "11"]]
"""What each of three parts decodes of fourteen images in blocks of four."""


def part(cohort: Cohort, cache: Path, number: int, of: int = 3, **given: Any) -> Store | tuple[Path, int]:
    return prepare_part(cohort, cache, OPTIONS, Shard(number, of), workers=1, **given)


def finished(found: Store | tuple[Path, int]) -> Path:
    """The folder of a store that is complete."""
    assert isinstance(found, Store)
    return found.folder


def held(folder: Path) -> dict[str, Any]:
    """Every file of a store, but for when its array was written."""
    files: dict[str, Any] = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".lock"}
    manifest = json.loads(files.pop("manifest.json"))
    return files | {key: value for key, value in manifest.items() if key not in ("array_time", "sha256")}


def test_parts_decode_their_own_and_the_last_makes_the_store_of_one_process(
    pictures: Cohort, tmp_path: Path, counter: Any
) -> None:
    whole = prepare(pictures, tmp_path / "one", OPTIONS, workers=1)
    told: list[tuple[int, int]] = []
    for number, there in ((2, 4), (1, 10)):
        counter.seen.clear()
        found = part(pictures, tmp_path, number, progress=lambda done, total: told.append((done, total)))
        assert isinstance(found, tuple)
        assert found[1] == there
        assert counter.seen == BLOCKS[number - 1]
    assert told == [*((done, 4) for done in range(1, 5)), *((done, 6) for done in range(1, 7))]
    folder = finished(part(pictures, tmp_path, 3))
    assert held(folder) == held(whole.folder)
    assert [path.name for path in folder.glob("*.lock")] == ["prepare.lock"]
    counter.seen.clear()
    assert finished(part(pictures, tmp_path, 2)) == finished(part(pictures, tmp_path, 4, of=7)) == folder
    assert prepare(pictures, tmp_path, OPTIONS).fingerprint == whole.fingerprint
    assert counter.seen == []


@pytest.mark.parametrize("dies_at", ["04", "12", "09"])
def test_parts_that_were_killed_go_on_and_end_in_the_same_bytes(
    pictures: Cohort, tmp_path: Path, counter: Any, dies_at: str
) -> None:
    whole = prepare(pictures, tmp_path / "one", OPTIONS, workers=1)
    own = next(block for block in BLOCKS if dies_at in block)
    counter.dies_at = dies_at
    with pytest.raises(SystemError):
        part(pictures, tmp_path, BLOCKS.index(own) + 1)
    with next(tmp_path.glob("stores/*/blocks-*-of-3.jsonl")).open("a") as notes:
        notes.write('0123 {"first": 4, "pix')
    counter.dies_at = ""
    counter.seen.clear()
    last = [part(pictures, tmp_path, number) for number in (1, 2, 3)][-1]
    again = own[4:] if dies_at == "12" else own  # whole blocks are kept
    assert sorted(counter.seen) == sorted([*again, *(name for block in BLOCKS if block != own for name in block)])
    assert held(finished(last)) == held(whole.folder)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here")
def test_an_array_of_processes_that_are_killed_ends_in_the_same_bytes(
    pictures: Cohort, tmp_path: Path, counter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = prepare(pictures, tmp_path / "one", OPTIONS, workers=1)

    def killed(content: bytes, path: str, options: DecodeOptions) -> Any:
        if Path(path).stem in ("05", "10", "12"):
            os.kill(os.getpid(), signal.SIGKILL)
        return decode_content(content, path, options)

    with monkeypatch.context() as patch:
        patch.setattr(filling, "decode_content", killed)
        assert [ended(pictures, tmp_path, number) for number in (1, 2, 3)] == [-signal.SIGKILL] * 3
    counter.seen.clear()
    assert [ended(pictures, tmp_path, number) for number in (3, 1, 2)] == [0] * 3
    folder = finished(part(pictures, tmp_path, 1))
    assert counter.seen == []
    assert held(folder) == held(whole.folder)


def ended(cohort: Cohort, cache: Path, number: int) -> int:
    """How a process ends that prepares a part."""
    child = os.fork()
    if not child:
        try:
            part(cohort, cache, number)
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_parts_at_once_end_in_the_same_bytes(pictures: Cohort, tmp_path: Path, counter: Any) -> None:
    whole = prepare(pictures, tmp_path / "one", OPTIONS, workers=1)
    counter.seen.clear()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: part(pictures, tmp_path, number), (1, 2, 3, 3)))
    assert sorted(counter.seen) == [f"{number:02d}" for number in range(14)]
    assert held(finished(part(pictures, tmp_path, 1))) == held(whole.folder)


def test_a_run_takes_what_parts_have_done(pictures: Cohort, tmp_path: Path, counter: Any) -> None:
    part(pictures, tmp_path, 2)
    part(pictures, tmp_path, 1, of=2)  # of another array
    counter.seen.clear()
    store = prepare(pictures, tmp_path, OPTIONS, workers=1)
    assert counter.seen == ["12", "13"]
    assert held(store.folder) == held(prepare(pictures, tmp_path / "one", OPTIONS).folder)


def test_a_damaged_store_is_mended_by_any_part(pictures: Cohort, tmp_path: Path, counter: Any) -> None:
    folder = prepare(pictures, tmp_path, OPTIONS).folder
    before = held(folder)
    with (folder / "images.npy").open("r+b") as array:
        array.seek(-2, 2)
        array.write(b"\0\1")
    counter.seen.clear()
    assert finished(part(pictures, tmp_path, 2)) == folder
    assert counter.seen == ["12", "13"]
    assert held(folder) == before


def test_an_unreadable_image_is_told_by_its_own_part(pictures: Cohort, tmp_path: Path, counter: Any) -> None:
    (pictures.root / "05.png").write_bytes(b"no image")
    assert isinstance(part(pictures, tmp_path, 1), tuple)
    with pytest.raises(DataError, match=r"^1 of 14 images .*05\.png"):
        part(pictures, tmp_path, 2)
    given: dict[str, Any] = {"on_bad": "quarantine", "bad_limit": 0.5}
    store = part(pictures, tmp_path, 3, **given)
    assert isinstance(store, Store)
    assert list(store.rejected) == ["05"]


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "1/", "/4", "a/b", "-1/4", "1/0", "1/2/3"])
def test_what_names_no_part_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--shard expects K/N with K from 1 to N, such as 1/8, found '"):
        shard_of(text)
    assert shard_of("3/4") == Shard(3, 4)
