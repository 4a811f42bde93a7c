"""The check of methods on two processes: they train as one that sees both batches.

The processes come from a server that has imported the libraries once, so that each costs the fork and not the import.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.context import BaseContext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ssl_bench.distributed import all_reduce_mean, rank, world_size
from ssl_bench.plugin.contracts import Batch, Method
from ssl_bench.testing.learning import MethodSubject, gradients, loss_of
from ssl_bench.testing.tiny import ROWS, Recipe, batch

RANKS = 2
TOLERANCE = 1e-6
"""Largest difference of a parameter's gradient, relative to its norm."""

TIMEOUT_S = 300
"""Seconds after which a process is taken to hang."""

STEP = 0.1
"""Length of the step between the two gradients."""

Gradients = dict[str, Tensor]


@dataclass(frozen=True)
class Work:
    """What each process does: two steps of a method on its share of a batch.

    Args:
        recipe: of the method.
        builds: with and without a fusion.
        folder: for the results and the meeting of the processes.
    """

    recipe: Recipe
    builds: Sequence[bool]
    folder: Path


def check_two_processes(subject: MethodSubject) -> None:
    """Two processes with half of the batch each get the gradients of one process with all of it (float64)."""
    with TemporaryDirectory() as folder:
        work = Work(subject.recipe, (False, True), Path(folder))
        wanted = [two_steps(work.recipe, fused=fused) for fused in work.builds]
        failures = _run(work)
        subject.expect(not failures, f"fails on two processes: {'; '.join(failures)}")
        for number in range(RANKS):
            found = torch.load(work.folder / f"{number}.pt")
            for one, two in zip(wanted, found, strict=True):
                _compare(subject, one, two)


def _compare(subject: MethodSubject, one: Gradients, two: Gradients) -> None:
    """Fail if gradients of two processes differ from those of one."""
    total = norm_of(one)
    errors = {
        name: float((two[name] - gradient).norm()) / (float(gradient.norm()) + TOLERANCE * total)
        for name, gradient in one.items()
    }
    worst = max(errors, key=lambda name: errors[name])
    subject.expect(
        errors[worst] < TOLERANCE,
        f"trains otherwise on two processes than on one with the same images: the gradient of {worst} differs by "
        f"{errors[worst]:.2g} of its norm; reach the other ranks' rows by gather, all_reduce_mean and BatchNorm of "
        "ssl_bench.plugin.methods",
    )


def _run(work: Work) -> list[str]:
    """Start the processes and wait; returns why some failed."""
    context = cast("Any", _context())
    processes = [context.Process(target=_one_rank, args=(work, number)) for number in range(RANKS)]
    try:
        for process in processes:
            process.start()
        for process in processes:
            process.join(TIMEOUT_S)
    finally:
        for process in processes:
            process.kill()
            process.join()
    # The first to fail says why; the other one then fails because it is left alone.
    failures = [
        path.read_text() for path in sorted(work.folder.glob("*.failed"), key=lambda path: path.stat().st_mtime)
    ]
    if not failures and any(process.exitcode for process in processes):
        return [f"exit codes {[process.exitcode for process in processes]}"]
    return failures[:1]


def _context() -> BaseContext:
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _one_rank(work: Work, number: int) -> None:
    """One process: meet the other, train two steps, write the gradients."""
    gc.freeze()  # a collection would touch, and so copy, all memory that is shared with the server
    torch.set_num_threads(1)
    if sys.platform == "linux":
        os.environ["GLOO_SOCKET_IFNAME"] = "lo"  # a host's own name need not resolve
    dist.init_process_group("gloo", f"file://{work.folder / 'meeting'}", rank=number, world_size=RANKS)
    try:
        torch.save([two_steps(work.recipe, fused=fused) for fused in work.builds], work.folder / f"{number}.pt")
        dist.barrier()
    except Exception as error:
        text = f"{type(error).__name__}: {' '.join(str(error).split())}"
        (work.folder / f"{number}.failed").write_text(text[:500])
        os._exit(1)  # the other process waits for this one in a collective: end at once, so that it fails too
    dist.destroy_process_group()


def two_steps(recipe: Recipe, *, fused: bool) -> Gradients:
    """Gradients of the second of two steps on this process's share of a batch, averaged over processes as DDP does.

    The second step, because running statistics, centres and moving averages of the first act on it.
    """
    method = cast("Method", cast("nn.Module", recipe.build(fused=fused)).double())
    rows = share(method, batch(method.views, fused=fused, rows=RANKS * ROWS, dtype=torch.float64))
    found: Gradients = {}
    for progress in (0.0, 0.5):
        with SameDraws():  # type: ignore[no-untyped-call]
            found = _averaged(method, loss_of(method, rows, progress))
        length = norm_of(found)
        with torch.no_grad():
            for name, value in cast("nn.Module", method).named_parameters():
                if name in found and not any(value is frozen for frozen in method.frozen):
                    value.sub_(found[name], alpha=STEP / length)
        method.after_step(progress)
    return found


def norm_of(tensors: Gradients) -> float:
    """Norm over all tensors."""
    return float(torch.stack([tensor.norm() for tensor in tensors.values()]).norm())


def _averaged(method: Method, loss: Any) -> Gradients:
    arrived = {name: gradient for name, gradient in gradients(method, loss).items() if gradient is not None}
    joined = all_reduce_mean(torch.cat([gradient.flatten() for gradient in arrived.values()]))
    parts = torch.split_with_sizes(joined, [gradient.numel() for gradient in arrived.values()])
    return {name: part.view_as(gradient) for (name, gradient), part in zip(arrived.items(), parts, strict=True)}


def share(method: Method, rows: Batch) -> Batch:
    """This process's rows of a batch; all of them on one process."""
    place, parts = rank(), world_size()

    def own(tensor: Tensor, views: int = 1) -> Tensor:
        return tensor.reshape(views, parts, len(tensor) // views // parts, *tensor.shape[1:])[:, place].flatten(0, 1)

    counts = {group.name: group.count for group in method.views}
    return replace(
        rows,
        views={name: own(images, counts[name]) for name, images in rows.views.items()},
        ehr=own(rows.ehr), present=own(rows.present), labels=own(rows.labels), index=own(rows.index),
    )  # fmt: skip


class SameDraws(TorchDispatchMode):
    """Random tensors whose rows are all alike, so that they do not depend on how many rows a process has."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded not in func.tags or not args:
            return func(*args, **kwargs)
        first, rest = args[0], args[1:]
        if isinstance(first, Tensor) and first.ndim and func._schema.is_mutable:
            func(first[:1], *rest, **kwargs)
            first[1:].copy_(first[:1].expand_as(first[1:]))
            return first
        if isinstance(first, list | tuple) and first:  # the size of a new tensor
            return func([1, *first[1:]], *rest, **kwargs).expand(*first).clone()
        return func(*args, **kwargs)
