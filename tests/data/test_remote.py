"""Files by address: copied whole, brought up to date, told of in a sentence where that fails; no secret is written."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
import yaml
from fsspec.implementations.memory import MemoryFileSystem

from ssl_bench.api.settings import merge_flags
from ssl_bench.config.config import load
from ssl_bench.config.roots import data_flags
from ssl_bench.data.remote import at_hand, beside, here, local
from ssl_bench.data.synthetic import is_synthetic
from ssl_bench.errors import DataError, UsageError
from ssl_bench.plan.cohorts import read_sources
from ssl_bench.plan.parts import choose_parts
from ssl_bench.plugin.registry import discover
from ssl_bench.urls import KEPT
from tests.data.served import Server, served

Ask = Callable[..., Any]
FILES = {"table.csv": b"a,b\n1,2\n", "images/one.png": b"one" * 50, "images/deep/two #1 %.png": b"two" * 70}


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(KEPT, "{}")
    yield
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder to serve."""
    for name, content in FILES.items():
        (tmp_path / "served" / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "served" / "set" / name).write_bytes(content)
    return tmp_path / "served" / "set"


@pytest.fixture
def server(source: Path) -> Iterator[Server]:
    with served(source.parent) as found:
        yield found


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def in_memory(place: str = "memory://bucket/set") -> str:
    for name, content in FILES.items():
        fsspec.filesystem("memory").pipe_file(f"{place.removeprefix('memory:/')}/{name}", content)
    return place


def fetched(server: Server) -> list[str]:
    """Files that were asked for since the last time, not folders, nor the mark of generated data."""
    names = [path.rpartition("/")[2] for path in server.got]
    server.got.clear()
    return sorted(name for name in names if name not in ("", "set", "synthetic.json"))


def test_a_folder_in_memory_and_on_a_web_server_is_copied_whole(server: Server, tmp_path: Path) -> None:
    assert contents(local(in_memory(), tmp_path)) == FILES
    assert contents(local(f"{server.url}/set", tmp_path)) == FILES
    assert contents(local(f"{server.url}/set/", tmp_path)) == FILES
    for address in (f"{server.url}/set/table.csv", "memory://bucket/set/table.csv"):
        assert local(address, tmp_path).read_bytes() == FILES["table.csv"]
        assert local(address, tmp_path).name == "table.csv"


def test_only_what_changed_is_fetched_again(server: Server, source: Path, tmp_path: Path) -> None:
    folder = local(f"{server.url}/set", tmp_path)
    assert len(fetched(server)) == 3
    local(f"{server.url}/set", tmp_path)
    assert fetched(server) == []
    (source / "table.csv").write_bytes(b"a,b\n3,4\n")  # as long as before
    os.utime(source / "table.csv", (1e9, 1e9))
    (source / "new.csv").write_bytes(b"new")
    (source / "images" / "one.png").unlink()
    assert contents(local(f"{server.url}/set", tmp_path)) == contents(source)
    assert fetched(server) == ["new.csv", "table.csv"]
    (folder / "new.csv").write_bytes(b"damaged here")
    (folder / "stray").write_bytes(b"")
    assert contents(local(f"{server.url}/set", tmp_path)) == contents(source)
    assert fetched(server) == ["new.csv"]


def test_a_folder_that_became_a_file_and_back(tmp_path: Path) -> None:
    memory, address = fsspec.filesystem("memory"), in_memory()
    for files in ({"images": b"1"}, FILES, {"images": b"2"}):
        memory.rm("/bucket", recursive=True)
        for name, content in files.items():
            memory.pipe_file(f"/bucket/set/{name}", content)
        assert contents(local(address, tmp_path)) == files


def test_a_server_that_tells_nothing_is_asked_each_time(server: Server, source: Path, tmp_path: Path) -> None:
    server.silent = True
    for content in (b"first", b"other"):
        (source / "table.csv").write_bytes(content)
        assert local(f"{server.url}/set/table.csv", tmp_path).read_bytes() == content


def test_a_killed_copy_goes_on_and_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address, fetch = in_memory(), MemoryFileSystem.get_file
    monkeypatch.setattr("ssl_bench.data.remote.AT_ONCE", 1)
    begun: list[str] = []

    def killed(system: Any, place: str, target: str, **more: Any) -> None:
        begun.append(place)
        if len(begun) < 3:
            return fetch(system, place, target, **more)
        Path(target).write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)
        return None

    monkeypatch.setattr(MemoryFileSystem, "get_file", killed)
    if not (child := os.fork()):
        local(address, tmp_path)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    (content,) = tmp_path.glob("remote/*/content/set")
    there = {name: found for name, found in contents(content).items() if not name.endswith(".tmp")}
    assert len(there) == 2
    assert there.items() < FILES.items()
    monkeypatch.setattr(MemoryFileSystem, "get_file", lambda *given, **more: begun.append("") or fetch(*given, **more))
    assert contents(local(address, tmp_path)) == FILES
    assert 1 <= len(begun) <= 2  # the last note of what was there may be lost, the file is not


