"""Device, precision and memory of a training."""

from __future__ import annotations

import inspect
import logging
import resource
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.parallel import DistributedDataParallel

from ssl_bench.config.config import PretrainConfig
from ssl_bench.errors import TrainingStopped, UsageError
from ssl_bench.pretrain.accelerators import chosen_accelerator, missing_device
from ssl_bench.pretrain.compiled import check_compiler
from ssl_bench.results.environment import processor

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from lightning_fabric.strategies.ddp import DDPStrategy


def peak_bytes(device: torch.device) -> int:
    """Largest memory so far, of the GPU or of the process; psutil knows the latter on Windows alone."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def peak_memory(device: torch.device) -> str:
    """:func:`peak_bytes` for people."""
    return f"{peak_bytes(device) / 2**30:.1f} GiB"


NO_MEMORY = ("can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED")
"""What torch says where it raises no ``OutOfMemoryError``: on a CPU, and inside cuBLAS."""


@contextmanager
def explained_memory(device: torch.device, batch_size: int) -> Iterator[None]:
    """Tell a lack of memory in one sentence.

    Raises:
        TrainingStopped: there is not enough; the batch size is never lowered silently, because it changes the loss.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        short = isinstance(error, torch.OutOfMemoryError | MemoryError) or any(text in str(error) for text in NO_MEMORY)
        if not short:
            raise
        raise TrainingStopped(
            f"out of memory at batch size {batch_size} (peak {peak_memory(device)}); "
            "lower --batch-size or the backbone; it is never lowered for you, because it changes the loss"
        ) from error


def build_fabric(config: PretrainConfig) -> Fabric:
    """Fabric for the configured device and precision.

    Raises:
        UsageError: a GPU is asked for and there is none, or a compiler.
    """
    from lightning_fabric import Fabric  # two fifths of a dry run, which asks only for the device

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it announces the precision on every start
    warnings.filterwarnings("ignore", message="The `srun` command is available")  # a login node has it, too
    accelerator = chosen_accelerator(config)
    if lacking := missing_device(config):
        raise UsageError(lacking)
    if config.compile:
        check_compiler(accelerator)
    if config.threads:
        torch.set_num_threads(config.threads)
    precision = config.precision
    if precision == "auto":
        precision = "bf16-mixed" if fast_bf16(accelerator) else "32-true"
    strategy = _together() if config.processes > 1 else "auto"
    return Fabric(
        accelerator=accelerator, devices=config.devices, num_nodes=config.nodes, strategy=strategy, precision=precision
    )


def _together() -> DDPStrategy:
    """DDP that leaves buffers alone: they are reduced where they are made, and DINO's centre is a new tensor a step."""
    from lightning_fabric.strategies.ddp import DDPStrategy
    from torch.distributed.fsdp import FSDPModule  # a second of imports

    class Together(DDPStrategy):
        """DDP, but around modules whose processes share the weights themselves."""

        def setup_module(self, module: Any) -> Any:
            return module if isinstance(module, FSDPModule) else super().setup_module(module)

    known = inspect.signature(DistributedDataParallel).parameters
    key = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"  # torch renamed it
    alone: dict[str, Any] = {key: False}
    return Together(**alone)


def fast_bf16(accelerator: str) -> bool:
    """Whether the device multiplies bf16 matrices faster than float32 ones."""
    if accelerator == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    amx, avx512 = (
        bool(getattr(torch.cpu, f"_is_{name}_supported", lambda: False)()) for name in ("amx_tile", "avx512_bf16")
    )
    # Without AMX it depends on the maker. Products of 2048 x 2048 on one thread, bf16 against float32: 195 and 96
    # GFLOP/s on an AMD EPYC (family 25, model 17), 37 and 80 on an Intel Xeon (family 6, model 207).
    return amx or (avx512 and processor().startswith("AMD"))
