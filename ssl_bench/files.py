"""Files that survive a kill: written beside their place and renamed, and locks that name their holder."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssl_bench.errors import DataError

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor


TORN = (".*.tmp", ".tmp*")
"""Patterns of what a kill in the middle of a write leaves: our temporary file, and the one of safetensors."""


def die_with_parent() -> None:
    """Ask the kernel to kill this process when the one that started it dies, whatever kills it."""
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name in the same folder, which replaces ``path`` once its bytes are on the disk.

    After a kill or a full disk the old file is still whole; the temporary one is removed on errors.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with _told_of(path, temporary):
            yield temporary
            with temporary.open("rb") as handle:
                os.fsync(handle.fileno())
            os.replace(temporary, path)
            _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside ``path``, renamed to it when the block is left without an error.

    A folder called ``path`` is therefore always whole. An empty folder of that name is replaced. What killed processes
    have left beside it is removed first; a lock on each temporary folder tells which ones are still being written.

    Raises:
        OSError: there is a folder with files in it, or a file; whatever failed inside is told of ``path``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished, lock = _begin(path)
    try:
        with _told_of(path, unfinished):
            yield unfinished
            unfinished.rename(path)
    finally:
        os.close(lock)
        shutil.rmtree(unfinished, ignore_errors=True)


UNFINISHED = ".unfinished"
"""Ends the hidden name of a folder that is being written."""


# filelock locks a file of its own, exclusively: these locks are on the folder or file itself, and readers share them.


def _begin(path: Path) -> tuple[Path, int]:
    """A temporary folder with a lock on it; made as the user's mask wants it."""
    beside = os.open(path.parent, os.O_RDONLY)
    try:
        with suppress(OSError):  # file systems without locks on folders are not cleaned
            fcntl.flock(beside, fcntl.LOCK_EX)  # nobody may look at the new folder before it is locked
            _remove_abandoned(path.parent)
        unfinished = path.with_name(f".{path.name}-{secrets.token_hex(4)}{UNFINISHED}")
        unfinished.mkdir()
        return unfinished, _lock_folder(unfinished)
    finally:
        os.close(beside)


def _lock_folder(folder: Path) -> int:
    handle = os.open(folder, os.O_RDONLY)
    with suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return handle


def _remove_abandoned(parent: Path) -> None:
    """Remove unfinished folders whose lock the kernel has dropped with their process."""
    for folder in parent.glob(f".*{UNFINISHED}"):
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        finally:
            os.close(handle)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _told_of(path: Path, temporary: Path) -> Iterator[None]:
    """Faults of a temporary file or folder are told of the place that it stands for."""
    try:
        yield
    except OSError as error:
        named = [str(name).replace(str(temporary), str(path)) for name in (error.filename, error.filename2) if name]
        if len(named) == 2:
            error.filename, error.filename2 = named
        elif error.errno is not None:  # one that Python code made of words alone says what it says
            error.filename = named[0] if named else str(path)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def csv_text(frame: pd.DataFrame) -> str:
    """Numbers and text as CSV without the index; text that a spreadsheet would run as a formula begins with ``'``."""
    return str(frame.map(_no_formula).rename(columns=_no_formula).to_csv(index=False))


def _no_formula(value: Any) -> Any:
    runs = isinstance(value, str) and value.lstrip(" ")[:1] in FORMULA and not NUMBER.fullmatch(value)
    return f"'{value}" if runs else value


FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a formula begins with in common spreadsheets."""

NUMBER = re.compile(r"[+-](\d+(\.\d+)?( \[[-+\d., ]+\])?)?")
"""A number with its sign, alone or with an interval, or the sign for no value."""


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write strict JSON, whole or not at all.

    Raises:
        ValueError: a number is NaN or infinite; JSON has null for those.
    """
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a safetensors file, whole or not at all.

    Raises:
        OSError: the disk is full or cannot be written; safetensors has an error of its own for that.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    with replacing(path) as temporary:
        temporary.touch()
        mode = temporary.stat().st_mode  # as the user's mask wants it; safetensors lets nobody else read
        try:
            save_file(dict(tensors), temporary)
            temporary.chmod(mode)
        except SafetensorError as error:
            number = re.search(r"os error (\d+)", str(error))
            code = int(number[1]) if number else errno.EIO
            raise OSError(code, os.strerror(code), str(path)) from error


def sha256(path: Path) -> str:
    """Hash of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def check_unlocked(path: Path, what: str) -> None:
    """Look whether a lock is free, and write nothing.

    Raises:
        DataError: another process holds it; the message names it.
    """
    if path.is_file():
        with path.open("rb") as file:
            _take(file.fileno(), what, fcntl.LOCK_SH | fcntl.LOCK_NB)


def _take(handle: int, what: str, operation: int) -> None:
    try:
        fcntl.flock(handle, operation)
    except BlockingIOError:
        holder = os.pread(handle, 200, 0).decode(errors="replace").strip() or "another process"
        raise DataError(f"{what} is in use by {holder}; wait for it or choose another --out") from None
    except OSError as error:
        raise DataError(f"{what} cannot be locked: {error.strerror}; choose a file system with locks") from None


@contextmanager
def locked(path: Path, what: str, *, wait: bool = False) -> Iterator[None]:
    """Hold a lock file that names host and process.

    The kernel drops the lock when its holder dies, so a stale one is simply taken over.

    Args:
        path: the lock file; it stays, empty or not.
        what: what is locked, for the message.
        wait: wait for the holder instead of giving up.

    Raises:
        DataError: another process holds it; the message names it.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)  # as the user's mask wants it
    except OSError as error:
        raise DataError(f"{what} cannot be locked: {error.strerror}; it must be a folder to write in") from None
    try:
        _take(handle, what, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        with suppress(OSError):  # on a full disk the lock holds all the same, without a name
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{socket.gethostname()} pid {os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)
