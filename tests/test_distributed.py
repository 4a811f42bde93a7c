"""Reductions over ranks: two processes give the gradients of one that saw the joined batch.

Run as a script, this file is one of the processes: ``test_distributed.py RANK FOLDER``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from ssl_bench.distributed import BatchNorm, NormAct, across_ranks, all_reduce_mean, gather, rank, world_size
from ssl_bench.plugin.contracts import Batch, Encoding
from sslbench_methods.msn import MSN, msn_loss
from sslbench_methods.options import MSNOptions

RANKS, ROWS, VIEWS = 2, 4, 3
Tensors = dict[str, Tensor]


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def share(whole: Tensor, views: int = 1) -> Tensor:
    """This process's rows of a view-major batch; all of them on one process."""
    split = whole.unflatten(0, (views, world_size(), -1))
    return split[:, rank()].flatten(0, 1).clone().requires_grad_()


def averaged(gradient: Tensor) -> Tensor:
    """The gradient of a parameter as DDP makes it."""
    if world_size() > 1:
        dist.all_reduce(gradient)
    return gradient / world_size()


# --- the cases: each is run on two processes with half of the batch, and on one with all of it ----------------------
# ``whole:`` results must be equal; ``rows:`` are gradients of the process's own rows, ``VIEWS`` views of them.


def case_all_reduce_mean() -> Tensors:
    rows = share(drawn(RANKS * ROWS, 5))
    weight = drawn(5, seed=1).requires_grad_()
    mean = all_reduce_mean((rows * weight).exp().mean(0))
    mean.square().sum().backward()
    return {"whole:value": mean, "whole:weight": averaged(weight.grad), "rows:1": rows.grad / world_size()}


def case_gather() -> Tensors:
    rows = share(drawn(RANKS * ROWS, 5))
    weight = drawn(5, 5, seed=1).requires_grad_()
    everything = gather(rows @ weight)
    # Each row against all rows of all ranks, as a contrastive loss does.
    loss = torch.logsumexp((rows @ weight) @ everything.T, dim=1).mean()
    loss.backward()
    return {
        "whole:value": everything,
        "whole:loss": averaged(loss.detach().clone()),
        "whole:weight": averaged(weight.grad),
        "rows:1": rows.grad / world_size(),
    }


def case_msn(sinkhorn_iterations: int) -> Tensors:
    anchors = share(drawn(VIEWS * RANKS * ROWS, 6), VIEWS)
    targets = share(drawn(RANKS * ROWS, 6, seed=1))
    prototypes = drawn(7, 6, seed=2).requires_grad_()
    cross_entropy, me_max = msn_loss(anchors, targets, prototypes, sinkhorn_iterations=sinkhorn_iterations)
    (cross_entropy + me_max).backward()
    return {
        "whole:me_max": me_max,
        "whole:cross_entropy": averaged(cross_entropy.detach().clone()),
        "whole:prototypes": averaged(prototypes.grad),
        f"rows:{VIEWS}": anchors.grad / world_size(),
    }


def case_batch_norm(shape: tuple[int, ...]) -> Tensors:
    rows = share(drawn(RANKS * ROWS, *shape))
    norm = BatchNorm(shape[0]).double()
    with torch.no_grad():
        norm.weight.copy_(drawn(shape[0], seed=1))
    out = norm(rows)
    (out.sigmoid().square().flatten(1).sum(1).mean()).backward()
    return {
        "whole:weight": averaged(norm.weight.grad),
        "whole:bias": averaged(norm.bias.grad),
        "whole:running_mean": norm.running_mean,
        "whole:running_var": norm.running_var,
        "whole:batches": norm.num_batches_tracked,
        "rows:1": rows.grad / world_size(),
    }


class Pooling(nn.Module):
    """The smallest backbone: 4 x 4 means of an image, projected."""

    dim, image_size, patch_size, masks = 6, 16, 4, True

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(16, self.dim)

    def forward(self, images: Tensor, keep: Tensor | None = None, *, tokens: bool = True) -> Encoding:
        pooled = self.project(nn.functional.adaptive_avg_pool2d(images, 4).flatten(1)).tanh()
        return Encoding(pooled, pooled[:, None])


