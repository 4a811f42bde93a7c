"""Random streams by name."""

from __future__ import annotations

import torch

from ssl_bench.seeds import derive, generator, seed_torch


def test_streams_are_fixed_for_all_time() -> None:
    # Pinned: a change would silently give every seed other images, crops and masks.
    assert derive(0, "crops", 3) == 4553794553556275160
    assert derive(7) == 1320494719199842095


def test_every_purpose_has_its_own_stream() -> None:
    purposes = [("crops", 0), ("crops", 1), ("order", 0), ("crops",), ("crops", "0"), ("cro", "ps", 0)]
    drawn = [derive(seed, *purpose) for seed in (0, 1) for purpose in purposes]
    assert len(set(drawn)) == len(drawn)
    assert all(0 <= seed < 2**63 for seed in drawn)


def test_generators_start_afresh() -> None:
    first, again = torch.rand(4, generator=generator(0, "x")), torch.rand(4, generator=generator(0, "x"))
    assert torch.equal(first, again)
    assert not torch.equal(first, torch.rand(4, generator=generator(0, "y")))


def test_the_global_generator_is_seeded() -> None:
    seed_torch(0, "step", 3)
    first = torch.rand(4)
    torch.rand(9)
    seed_torch(0, "step", 3)
    assert torch.equal(torch.rand(4), first)
    assert torch.equal(torch.rand(4, generator=generator(0, "step", 3)), first)
