"""Random streams by name: every purpose has its own, derived from the run's seed.

Streams are functions of (seed, purpose, step), never states that move on. So a resumed run needs no generator state,
and two methods with the same seed see the same images, crops and masks whatever else they draw.
"""

from __future__ import annotations

import hashlib

import torch


def derive(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed for a purpose, for example ``derive(0, "crops", step)``."""
    digest = hashlib.sha256(repr((seed, *purpose)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, *purpose: str | int) -> torch.Generator:
    """A CPU generator for a purpose."""
    return torch.Generator().manual_seed(derive(seed, *purpose))


def seed_torch(seed: int, *purpose: str | int) -> None:
    """Seed torch's global generators for a purpose."""
    torch.manual_seed(derive(seed, *purpose))