def case_method() -> Tensors:
    """All of MSN: two projection heads with BatchNorm, Sinkhorn, mean prediction."""
    torch.manual_seed(0)
    options = MSNOptions(prototypes=8, hidden_dim=10, output_dim=5, focal_views=2, focal_size=8, mask_ratio=0)
    method = MSN(options, Pooling(), None).double()
    views = {
        group.name: share(drawn(group.count * RANKS * ROWS, 1, group.size, group.size, seed=number), group.count)
        for number, group in enumerate(method.views)
    }
    none = torch.zeros(ROWS * RANKS // world_size(), 0)
    method.training_loss(Batch(views, none, none, none, none), 0.0).total.backward()
    return {f"whole:{name}": averaged(value.grad) for name, value in method.named_parameters() if value.requires_grad}


CASES: dict[str, Callable[[], Tensors]] = {
    "all_reduce_mean": case_all_reduce_mean,
    "gather": case_gather,
    "msn": lambda: case_msn(0),
    "msn_sinkhorn": lambda: case_msn(3),
    "batch_norm": lambda: case_batch_norm((5,)),
    "batch_norm_2d": lambda: case_batch_norm((3, 2, 2)),
    "method": case_method,
}


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Tensors]]:
    """The results of every case on two processes."""
    folder = tmp_path_factory.mktemp("ranks")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "OMP_NUM_THREADS": "1",
        "GLOO_SOCKET_IFNAME": "lo",
    }
    processes = [
        subprocess.Popen([sys.executable, __file__, str(number), str(folder)], env=environment)
        for number in range(RANKS)
    ]
    try:
        assert [process.wait(timeout=60) for process in processes] == [0] * RANKS
    finally:
        for process in processes:
            process.kill()
    return [torch.load(folder / f"{number}.pt") for number in range(RANKS)]


@pytest.mark.parametrize("name", CASES)
def test_two_processes_equal_one(name: str, two_processes: list[dict[str, Tensors]]) -> None:
    wanted = CASES[name]()
    for number, results in enumerate(two_processes):
        assert results[name].keys() == wanted.keys()
        for key, value in wanted.items():
            if key.startswith("rows:"):
                value = value.unflatten(0, (int(key[5:]), RANKS, -1))[:, number].flatten(0, 1)
            torch.testing.assert_close(results[name][key], value, rtol=1e-10, atol=1e-13, msg=f"rank {number}, {key}")


def test_one_process_is_the_identity() -> None:
    assert (world_size(), rank()) == (1, 0)
    rows = drawn(4, 3)
    torch.testing.assert_close(all_reduce_mean(rows), rows, rtol=0, atol=0)
    assert gather(rows) is rows


@pytest.mark.parametrize("shape", [(8, 5), (8, 5, 3, 3)])
def test_batch_norm_on_one_process_is_torchs(shape: tuple[int, ...]) -> None:
    torchs = nn.BatchNorm1d(5) if len(shape) == 2 else nn.BatchNorm2d(5)
    ours, rows = BatchNorm(5), drawn(*shape).float()
    torch.testing.assert_close(ours(rows), torchs(rows))
    torch.testing.assert_close(ours.running_var, torchs.running_var)
    torch.testing.assert_close(ours.eval()(rows), torchs.eval()(rows))


def test_batch_norm_needs_channels() -> None:
    with pytest.raises(ValueError, match=r"expected \(B, C, ...\), got \(4,\)"):
        BatchNorm(4)(torch.zeros(4))


def test_every_batch_norm_of_a_module_is_replaced() -> None:
    from timm.layers import BatchNormAct2d  # not above: the two processes need no timm, which is slow to import

    module = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.Sequential(nn.BatchNorm2d(4), nn.ReLU()), nn.BatchNorm2d(4), BatchNormAct2d(4)
    )
    images = torch.rand(6, 1, 8, 8)
    module(images)  # statistics that must be kept
    state = {name: value.clone() for name, value in module.state_dict().items()}
    wanted = module.eval()(images)
    replaced = across_ranks(module).eval()
    kinds = [type(part) for part in replaced.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    assert kinds == [BatchNorm, BatchNorm, NormAct]
    assert replaced.state_dict().keys() == state.keys()
    torch.testing.assert_close(replaced(images), wanted)
    assert (wanted >= 0).all()  # timm's norm has an activation of its own


if __name__ == "__main__":
    number, folder = int(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder / 'store'}", rank=number, world_size=RANKS)
    results = {name: {key: value.detach() for key, value in case().items()} for name, case in CASES.items()}
    torch.save(results, folder / f"{number}.pt")
    dist.barrier()
    dist.destroy_process_group()
