"""Arrays of an npz file, mapped from the disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ssl_bench.results import mapped as module
from ssl_bench.results.mapped import mapped
from ssl_bench.results.rundir import RunDirectory

NAMES = np.array(["a", "b", "c"])


@pytest.mark.parametrize(
    "array", [np.arange(12.0, dtype=np.float32).reshape(3, 4), np.asfortranarray(np.eye(3)), NAMES]
)
def test_a_mapped_array_is_the_one_that_was_written(tmp_path: Path, array: np.ndarray) -> None:
    np.savez(tmp_path / "kept.npz", image_id=NAMES, embeddings=array, fingerprint=np.array("x"))
    found = mapped(tmp_path / "kept.npz", "embeddings")
    assert isinstance(found, np.memmap)
    assert not found.flags.writeable
    np.testing.assert_array_equal(found, array)
    with pytest.raises(KeyError):
        mapped(tmp_path / "kept.npz", "other")


def test_a_compressed_array_is_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "kept.npz", embeddings=NAMES)
    with pytest.raises(ValueError, match=r"is compressed and cannot be mapped$"):
        mapped(tmp_path / "kept.npz", "embeddings")


def test_large_embeddings_are_mapped_and_a_damaged_file_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, rows = RunDirectory(tmp_path / "run"), np.ones((3, 2), np.float32)
    path = run.write_embeddings("trained", "toy-test", {"image_id": NAMES, "embeddings": rows})
    assert not isinstance(run.read_embeddings("trained", "toy-test", NAMES), np.memmap)
    monkeypatch.setattr(module, "LARGE", 1)
    found = run.read_embeddings("trained", "toy-test", NAMES)
    assert isinstance(found, np.memmap)
    np.testing.assert_array_equal(found, rows)
    assert run.read_embeddings("trained", "toy-test", NAMES[::-1]) is None
    path.write_bytes(path.read_bytes()[:-40])
    assert run.read_embeddings("trained", "toy-test", NAMES) is None