def test_a_cut_connection_leaves_nothing_under_the_name(server: Server, source: Path, tmp_path: Path) -> None:
    local(f"{server.url}/set", tmp_path)
    (source / "table.csv").write_bytes(b"changed at the source")
    server.cut = {"/set/table.csv"}
    with pytest.raises(DataError, match=r"/set cannot be read: .* goes on with what it has"):
        local(f"{server.url}/set", tmp_path)
    (folder,) = tmp_path.glob("remote/*/content/set")
    assert contents(folder)["table.csv"] == FILES["table.csv"]
    server.cut = set()
    assert contents(local(f"{server.url}/set", tmp_path)) == contents(source)


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/set/", 500, "cannot be read: status 500"),
        ("/set/images/", 503, "cannot be read: status 503"),
        ("/set/images/one.png", 403, r"may not be read \(403\); give credentials by the environment"),
        ("/set/images/deep/", 404, "its server has none, or not all that it lists"),
    ],
)
def test_what_a_server_refuses_removes_nothing(
    server: Server, tmp_path: Path, path: str, status: int, said: str
) -> None:
    folder = local(f"{server.url}/set/", tmp_path)
    server.fails = {path: status}
    with pytest.raises(DataError, match=said):
        local(f"{server.url}/set/", tmp_path)
    assert contents(folder) == FILES


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("memory://nowhere", "expected a file or folder at memory://nowhere; its server has none"),
        ("http://127.0.0.1:9/set", "http://127.0.0.1:9/set cannot be read: "),
    ],
)
def test_a_command_tells_a_fault_in_one_sentence(sslbench: Ask, address: str, said: str) -> None:
    answer = sslbench("data", "prepare", "nih14", "--root", address)
    assert (answer.code, said in answer.sentence) == (3, True), answer.err


@pytest.mark.parametrize(
    ("address", "absent", "said"),
    [
        ("s3://bucket/x", "s3fs", r"needs a package that is not installed .*pip install 'sslbench\[remote\]'"),
        ("memory://x", "fsspec.core", r"needs a package that is not installed .*pip install 'sslbench\[remote\]'"),
        ("nosuch://x/y", "nosuch", "cannot be opened: .*nosuch"),
    ],
)
def test_what_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, absent: str, said: str
) -> None:
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(UsageError, match=said):
        local(address, tmp_path)


def test_a_path_is_left_as_it_is(tmp_path: Path) -> None:
    assert here(None, tmp_path) is None
    assert here(Path("a//b/s3:/x"), tmp_path) == Path("a//b/s3:/x")
    given = {"columns": "C:/x.yaml", "views": ("PA", "AP"), "number": 3}
    assert {name: at_hand(value, tmp_path) for name, value in given.items()} == given
    assert list(tmp_path.iterdir()) == []


def test_names_that_leave_the_folder_are_refused(tmp_path: Path) -> None:
    in_memory()
    MemoryFileSystem.store["/bucket/set/x/../../../evil"] = MemoryFileSystem.store["/bucket/set/table.csv"]
    with pytest.raises(DataError, match="file names must stay below the address"):
        local("memory://bucket/set", tmp_path)


def test_the_mark_of_generated_data_goes_with_a_folder(server: Server, source: Path, tmp_path: Path) -> None:
    address = f"{server.url}/set"
    assert not is_synthetic(local(address, tmp_path))
    (source.parent / "synthetic.json").write_text("{}")
    assert is_synthetic(local(address, tmp_path))
    fsspec.filesystem("memory").pipe_file("/bucket/synthetic.json", b"{}")
    assert is_synthetic(local(in_memory(), tmp_path))
    (source.parent / "synthetic.json").unlink()
    assert not is_synthetic(local(address, tmp_path))


def test_a_file_names_a_folder_beside_it(server: Server, source: Path, tmp_path: Path) -> None:
    columns = local(f"{server.url}/set/table.csv", tmp_path)
    images = {name.removeprefix("images/"): content for name, content in FILES.items() if "/" in name}
    assert contents(beside(columns, "images", tmp_path)) == images
    assert contents(beside(source / "table.csv", in_memory(), tmp_path)) == FILES
    assert beside(source / "table.csv", "images", tmp_path) == source / "images"


def test_a_run_by_address_reads_what_the_folder_holds_and_writes_no_secret(
    sslbench: Ask, tiny_nih: Callable[..., Path], tmp_path: Path
) -> None:
    root, split = tiny_nih(patients=24), tmp_path / "split.csv"
    names = ("train", "train", "test", "validate")
    (tmp_path / "none.txt").write_text("00000001_000.png\n")
    split.write_text("patient_id,split\n" + "".join(f"{patient},{names[patient % 4]}\n" for patient in range(1, 25)))
    stats = ("data", "stats", "nih14", "--json", "--split")
    expected = sslbench(*stats, split, "--root", root)
    with served(root) as there, served(tmp_path) as beside_it:
        there.login = "reader:S3CRET"
        address, listed = there.url.replace("//", "//reader:S3CRET@"), f"{beside_it.url}/split.csv?sig=S3CRET"
        refused = sslbench(*stats, split, "--root", there.url)
        assert (refused.code, "may not be read (401)" in refused.sentence) == (3, True)
        answer = sslbench(*stats, listed, "--root", address)
        assert (answer.code, answer.out) == (0, expected.out), answer.err
        assert "S3CRET" not in answer.out + answer.err + refused.err + " ".join(sys.argv)
        lists = [f"{beside_it.url}/none.txt?sig=S3CRET"]
        given = data_flags([f"nih14={address}"], None) | {
            "data.split": listed,
            "data.options": {"quality_lists": lists},
        }
        config = load(merge_flags(given, []), name="smoke")
        fewer, *_ = read_sources(config, choose_parts(config, discover()), tmp_path / "cache").values()
        assert len(fewer) == 47
    kept = yaml.safe_dump(config.model_dump(mode="json"))
    for line in (f"root: {there.url}", f"split: {beside_it.url}/split.csv", f"- {beside_it.url}/none.txt"):
        assert f"{line}\n" in kept
    held = [path for path in tmp_path.rglob("*") if path.is_file() and b"S3CRET" in path.read_bytes()]
    assert ("S3CRET" in kept, held) == (False, [])
