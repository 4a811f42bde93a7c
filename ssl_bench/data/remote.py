"""Files elsewhere, copied below the cache by fsspec and read there as any others.

A copy is checked against its source at each start: a file is fetched again where size, entity tag, checksum or time
have changed, or where the server tells none of these. It appears under its name when it is whole, so that a killed
copy goes on with the next file. Credentials come from the environment, from fsspec's own configuration or from an
address, whose secrets no file or message holds (:mod:`ssl_bench.urls`).
"""

from __future__ import annotations

import errno
import hashlib
import json
import posixpath
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

from ssl_bench.data.synthetic import MARKER
from ssl_bench.errors import DataError, HandledError, UsageError, because
from ssl_bench.files import locked, replacing, write_text
from ssl_bench.urls import WEB, is_url, plain, set_aside, whole

Given = TypeVar("Given")
Answer = TypeVar("Answer")

AT_ONCE, TOGETHER = 16, 256
"""Files that are asked for at the same time, and files of a list that are handed over together."""

TOLD = ("size", "ETag", "etag", "Content-MD5", "content_md5", "md5Hash", "md5", "Digest", "generation", "Last-Modified",
        "LastModified", "last_modified", "mtime", "modified", "updated", "created")  # fmt: skip
"""What servers tell of a file that changes with it."""

OURS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ENAMETOOLONG, errno.EFBIG)
"""Faults of the disk that a copy is written to."""

