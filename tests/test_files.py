"""Files that survive a kill, and locks that name their holder."""

from __future__ import annotations

import errno
import io
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pandas as pd
import pytest

from ssl_bench.errors import DataError
from ssl_bench.files import csv_text, locked, new_folder, replacing, sha256, write_json, write_text


def test_fault_18_the_old_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == path.parent
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["record.json"]


def test_fault_19_a_full_disk_keeps_the_old_file_and_removes_the_temporary(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text("old")

    def fill() -> None:
        with replacing(path) as temporary:
            temporary.write_text("ne")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        fill()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["record.json"]


KILLED = """
import os, signal, sys
from pathlib import Path
from ssl_bench.files import replacing
with replacing(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_fault_18_a_kill_in_the_middle_of_a_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text("old")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False, env=environment())
    assert killed.returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    write_text(path, "new")
    assert path.read_text() == "new"


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def test_the_bytes_are_on_the_disk_before_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append("sync"), fsync(handle))[1])
    monkeypatch.setattr(os, "replace", lambda *names: (order.append("rename"), replace(*names))[1])
    write_text(tmp_path / "a.txt", "text")
    assert order == ["sync", "rename", "sync"]  # the file, its name, the folder


def test_json_is_strict_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"value": 1.5, "none": None})
    assert json.loads(path.read_text()) == {"value": 1.5, "none": None}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"value": float("nan")})
    assert json.loads(path.read_text())["value"] == 1.5
    assert os.listdir(tmp_path) == ["a.json"]


def test_sha256_is_that_of_the_standard(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")  # test vector of FIPS 180-4
    assert sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_fault_20_a_second_run_is_told_who_holds_the_lock(tmp_path: Path) -> None:
    with locked(tmp_path / ".lock", "run x"):
        with pytest.raises(DataError, match=rf"^run x is in use by .+ pid {os.getpid()}; wait for it or choose"):
            locked(tmp_path / ".lock", "run x").__enter__()
        with locked(tmp_path / "other", "run y"):
            pass
    with locked(tmp_path / ".lock", "run x"):
        pass


def _hold(path: Path, ready: object) -> None:
    with locked(path, "run"):
        ready.set()  # type: ignore[attr-defined]
        signal.pause()


def test_fault_20_the_lock_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    holder = context.Process(target=_hold, args=(tmp_path / ".lock", ready))
    holder.start()
    assert ready.wait(30)
    with pytest.raises(DataError, match=f"pid {holder.pid}"):
        locked(tmp_path / ".lock", "run").__enter__()
    holder.kill()
    holder.join()
    with locked(tmp_path / ".lock", "run"):
        assert (tmp_path / ".lock").read_text().endswith(f"pid {os.getpid()}\n")


def test_waiting_for_a_lock_ends_when_it_is_free(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with locked(tmp_path / ".lock", "store", wait=True):
            order.append("second")

    with locked(tmp_path / ".lock", "store"):
        waiting = threading.Thread(target=second)
        waiting.start()
        waiting.join(0.1)
        order.append("first")
    waiting.join(30)
    assert order == ["first", "second"]


def test_a_folder_is_there_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "data"
    with new_folder(path) as unfinished:
        (unfinished / "one").write_text("1")
        assert not path.exists()
        assert unfinished.parent == path.parent
    assert [file.name for file in path.iterdir()] == ["one"]
    assert os.listdir(path.parent) == ["data"]


def test_an_error_leaves_no_folder(tmp_path: Path) -> None:
    def fail() -> None:
        with new_folder(tmp_path / "data") as unfinished:
            (unfinished / "one").write_text("1")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not os.listdir(tmp_path)


def test_an_empty_folder_is_replaced_and_a_full_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.mkdir()
    with new_folder(path) as unfinished:
        (unfinished / "one").write_text("1")
    with pytest.raises(OSError, match="data"), new_folder(path) as unfinished:
        (unfinished / "two").write_text("2")
    assert [file.name for file in path.iterdir()] == ["one"]
    assert os.listdir(tmp_path) == ["data"]


def test_a_lock_holds_without_a_name_where_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("ssl_bench.files.os.pwrite", full)
    with (
        locked(tmp_path / ".lock", "run x"),
        pytest.raises(DataError, match="run x is in use by another process"),
        locked(tmp_path / ".lock", "run x"),
    ):
        pass


@pytest.mark.parametrize("mask", [0o002, 0o027, 0o077])
def test_the_users_mask_is_honoured(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        with new_folder(tmp_path / "data") as unfinished:
            write_text(unfinished / "a.txt", "a")
        with locked(tmp_path / ".lock", "run x"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o777 & ~mask
    for file in (tmp_path / "data" / "a.txt", tmp_path / ".lock"):
        assert file.stat().st_mode & 0o777 == 0o666 & ~mask


ABANDONED = """
import os, signal, sys
from pathlib import Path
from ssl_bench.files import new_folder
with new_folder(Path(sys.argv[1])) as unfinished:
    (unfinished / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_fault_18_what_a_killed_process_has_left_is_removed_at_the_next_start(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", ABANDONED, str(tmp_path / "old")], check=False, env=environment())
    (left,) = os.listdir(tmp_path)
    assert left.startswith(".old-")
    (tmp_path / ".mine").mkdir()
    with new_folder(tmp_path / "first"), new_folder(tmp_path / "second"):  # one that lives is left alone
        assert len(os.listdir(tmp_path)) == 3
        assert left not in os.listdir(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [".mine", "first", "second"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EFBIG, errno.EROFS])
def test_fault_36_a_fault_in_an_unfinished_place_is_told_of_the_place(tmp_path: Path, code: int) -> None:
    def fail(path: Path | None) -> None:
        with new_folder(tmp_path / "data") as unfinished, replacing(unfinished / "a.txt") as temporary:
            raise OSError(code, os.strerror(code), str(temporary) if path else None)

    for named in (None, tmp_path):
        with pytest.raises(OSError, match=r"data/a\.txt") as raised:
            fail(named)
        assert raised.value.filename == str(tmp_path / "data" / "a.txt")
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("text", ['=HYPERLINK("http://x")', "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", " =1"])
def test_text_in_a_csv_is_no_formula(text: str) -> None:
    frame = pd.DataFrame({"label": [text], "value": [-0.5], text: ["x"]})
    found = pd.read_csv(io.StringIO(csv_text(frame)))
    assert list(found.columns) == ["label", "value", f"'{text}"]
    assert found.iloc[0].tolist() == [f"'{text}", -0.5, "x"]


@pytest.mark.parametrize("text", ["-", "-0.05", "-0.05 [-0.10, 0.02]", "+3", "Edema", "age=5", ""])
def test_numbers_and_usual_text_in_a_csv_stay(text: str) -> None:
    assert csv_text(pd.DataFrame({"label": [text, "x"]})) == pd.DataFrame({"label": [text, "x"]}).to_csv(index=False)
