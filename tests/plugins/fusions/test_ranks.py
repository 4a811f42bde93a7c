"""Two processes must get the gradients of one process that sees both halves: negatives and means are of all ranks.

Run as a script this file is one of the two processes: ``python test_ranks.py RANK FOLDER``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from ssl_bench.plugin.contracts import Encoding
from ssl_bench.plugin.registry import discover
from ssl_bench.testing.tiny import schema

WORLD, ROWS, DIM = 2, 8, 16
REGISTRY = discover()
FUSIONS = [name for name in REGISTRY.names("fusion") if name != "none"]


def gradients(name: str, rows: slice) -> dict[str, Tensor]:
    """Gradients of a fusion on some rows of a batch; two patients are alike, and more is missing in one half."""
    torch.manual_seed(0)
    fusion = REGISTRY.get("fusion", name).load()(REGISTRY.options("fusion", name, {}, ""), DIM, schema()).double()
    drawn = torch.Generator().manual_seed(1)
    pooled, tokens = (torch.randn(ROWS, *shape, generator=drawn).double() for shape in ((DIM,), (4, DIM)))
    ehr, present = torch.rand(ROWS, 3, generator=drawn).double(), torch.ones(ROWS, 3).double()
    ehr[6], present[5:, 0], present[7] = ehr[1], 0.0, 0.0
    present[1, 0] = 0.0
    found = fusion.fuse(Encoding(pooled[rows], tokens[rows]), ehr[rows], present[rows])
    torch.autograd.backward(found.features.square().mean() + sum(found.losses.values()), inputs=[*fusion.parameters()])
    return {key: value.grad for key, value in fusion.named_parameters() if value.grad is not None}


def work(rank: int, folder: Path) -> None:
    """One of the processes: average gradients as DDP does, and leave them in a file."""
    dist.init_process_group("gloo", init_method=f"file://{folder / 'store'}", rank=rank, world_size=WORLD)
    results = {}
    for name in FUSIONS:
        results[name] = gradients(name, slice(rank * ROWS // WORLD, (rank + 1) * ROWS // WORLD))
        for gradient in results[name].values():
            dist.all_reduce(gradient)
            gradient /= WORLD
    torch.save(results, folder / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def two_processes(
    in_two_processes: Callable[[str], list[dict[str, dict[str, Tensor]]]],
) -> list[dict[str, dict[str, Tensor]]]:
    """What each of two processes found, all fusions in one launch."""
    return in_two_processes(__file__)


@pytest.mark.parametrize("name", FUSIONS)
def test_two_processes_equal_one(two_processes: list[dict[str, dict[str, Tensor]]], name: str) -> None:
    wanted = gradients(name, slice(None))
    assert wanted
    for found in two_processes:
        for key, value in wanted.items():
            torch.testing.assert_close(found[name][key], value, rtol=1e-9, atol=1e-12)


if __name__ == "__main__":
    work(int(sys.argv[1]), Path(sys.argv[2]))
