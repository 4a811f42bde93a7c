"""Device, precision and lack of memory."""

from __future__ import annotations

import pytest
import torch

from ssl_bench.config.config import PretrainConfig
from ssl_bench.errors import TrainingStopped, UsageError
from ssl_bench.pretrain import device
from ssl_bench.pretrain.device import build_fabric, explained_memory, fast_bf16, peak_memory

CPU = torch.device("cpu")


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_the_configured_device_and_precision(precision: str) -> None:
    fabric = build_fabric(PretrainConfig(accelerator="cpu", precision=precision))
    assert fabric.device == CPU
    assert fabric._precision.precision == precision


@pytest.mark.parametrize(
    ("amx", "avx512_bf16", "name", "fast"),
    [
        (True, True, "INTEL(R) XEON(R)", True),
        (False, True, "INTEL(R) XEON(R)", False),
        (False, True, "AMD EPYC", True),
        (False, False, "AMD EPYC", False),
    ],
)
def test_auto_precision_is_bf16_where_it_is_fast(
    monkeypatch: pytest.MonkeyPatch, amx: bool, avx512_bf16: bool, name: str, fast: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16, raising=False)
    monkeypatch.setattr(device, "processor", lambda: name)
    assert fast_bf16("cpu") is fast
    precision = build_fabric(PretrainConfig(accelerator="cpu"))._precision.precision
    assert precision == ("bf16-mixed" if fast else "32-true")


def test_a_gpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert build_fabric(PretrainConfig()).device == CPU
    with pytest.raises(UsageError, match=r"pretrain\.accelerator is cuda, and torch finds no GPU; choose cpu or auto"):
        build_fabric(PretrainConfig(accelerator="cuda"))


def test_the_configured_threads() -> None:
    before = torch.get_num_threads()
    try:
        build_fabric(PretrainConfig(accelerator="cpu", threads=3))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def allocate_too_much() -> None:
    torch.empty(1 << 46, dtype=torch.uint8)


def fail(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    "cause",
    [
        allocate_too_much,
        lambda: fail(torch.OutOfMemoryError("CUDA out of memory")),
        lambda: fail(MemoryError()),
        lambda: fail(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")),
    ],
)
def test_lack_of_memory_is_one_sentence(cause: object) -> None:
    with (
        pytest.raises(
            TrainingStopped, match=r"out of memory at batch size 64 \(peak \d+\.\d GiB\); lower --batch-size"
        ),
        explained_memory(CPU, 64),
    ):
        cause()


def test_other_errors_are_left_alone() -> None:
    with pytest.raises(RuntimeError, match="shapes"), explained_memory(CPU, 64):
        raise RuntimeError("shapes differ")


def test_peak_memory_is_this_process() -> None:
    assert 0.01 < float(peak_memory(CPU).removesuffix(" GiB")) < 1000
