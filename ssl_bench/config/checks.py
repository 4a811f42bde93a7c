"""What of a configuration cannot be, whatever its components are. No torch."""

from __future__ import annotations

from ssl_bench.config.config import PretrainConfig
from ssl_bench.errors import UsageError

LARS_DECAY = 1e-3
"""Largest weight decay at which LARS trains: ten times the largest official value (SimCLR's)."""


def check_batch(pretrain: PretrainConfig) -> None:
    """Every process gets an equal part of the batch, of two images at least."""
    if pretrain.batch_size % pretrain.processes or pretrain.batch_size < 2 * pretrain.processes:
        raise UsageError(
            f"a batch is shared equally by {pretrain.processes} processes (devices x nodes), found a batch of "
            f"{pretrain.batch_size}; choose a multiple of {pretrain.processes} from {2 * pretrain.processes} on"
        )


def check_parallel(pretrain: PretrainConfig, optimizer: str) -> None:
    """Weights are shared by several processes, with AdamW, and are not compiled."""
    if pretrain.parallel != "fsdp":
        return
    if pretrain.processes == 1:
        raise UsageError("pretrain.parallel=fsdp shares the weights among processes, and there is one; add --devices N")
    if optimizer == "lars":
        raise UsageError(
            "LARS needs norms of whole weights, so not pretrain.parallel=fsdp; add --set pretrain.optimizer=adamw"
        )
    if pretrain.compile:
        raise UsageError("pretrain.compile with pretrain.parallel=fsdp has not been tested; leave out one of the two")


def check_lars(pretrain: PretrainConfig) -> None:
    """LARS multiplies by a trust coefficient of 0.001, so the rates and decays of AdamW would leave it standing."""
    usual = 0.2 * pretrain.batch_size / 256
    small = pretrain.lr != "auto" and pretrain.lr < usual / 10
    if small or (pretrain.weight_decay != "auto" and pretrain.weight_decay > LARS_DECAY):
        raise UsageError(
            f"LARS expects a learning rate near 0.2 x batch / 256 and a weight decay near 1e-6, found {pretrain.lr} "
            f"and {pretrain.weight_decay}; set --lr {usual:g} --set pretrain.weight_decay=1e-6 "
            "--set pretrain.weight_decay_end=null, or --set pretrain.optimizer=adamw"
        )


def check_declared(group: str | None, seed: int | None) -> None:
    """An encoder from elsewhere is declared whole: whose pretraining it is, and which seed of it.

    Raises:
        UsageError: a group without a seed, or a seed without a group.
    """
    if bool(group) != (seed is not None):
        raise UsageError("a group of published encoders needs both: add --group NAME and --pretraining-seed N")