NOTES, SOURCE, CONTENT = "files.jsonl", "source.txt", "content"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file elsewhere.

    Args:
        name: path below the address.
        place: as fsspec knows it.
        told: what changes with its content; empty where the server says nothing.
        size: bytes, None where unknown.
    """

    name: str
    place: str
    told: str
    size: int | None


def at_hand(value: Any, cache: Path) -> Any:
    """Options with each address that they hold as the path of a copy; anything else as it is."""
    if isinstance(value, Mapping):
        return {key: at_hand(item, cache) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(at_hand(item, cache) for item in value)
    return str(local(value, cache)) if is_url(value) else value


def here(place: Path | str | None, cache: Path) -> Path | None:
    """A folder or file of a configuration on this machine: a path as it is, an address as its copy."""
    return local(place, cache) if isinstance(place, str) and is_url(place) else Path(place) if place else None


def beside(file: Path, name: str, cache: Path) -> Path:
    """The folder that a file names relative to itself, where the file is the copy of one elsewhere, too."""
    source = file.parent.parent / SOURCE
    if not is_url(name) and source.is_file():
        scheme, _, rest = whole(source.read_text(encoding="utf-8")).partition("://")
        rest = re.split("[?#]", rest, maxsplit=1)[0] if scheme in WEB else rest
        name = f"{scheme}://{posixpath.normpath(posixpath.join(posixpath.dirname(rest), name))}"
    return local(name, cache) if is_url(name) else file.parent / name


def local(address: str, cache: Path) -> Path:
    """The copy of a folder or file, made or brought up to date.

    Args:
        address: for example ``s3://bucket/folder`` or ``https://host/folder/``.
        cache: folder that copies are kept below.

    Raises:
        UsageError: no file system of this kind is installed.
        DataError: the server does not have it, refuses it, or fails; what is whole is kept for the next start.
    """
    address = set_aside(address)
    told = re.sub(r"[^\w.-]+", "-", address)[-60:].strip("-.")
    home = cache / "remote" / f"{told}-{hashlib.sha256(address.encode()).hexdigest()[:8]}"
    home.mkdir(parents=True, exist_ok=True)
    with locked(home / "lock", f"the copy of {address}", wait=True), _told_of(address):
        write_text(home / SOURCE, address)
        return _copied(address, home)


def _copied(address: str, home: Path) -> Path:
    system, place = _system(address)
    folder, entries = _listed(system, place)
    content = home / CONTENT / (posixpath.basename(unquote(address).rstrip("/")).replace(":", "-") or "root")
    if folder and "?" in place:
        raise UsageError(f"{address} is a folder, and the query of its address opens one file alone; give credentials "
                         "by the environment or by fsspec's configuration")  # fmt: skip
    if not entries:
        raise DataError(f"expected files below {address}; its server lists none; check the address")
    base = content if folder else content.parent
    entries = entries if folder else [replace(entries[0], name=content.name)]
    _update(system, address, entries, base, home / NOTES)
    if folder:
        _mark(system, place, content.parent)
    return content


def _system(address: str) -> tuple[Any, str]:
    """The file system of an address and what that calls it."""
    scheme = address.partition("://")[0]
    try:
        from fsspec.core import url_to_fs

        system, place = url_to_fs(whole(address))
    except ImportError as error:
        raise UsageError(f"{address} needs a package that is not installed ({because(error)}); pip install "
                         f"'sslbench[remote]' or the package for {scheme}://") from None  # fmt: skip
    except ValueError as error:
        raise UsageError(f"{address} cannot be opened: {because(error)}; check how it begins") from None
    system.invalidate_cache()
    return system, str(place)


def _listed(system: Any, place: str) -> tuple[bool, list[Entry]]:
    """Whether it is a folder, and its files."""
    if place.partition("://")[0] in ("http", "https"):
        return _listed_by_page(system, place)
    info = system.info(place)
    if info["type"] != "directory":
        return False, [_entry(place, info, posixpath.basename(place))]
    top = place.rstrip("/") + "/"
    found = ((str(info["name"]), info) for info in _tree(system, place))
    return True, [_entry(name, info, name.removeprefix(top)) for name, info in found if not name.endswith("/")]


def _tree(system: Any, folder: str) -> Iterator[Any]:
    """What fsspec tells of each file below a folder."""
    from fsspec.asyn import AsyncFileSystem

    # Object stores list a whole tree at once; what fsspec has for the others leaves out folders that cannot be listed.
    if isinstance(system, AsyncFileSystem) and type(system)._find is not AsyncFileSystem._find:
        return iter(system.find(folder, detail=True).values())
    return _walk(system, folder)


def _listed_by_page(system: Any, place: str) -> tuple[bool, list[Entry]]:
    """The files that the pages of a web server link below an address; each is asked for its size."""
    if not place.endswith("/") and (info := system.info(place)).get("mimetype") != "text/html":
        return False, [_entry(place, info, posixpath.basename(place))]
    top = place.rstrip("/") + "/"
    found = sorted({str(info["name"]) for info in _walk(system, top)})
    names = [name for name in found if name.startswith(top) and not re.search("[?#]", name)]
    infos = _each(system.info, names)
    return True, [_entry(name, info, unquote(name.removeprefix(top))) for name, info in zip(names, infos, strict=True)]


def _walk(system: Any, folder: str) -> Iterator[Any]:
    """What fsspec tells of each file below a folder; a folder that cannot be listed is a fault."""
    for info in system.ls(folder, detail=True):
        name = str(info["name"])
        if info["type"] != "directory":
            yield info
        elif name.startswith(folder.rstrip("/") + "/") and name.rstrip("/") != folder.rstrip("/") and "?" not in name:
            yield from _walk(system, name)


def _entry(place: str, info: Mapping[str, Any], name: str) -> Entry:
    parts = name.split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise DataError(f"file names must stay below the address; refused: {name!r}")
    told = "; ".join(f"{key} {info[key]}" for key in TOLD if info.get(key) is not None)
    return Entry(name, place, told, info.get("size"))


def _update(system: Any, address: str, entries: list[Entry], base: Path, notes: Path) -> None:
    """Fetch what is new or has changed, and remove what is gone."""
    held = _held(notes)
    todo = [entry for entry in entries if not entry.told or not _same(held.get(entry.name), entry, base / entry.name)]
    left = {entry.name for entry in todo}
    kept = [held[entry.name] for entry in entries if entry.name not in left]
    write_text(notes, "".join(json.dumps(note) + "\n" for note in kept))
    _remove_others(base, {entry.name for entry in entries})
    if not todo:
        return
    size = sum(entry.size or 0 for entry in todo)
    _tell(f"fetching {len(todo):,} files, {size / 2**20:,.1f} MiB, from {address}")
    with notes.open("a", encoding="utf-8") as file:
        spoken = time.monotonic()
        for done, note in enumerate(_each(partial(_fetch, system, base), todo), start=1):
            file.write(json.dumps(note) + "\n")
            file.flush()
            if time.monotonic() - spoken > 10:
                spoken = time.monotonic()
                _tell(f"fetching from {address}: {done:,} of {len(todo):,} files")


def _held(notes: Path) -> dict[str, dict[str, Any]]:
    """What was noted of each file; a kill may have torn the last line."""
    held: dict[str, dict[str, Any]] = {}
    for line in notes.read_text(encoding="utf-8").splitlines() if notes.is_file() else ():
        with suppress(ValueError):
            note = json.loads(line)
            held[note["name"]] = note
    return held


def _same(note: dict[str, Any] | None, entry: Entry, file: Path) -> bool:
    if note is None or note["told"] != entry.told:
        return False
    try:
        found = file.stat()
    except OSError:
        return False
    return bool(note["held"] == [found.st_size, found.st_mtime_ns])


def _fetch(system: Any, base: Path, entry: Entry) -> dict[str, Any]:
    """A file whole under its name; what is to be noted of it."""
    file = base / entry.name
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(file) as temporary:
        system.get_file(entry.place, str(temporary))
        held = temporary.stat().st_size
        if entry.size is not None and held != entry.size:
            raise DataError(f"{plain(entry.place)} has {entry.size:,} bytes, and {held:,} came; repeat the command")
    found = file.stat()
    return {"name": entry.name, "told": entry.told, "held": [found.st_size, found.st_mtime_ns]}


def _remove_others(base: Path, names: set[str]) -> None:
    """Files that are no longer at the source, what a kill left, and folders without any."""
    for path in sorted(base.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            with suppress(OSError):
                path.rmdir()
        elif path.relative_to(base).as_posix() not in names:
            path.unlink()


def _mark(system: Any, place: str, around: Path) -> None:
    """The mark of generated data around a folder goes with it."""
    mark = around / MARKER
    mark.unlink(missing_ok=True)
    above = place.rstrip("/").rpartition("/")[0]
    if above.partition("://")[2] or (above and "://" not in above):
        with suppress(Exception):  # whoever may not look there has no mark
            mark.write_bytes(system.cat_file(f"{above}/{MARKER}"))


def _each(ask: Callable[[Given], Answer], items: Sequence[Given]) -> Iterator[Answer]:
    """Answers in order, several asked for at once; of a fault the questions that wait are dropped."""
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        for start in range(0, len(items), TOGETHER):
            yield from pool.map(ask, items[start : start + TOGETHER])
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _told_of(address: str) -> Iterator[None]:
    """What a file system raises, as one sentence of the address."""
    try:
        yield
    except HandledError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in OURS:
            raise
        raise _fault(address, _behind(error)) from None


def _fault(address: str, error: BaseException) -> DataError:
    status = getattr(error, "status", None)
    if status in (401, 403) or isinstance(error, PermissionError) or "Credential" in type(error).__name__:
        return DataError(f"{address} may not be read ({status or because(error)}); give credentials by the environment "
                         "or by fsspec's configuration")  # fmt: skip
    if isinstance(error, FileNotFoundError) or status == 404:
        return DataError(f"expected a file or folder at {address}; its server has none, or not all that it lists; "
                         "check the address")  # fmt: skip
    return DataError(f"{address} cannot be read: {f'status {status}' if status else because(error)}; repeat the "
                     "command, which goes on with what it has")  # fmt: skip


def _behind(error: BaseException) -> BaseException:
    """What fsspec calls a missing file, whatever its server answered."""
    while isinstance(error, FileNotFoundError) and error.__cause__:
        error = error.__cause__
    return error


def _tell(sentence: str) -> None:
    print(sentence, file=sys.stderr)
