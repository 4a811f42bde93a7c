"""Linux and macOS: nothing rests on ``/proc``, ``sched_getaffinity``, ``prctl`` or Linux's units of memory."""

from __future__ import annotations

import builtins
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import ssl_bench
from ssl_bench.data import source
from ssl_bench.files import die_with_parent
from ssl_bench.pretrain import device
from ssl_bench.results import environment
from sslbench_launchers.local import own_cores

ROOT = Path(ssl_bench.__file__).parents[1]
LINUX = re.compile(r"/proc/|sched_getaffinity|prctl\(|os\.fork\b")
GUARDED = {"results/environment.py", "data/source.py", "sslbench_launchers/local.py", "files.py"}
"""The files that know Linux, each with another way, which the tests below take."""


@pytest.fixture
def _as_on_macos(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = builtins.open

    def without_proc(file: Any, *arguments: Any, **options: Any) -> Any:
        if str(file).startswith("/proc"):
            raise FileNotFoundError(2, "No such file or directory", str(file))
        return opened(file, *arguments, **options)

    monkeypatch.setattr(builtins, "open", without_proc)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(sys, "platform", "darwin")


@pytest.mark.usefixtures("_as_on_macos")
def test_what_linux_says_has_another_source(monkeypatch: pytest.MonkeyPatch) -> None:
    assert own_cores() == os.cpu_count()
    assert source._free_memory() == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    assert isinstance(environment.processor(), str)
    die_with_parent()
    used = SimpleNamespace(ru_maxrss=3 * 2**30)
    monkeypatch.setattr(device.resource, "getrusage", lambda who: used)
    assert device.peak_memory(torch.device("cpu")) == "3.0 GiB"


def test_linux_counts_memory_in_kib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(device.resource, "getrusage", lambda who: SimpleNamespace(ru_maxrss=3 * 2**20))
    assert device.peak_memory(torch.device("cpu")) == "3.0 GiB"


@pytest.mark.usefixtures("_as_on_macos")
def test_a_run_needs_no_linux(sslbench: Any, tiny_nih: Callable[..., Path]) -> None:
    answer = sslbench("run", "--preset", "smoke", "--dry-run", "--data", f"nih14={tiny_nih()}")
    assert answer.code == 0, answer.err


def test_no_other_file_knows_linux() -> None:
    folders = [ROOT / "ssl_bench", *(ROOT / "plugins").glob("sslbench_*")]
    found = {path.as_posix() for folder in folders for path in folder.rglob("*.py") if LINUX.search(path.read_text())}
    assert not [path for path in found if not path.endswith(tuple(GUARDED))]
