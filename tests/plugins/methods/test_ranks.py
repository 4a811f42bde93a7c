"""Two processes must train as one process does that sees both halves of the batch.

Run as a script this file is one of the two processes: ``python test_ranks.py RANK FOLDER``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from ssl_bench.plugin.contracts import Batch

WORLD, ROWS = 2, 8
CASES = ["simclr", "byol", "vicreg", "dino", "simsiam", "moco-v3", "mae", "ijepa", "dinov2", "msn", "supervised"]


def cases() -> list[tuple[str, str, bool]]:
    """Method, backbone and whether EHR features are joined."""
    return [(name, kind, fused) for name in CASES for kind, fused in (("vit", True), ("cnn", False))
            if name not in ("mae", "ijepa", "dinov2", "msn") or kind == "vit"]  # fmt: skip


def method_of(checks: Any, name: str, kind: str, fused: bool) -> Any:
    """The method; DINO without its random drops, whose draws do not follow the views of an image."""
    return checks.build(name, kind, fused=fused, **({"drop_path": 0.0} if name == "dino" else {}))


def half(batch: Batch, rank: int) -> Batch:
    """The rows of one process; views stay view-major."""
    rows = slice(rank * ROWS // WORLD, (rank + 1) * ROWS // WORLD)
    views = {name: view.unflatten(0, (-1, ROWS))[:, rows].flatten(0, 1) for name, view in batch.views.items()}
    return Batch(views, batch.ehr[rows], batch.present[rows], batch.labels[rows], batch.index[rows])


def gradients(method: Any, batch: Batch) -> dict[str, Tensor]:
    """Gradients and moving statistics after one step's backward pass on the whole batch or a half."""
    torch.manual_seed(3)
    method.training_loss(batch, 0.5).total.backward()
    found = {name: value.grad for name, value in method.named_parameters() if value.requires_grad}
    # Batch statistics and DINO's centre; the count of batches is no tensor of floats.
    found |= {name: value for name, value in method.named_buffers() if value.is_floating_point()}
    return found


def work(rank: int, folder: Path) -> None:
    """One of the processes: average gradients as DDP does, and leave them in a file."""
    from conftest import Checks

    from ssl_bench.plugin.registry import discover

    dist.init_process_group("gloo", init_method=f"file://{folder / 'store'}", rank=rank, world_size=WORLD)
    checks = Checks(discover())
    results = {}
    for case in cases():
        method = method_of(checks, *case)
        found = gradients(method, half(checks.batch(method, rows=ROWS), rank))
        for name, parameter in method.named_parameters():
            if parameter.requires_grad:
                dist.all_reduce(found[name])
                found[name] /= WORLD
        results[case] = found
    torch.save(results, folder / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def two_processes(
    in_two_processes: Callable[[str], list[dict[tuple[str, str, bool], dict[str, Tensor]]]],
) -> list[dict[tuple[str, str, bool], dict[str, Tensor]]]:
    """What each of two processes found, all methods in one launch."""
    return in_two_processes(__file__)


@pytest.mark.parametrize(("name", "kind", "fused"), cases())
def test_two_processes_equal_one(checks, two_processes, name, kind, fused):
    method = method_of(checks, name, kind, fused)
    wanted = gradients(method, checks.batch(method, rows=ROWS))
    scale = torch.stack([value.norm() for key, value in wanted.items() if "running" not in key]).norm()
    for found in two_processes:
        for key, value in wanted.items():
            difference = (found[name, kind, fused][key] - value).norm() / (value.norm() + 1e-6 * scale)
            assert difference < 1e-6, key


if __name__ == "__main__":
    work(int(sys.argv[1]), Path(sys.argv[2]))
