"""``pretrain.compile``: the backbones of a method under ``torch.compile`` while it trains."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from ssl_bench.build.backbones import TimmCNN, TimmViT
from ssl_bench.errors import UsageError


def check_compiler(accelerator: str) -> None:
    """Tell in time that what ``torch.compile`` needs is not there.

    Raises:
        UsageError: no C++ compiler (on a CPU), or neither C compiler nor Triton (on a GPU).
    """
    if accelerator == "cpu":
        wanted, names = "a C++ compiler", [os.environ.get("CXX", ""), "clang++" if sys.platform == "darwin" else "g++"]
    else:
        wanted, names = "a C compiler", [os.environ.get("CC", ""), "gcc", "clang"]
    if not any(name and shutil.which(name) for name in names):
        raise UsageError(
            f"pretrain.compile needs {wanted}, found none of {', '.join(filter(None, names))}; install one, or leave "
            "pretrain.compile off"
        )


@contextmanager
def compiled(method: nn.Module, *, backend: str | Callable[..., object] = "inductor") -> Iterator[None]:
    """Every backbone of a method compiled; as they were afterwards, for an evaluation has other shapes.

    The backbones alone: they take nearly all of the time, and masks and other random numbers are drawn outside of
    them, so that a compiled training has those of a plain one. Each shape of view is compiled by itself, once.

    Args:
        method: with backbones from timm; others stay as they are.
        backend: of ``torch.compile``.
    """
    parts = [part for part in method.modules() if isinstance(part, TimmViT | TimmCNN)]
    for part in parts:
        part.forward = torch.compile(part.forward, dynamic=False, backend=backend)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for part in parts:
            del part.forward
