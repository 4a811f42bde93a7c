"""Several processes for one training: started by this command, by torchrun or by Slurm."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from lightning_fabric import Fabric

from ssl_bench.config.config import PretrainConfig
from ssl_bench.errors import TrainingStopped, UsageError
from ssl_bench.files import die_with_parent
from ssl_bench.pretrain.device import build_fabric
from ssl_bench.ranks import started_outside

GRACE_S = 10.0
"""Seconds in which the other processes may end by themselves once the first one has."""


@contextmanager
def launched(config: PretrainConfig) -> Iterator[Fabric]:
    """Start the processes of a training, each of which runs this command again, and end them with the block.

    Raises:
        UsageError: torchrun or Slurm started another number of processes than the configuration says.
        TrainingStopped: another process of this machine ended early.
    """
    check_started(config)
    if config.nodes == 1 and sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # a host's own name need not resolve
    if os.environ.get("LOCAL_RANK", "0") != "0" and not started_outside():
        die_with_parent()
    fabric = build_fabric(config)
    fabric.launch()
    if config.threads:
        torch.set_num_threads(config.threads)  # Fabric has just shared the cores out
    children: list[subprocess.Popen[bytes]] = getattr(fabric.strategy.launcher, "procs", [])
    try:
        yield fabric
        _end(children)
    except RuntimeError as error:
        if codes := [child.poll() for child in children if child.poll()]:
            raise TrainingStopped(
                f"another process of the training ended with exit code {codes[0]}; its output is above"
            ) from error
        raise
    finally:
        for child in children:
            child.kill()


def check_started(config: PretrainConfig) -> None:
    """The processes that torchrun or Slurm started are those of the configuration.

    Raises:
        UsageError: they are not.
    """
    found = started_outside()
    if found and found != (config.devices, config.nodes):
        raise UsageError(
            f"{found[0]} processes on each of {found[1]} machines were started, pretrain.devices is {config.devices} "
            f"and pretrain.nodes {config.nodes}; add --devices {found[0]} --nodes {found[1]}"
        )


def _end(children: list[subprocess.Popen[bytes]]) -> None:
    for child in children:
        try:
            child.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            child.kill()
