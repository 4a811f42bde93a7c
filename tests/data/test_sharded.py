"""Which images a process holds of several, and what it reads once it is alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ssl_bench import distributed
from ssl_bench.data import sharded
from ssl_bench.data.sharded import ShardedSource, is_sharded
from ssl_bench.data.source import ImageSource
from ssl_bench.distributed import Share

CPU = torch.device("cpu")
IMAGES = np.arange(11 * 4, dtype=np.uint8).reshape(11, 2, 2)


@pytest.mark.parametrize("world", [2, 3, 11])
def test_each_image_has_one_holder_and_memory_falls_with_the_number_of_processes(
    monkeypatch: pytest.MonkeyPatch, world: int
) -> None:
    monkeypatch.setattr(sharded, "AT_ONCE", 2)
    held = []
    for rank in range(world):
        monkeypatch.setattr(sharded, "own_share", lambda rank=rank: Share(rank, world))
        held.append(ShardedSource(ImageSource(IMAGES, CPU, "disk"), len(IMAGES)).held)
        assert held[-1].nbytes <= -(-len(IMAGES) // world) * IMAGES[0].nbytes
    joined = torch.cat(held)[np.argsort(np.concatenate([np.arange(rank, 11, world) for rank in range(world)]))]
    np.testing.assert_array_equal(joined, IMAGES)


def test_the_process_that_stays_reads_from_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharded, "own_share", lambda: Share(0, 2))
    source = ShardedSource(ImageSource(IMAGES, CPU, "disk"), len(IMAGES))
    monkeypatch.setattr(sharded, "own_share", distributed.own_share)
    np.testing.assert_array_equal(source.read(np.array([9, 0, 1, 9]))[:, 0], IMAGES[[9, 0, 1, 9]])


@pytest.mark.parametrize(
    ("residency", "world", "wanted"),
    [("sharded", 2, True), ("sharded", 1, False), ("auto", 8, False), ("disk", 8, False)],
)
def test_images_are_shared_where_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, residency: str, world: int, wanted: bool
) -> None:
    monkeypatch.setattr(sharded, "own_share", lambda: Share(0, world))
    assert is_sharded(residency) is wanted
