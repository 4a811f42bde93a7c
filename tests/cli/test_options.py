"""Flags as configuration, and the cache folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssl_bench.api.settings import cache_folder, merge_flags
from ssl_bench.errors import UsageError


def test_flags_nest_by_their_dots_and_absent_ones_say_nothing() -> None:
    flags = {"method": None, "seed": 0, "pretrain.lr": 0.1, "pretrain.epochs": 2, "data.root": None}
    assert merge_flags(flags, []) == {"seed": 0, "pretrain": {"lr": 0.1, "epochs": 2}}


def test_assignments_win_over_flags_and_later_ones_over_earlier() -> None:
    merged = merge_flags(
        {"method": "msn", "pretrain.lr": 0.1}, ["method.prototypes=8", "pretrain.lr=1", "pretrain.lr=2"]
    )
    assert merged == {"method": {"name": "msn", "prototypes": 8}, "pretrain": {"lr": 2}}


def test_a_malformed_assignment_is_refused() -> None:
    with pytest.raises(UsageError, match="--set expects KEY=VALUE"):
        merge_flags({}, ["prototypes"])


def test_the_cache_is_where_the_user_or_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SSLBENCH_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder(None) == tmp_path / ".cache" / "sslbench"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder(None) == tmp_path / "xdg" / "sslbench"
    monkeypatch.setenv("SSLBENCH_CACHE", str(tmp_path / "own"))
    assert cache_folder(None) == tmp_path / "own"
    assert cache_folder(tmp_path / "given") == tmp_path / "given"


@pytest.mark.parametrize("given", [True, False])
def test_fault_36_a_cache_that_is_a_file_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: bool
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SSLBENCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(UsageError, match=r"file is a file; give a folder by --cache"):
        cache_folder(tmp_path / "file" if given else None)
